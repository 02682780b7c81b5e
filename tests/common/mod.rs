//! A seeded store without files or tokenizer, for tests and benches of what lies right of the store.
#![allow(
    dead_code,
    clippy::unwrap_used,
    missing_docs,
    reason = "shared by several test binaries"
)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chefgenius::batch::{self, Batch, Delivery, Dtype};
use chefgenius::epoch::Epochs;
use chefgenius::fingerprint::Fingerprint;
use chefgenius::layout::{Layout, Model};
use chefgenius::memory::Pool;
use chefgenius::plan::{BatchLimit, Plan, PlanKind, PlanSpec};
use chefgenius::store::{
    Choice, Counts, Lock, Making, NewRecord, ORIGIN_SCHEMA, Origin, SourcePart, StoreWriter,
    Survival, TextPart, TokenStore, TokenizerPart,
};
use chefgenius::tombstones::Tombstones;
use chefgenius::view::{Split, ViewSpec};
use proptest::test_runner::Config as ProptestConfig;

/// As many cases as `PROPTEST_CASES` says, which the long suite sets; else `quick`.
pub fn cases(quick: u32) -> ProptestConfig {
    let config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => config,
        None => ProptestConfig {
            cases: quick,
            ..config
        },
    }
}

/// SplitMix64: enough randomness for synthetic records.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// Record `r` of the synthetic store.
pub fn record(r: u64, vocab: u64) -> NewRecord {
    let mut random = Random(r);
    let (prompt, target) = (5 + random.below(50), 40 + random.below(500));
    let mut ids =
        |n: u64| -> Vec<u32> { (0..n).map(|_| 3 + random.below(vocab - 3) as u32).collect() };
    let (prompt, target) = (ids(prompt), ids(target));
    NewRecord {
        prompt,
        target,
        quality: if r.is_multiple_of(3) {
            f32::NAN
        } else {
            (r % 10) as f32 / 10.0
        },
        split_key: random.next(),
        text_digest: [random.next(), random.next()],
        survival: Survival {
            is_same: !r.is_multiple_of(7),
            quantities: r as u32 % 30,
        },
        source: (r % 2) as u32,
        ordinal: r / 2,
    }
}

/// What stands for a `tokenizer.json`.
pub const TOKENIZER: &[u8] = b"synthetic";

pub fn begin(out: &Path, tokenizer: TokenizerPart, text: TextPart) -> StoreWriter {
    let lock = Lock::take(out, &mut || Ok(())).unwrap();
    StoreWriter::begin(Arc::new(lock), tokenizer, TOKENIZER, Some(2), text).unwrap()
}

pub fn writer(out: &Path, vocab: u32) -> StoreWriter {
    let tokenizer = TokenizerPart {
        fingerprint: Fingerprint::of(TOKENIZER),
        vocab_size: vocab,
        eos_id: 1,
        pad_id: 0,
    };
    let text = TextPart {
        normalisation: 1,
        respell: true,
        prompt: "{title}".into(),
        target: "{recipe}".into(),
    };
    begin(out, tokenizer, text)
}

pub fn origin(records: u64) -> Origin {
    let part = |name: &str| SourcePart {
        name: name.into(),
        format: "synthetic".into(),
        bytes: 0,
        modified: 0,
        stamp: None,
        blake3: Fingerprint::of(name.as_bytes()),
        counts: Counts::default(),
    };
    Origin {
        schema: ORIGIN_SCHEMA.into(),
        sources: vec![part("even"), part("odd")],
        choice: Choice::default(),
        making: Making {
            counts: Counts {
                kept: records,
                ..Counts::default()
            },
            ..Making::default()
        },
    }
}

/// A store of `n` records in `out`.
pub fn store(out: &Path, n: u64, vocab: u32) -> TokenStore {
    let mut writer = writer(out, vocab);
    for r in 0..n {
        writer.push(&record(r, vocab.into())).unwrap();
    }
    writer.publish(&origin(n)).unwrap()
}

pub fn layout() -> Layout {
    Layout {
        model: Model::Seq2seq,
        max_input_length: 256,
        max_target_length: 512,
        bos_id: None,
        separator_ids: Vec::new(),
        loss_on_prompt: false,
        eos_id: 1,
        pad_id: 0,
    }
}

pub fn spec(batch_size: u32, micro_batches_per_step: u32) -> PlanSpec {
    spec_of(PlanKind::Fixed, batch_size, micro_batches_per_step)
}

pub fn spec_of(kind: PlanKind, batch_size: u32, micro_batches_per_step: u32) -> PlanSpec {
    PlanSpec {
        kind,
        view: ViewSpec {
            split: Split::All,
            validation_fraction: 0.1,
            validation_sources: Default::default(),
            split_seed: 0,
            min_quality: None,
        },
        layout: layout(),
        limit: BatchLimit::Rows(batch_size),
        micro_batches_per_step,
        weights: Default::default(),
    }
}

/// Delivery as a loader without options has it.
pub fn delivery() -> Delivery {
    Delivery {
        pool: Pool::heap(16),
        inputs: Dtype::I64,
    }
}

pub fn epochs(store: &Arc<TokenStore>, spec: PlanSpec, seed: u64, rank: u32, world: u32) -> Epochs {
    let plan = Plan::new(store, spec, seed).unwrap();
    epochs_of(store, plan, Tombstones::default(), rank, world)
}

pub fn epochs_of(
    store: &Arc<TokenStore>,
    plan: Plan,
    tombstones: Tombstones,
    rank: u32,
    world: u32,
) -> Epochs {
    Epochs::new(
        Arc::clone(store),
        plan,
        tombstones,
        delivery(),
        (rank, world),
    )
    .unwrap()
}

/// One micro-batch, alone, nothing masked.
pub fn build(store: &TokenStore, plan: &Plan, epoch: u64, index: u64) -> chefgenius::Result<Batch> {
    batch::build(store, plan, |_| false, &delivery(), (epoch, index))
}

/// The folder with real recipes and tokenizers; `None`, with the reason printed, on a machine without it.
pub fn shared() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    if !path.is_dir() {
        eprintln!(
            "skipped: the real recipes are not here (`{}`)",
            path.display()
        );
        return None;
    }
    Some(path)
}
