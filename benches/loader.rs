//! The loader as a trainer holds it: batches of 32 rows (256/512) from 21,158 records, states and resumes.
#![allow(clippy::unwrap_used, reason = "a bench ends at the first surprise")]

mod common;

use std::hint::{self, black_box};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chefgenius::Result;
use chefgenius::batch::Batch;
use chefgenius::loader::Loader;
use chefgenius::state::Allowed;
use common::synthetic::{epochs, spec, store};
use common::{Work, run};

const RECORDS: u64 = 21_158;

fn next(loader: &Loader) -> Batch {
    let mut never = || -> Result<()> { Ok(()) };
    loop {
        let epoch = loader.begin().unwrap();
        if let Some(batch) = loader.next(epoch, &mut never).unwrap() {
            return batch;
        }
    }
}

/// What a consumer does between two batches; its own core is busy with it.
fn work() {
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_micros(15) {
        hint::spin_loop();
    }
}

fn main() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(store(dir.path(), RECORDS, 32_100));
    let loader = |depth, threads| {
        Loader::new(epochs(&store, spec(32, 1), 42, 0, 1), depth, threads).unwrap()
    };
    run("loader", |benches| {
        let batches = Work {
            elements: Some((1, "batches")),
            bytes: None,
        };
        let depths = [(0, 1), (1, 1), (8, 1), (8, 2), (64, 1), (64, 2)];
        for (depth, threads) in depths {
            let loader = loader(depth, threads);
            let title = format!("next, prefetch {depth} x {threads}");
            benches.measure(&title, batches, |b| b.iter(|| black_box(next(&loader))));
        }
        for (depth, threads) in depths {
            let loader = loader(depth, threads);
            let title = format!("next, 15 us work, prefetch {depth} x {threads}");
            benches.measure(&title, batches, |b| {
                b.iter(|| {
                    black_box(next(&loader));
                    work();
                });
            });
        }
        let one = loader(0, 1);
        next(&one);
        let states = Work::elements(1, "states");
        benches.measure("state to 300 bytes of JSON", states, |b| {
            b.iter(|| black_box(serde_json::to_string(&one.state().unwrap()).unwrap()));
        });
        let saved: Vec<String> = (0..100)
            .map(|_| {
                next(&one);
                serde_json::to_string(&one.state().unwrap()).unwrap()
            })
            .collect();
        let mut turn = 0;
        benches.measure("restore", states, |b| {
            b.iter(|| {
                turn = (turn + 1) % saved.len();
                one.restore(&saved[turn], Allowed::default()).unwrap();
            });
        });
        for depth in [0, 8] {
            let loader = loader(depth, 1);
            let title = format!("restore to batch, prefetch {depth}");
            benches.measure(&title, states, |b| {
                b.iter(|| {
                    turn = (turn + 1) % saved.len();
                    loader.restore(&saved[turn], Allowed::default()).unwrap();
                    black_box(next(&loader))
                });
            });
        }
        benches.measure("new, view kept", Work::elements(1, "loaders"), |b| {
            b.iter(|| black_box(loader(8, 1)));
        });
    });
}
