//! From a saved state to the next batch, at any position of 1,000,000 records with each plan and of 1e9 records with
//! `fixed`; and what a plan costs to make.
#![allow(clippy::unwrap_used, reason = "a bench ends at the first surprise")]

mod common;

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use chefgenius::fingerprint::Fingerprint;
use chefgenius::layout::Model;
use chefgenius::loader::Loader;
use chefgenius::plan::{Plan, PlanKind, PlanSpec};
use chefgenius::state::Allowed;
use chefgenius::store::{NewRecord, Survival, TokenStore};
use common::synthetic::{Random, epochs, origin, spec_of, store, writer};
use common::{Benches, Work, run};
use criterion::BatchSize;
use serde_json::{Value, json};

const MILLION: u64 = 1_000_000;

fn plans() -> Vec<(&'static str, PlanSpec)> {
    let mut causal = spec_of(PlanKind::Packed, 32, 1);
    causal.layout.model = Model::Causal;
    vec![
        ("fixed", spec_of(PlanKind::Fixed, 32, 1)),
        ("bucketed", spec_of(PlanKind::Bucketed, 32, 1)),
        ("packed", spec_of(PlanKind::Packed, 8, 1)),
        ("packed, causal", causal),
    ]
}

/// The position of micro-batch `index` of epoch 3, as it is saved.
fn saved(loader: &Loader, index: u64) -> String {
    loader.set_epoch(3).unwrap();
    loader.reset().unwrap();
    loader.skip(index).unwrap();
    serde_json::to_string(&loader.state().unwrap()).unwrap()
}

fn resumes(benches: &mut Benches, store: &Arc<TokenStore>, name: &str, spec: PlanSpec) {
    let loader = Loader::new(epochs(store, spec, 42, 0, 1), 0, 1).unwrap();
    let all = loader.epochs().plan().micro_batches();
    let mut random = Random(7);
    let states: Vec<String> = (0..500)
        .map(|_| saved(&loader, random.below(all)))
        .collect();
    let mut turn = 0;
    let resumes = Work::elements(1, "resumes");
    benches.measure(&format!("{name}, state to next batch"), resumes, |b| {
        b.iter(|| {
            turn = (turn + 1) % states.len();
            loader.restore(&states[turn], Allowed::default()).unwrap();
            black_box(loader.next(3, &mut || Ok(())).unwrap())
        });
    });
    benches.measure(
        &format!("{name}, state"),
        Work::elements(1, "states"),
        |b| {
            b.iter(|| black_box(serde_json::to_string(&loader.state().unwrap()).unwrap()));
        },
    );
}

fn making(benches: &mut Benches, store: &TokenStore, name: &str, spec: &PlanSpec) {
    let views = store.path().join("views");
    let work = Work::elements(MILLION, "records");
    benches.measure(&format!("{name}, plan, new"), work, |b| {
        let forget = || drop(fs::remove_dir_all(&views));
        let make = |()| Plan::new(store, spec.clone(), 42).unwrap();
        b.iter_batched(forget, make, BatchSize::PerIteration);
    });
    benches.measure(&format!("{name}, plan, kept"), work, |b| {
        b.iter(|| black_box(Plan::new(store, spec.clone(), 42).unwrap()));
    });
}

/// A store of `copies` million short records: the same shard again and again.
fn repeated(out: &Path, copies: u64) -> TokenStore {
    let mut writer = writer(out, 32_100);
    for r in 0..MILLION {
        let mut random = Random(r);
        let mut ids = |n| -> Vec<u32> { (0..n).map(|_| 3 + random.below(30_000) as u32).collect() };
        writer
            .push(&NewRecord {
                prompt: ids(3),
                target: ids(6),
                quality: f32::NAN,
                split_key: r,
                text_digest: [r, 0],
                survival: Survival {
                    is_same: true,
                    quantities: 0,
                },
                source: 0,
                ordinal: r,
            })
            .unwrap();
    }
    let one = writer.publish(&origin(MILLION)).unwrap().path().to_owned();
    let all = out.join("store-repeated");
    fs::create_dir(&all).unwrap();
    fs::copy(one.join("origin.json"), all.join("origin.json")).unwrap();
    let table = fs::read(one.join("blocks.bin")).unwrap();
    let tables = table.repeat(copies as usize);
    fs::write(all.join("blocks.bin"), &tables).unwrap();
    let mut manifest: Value =
        serde_json::from_slice(&fs::read(one.join("manifest.json")).unwrap()).unwrap();
    let shards = manifest["shards"].as_array().unwrap().clone();
    let mut repeated = Vec::new();
    for copy in 0..copies {
        for (number, shard) in shards.iter().enumerate() {
            let file = format!("shard-{copy:05}-{number}.safetensors");
            fs::hard_link(one.join(shard["file"].as_str().unwrap()), all.join(&file)).unwrap();
            let mut shard = shard.clone();
            shard["file"] = json!(file);
            repeated.push(shard);
        }
    }
    for field in ["records", "tokens"] {
        manifest[field] = json!(manifest[field].as_u64().unwrap() * copies);
    }
    manifest["shards"] = json!(repeated);
    manifest["blocks"] = json!(Fingerprint::of(&tables));
    manifest.as_object_mut().unwrap().remove("blake3");
    let text = serde_json::to_string_pretty(&manifest).unwrap();
    let body = text.strip_suffix("\n}").unwrap();
    let seal = Fingerprint::of(body.as_bytes());
    fs::write(
        all.join("manifest.json"),
        format!("{body},\n  \"blake3\": \"{seal}\"\n}}\n"),
    )
    .unwrap();
    TokenStore::open(&all).unwrap()
}

fn main() {
    run("resume", |benches| {
        let dir = tempfile::tempdir().unwrap();
        let million = Arc::new(store(dir.path(), MILLION, 32_100));
        // What is measured is a resume of a run, not the first look at a block's checksum.
        million.verify().unwrap();
        for record in 0..million.len() {
            million.ids(record).unwrap();
        }
        for (name, spec) in plans() {
            making(benches, &million, name, &spec);
            resumes(benches, &million, name, spec);
        }
        drop(million);
        let dir = tempfile::tempdir().unwrap();
        let billion = Arc::new(repeated(dir.path(), 1000));
        assert_eq!(billion.len(), 1_000_000_000);
        resumes(
            benches,
            &billion,
            "fixed, 1e9 records",
            spec_of(PlanKind::Fixed, 32, 1),
        );
    });
}
