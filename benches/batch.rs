//! Building one micro-batch of 32 rows, at most 256 input and 512 target ids, beside a plain copy of as many bytes.
#![allow(clippy::unwrap_used, reason = "a bench ends at the first surprise")]

mod common;

use std::hint::black_box;

use chefgenius::batch;
use chefgenius::plan::Plan;
use common::synthetic::{spec, store};
use common::{Work, grouped, run, size};

/// Batches of which the mean size is taken.
const SAMPLE: u64 = 500;

fn main() {
    run("batch", |benches| {
        let mut largest = 0;
        for records in [21_158, 1_000_000] {
            let dir = tempfile::tempdir().unwrap();
            let store = store(dir.path(), records, 32_100);
            // What is measured is a batch of a run, not the first look at a block's checksum.
            for record in 0..store.len() {
                store.ids(record).unwrap();
            }
            let plan = Plan::new(&store, spec(32, 1), 42).unwrap();
            let build = |index| common::synthetic::build(&store, &plan, 0, index).unwrap();
            let sample: usize = (0..SAMPLE).map(|index| build(index).bytes()).sum();
            let bytes = sample / SAMPLE as usize;
            largest = largest.max(bytes);
            let work = Work {
                elements: Some((1, "batches")),
                bytes: Some(bytes as u64),
            };

            let mut index = 0;
            let title = format!("build 32 rows of {}", grouped(records as f64));
            benches.measure(&title, work, |b| {
                b.iter(|| {
                    index = (index + 1) % (plan.micro_batches() - 1);
                    black_box(build(index))
                });
            });
            let title = format!("witness 32 rows of {}", grouped(records as f64));
            benches.measure(&title, Work::elements(1, "batches"), |b| {
                b.iter(|| {
                    index = (index + 1) % (plan.micro_batches() - 1);
                    black_box(batch::witness(&store, &plan, 0, index).unwrap())
                });
            });
        }
        let from = vec![1_u8; largest];
        let title = format!("copy {} to new memory", size(largest));
        benches.measure(&title, Work::bytes(largest as u64), |b| {
            b.iter(|| black_box(black_box(&from).clone()));
        });
        let mut to = from.clone();
        let title = format!("copy {} to the same place", size(largest));
        benches.measure(&title, Work::bytes(largest as u64), |b| {
            b.iter(|| {
                to.copy_from_slice(black_box(&from));
                black_box(to.last().copied())
            });
        });
    });
}
