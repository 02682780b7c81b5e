//! Small stores, all plans over them, and worlds of ranks, for the tests of everything that moves a position.
#![allow(
    dead_code,
    clippy::unwrap_used,
    missing_docs,
    reason = "shared by several test binaries"
)]

use std::fs;
use std::path::Path;
use std::sync::Arc;

use chefgenius::batch::{self, Batch};
use chefgenius::epoch::{Epochs, Position};
use chefgenius::layout::{Layout, Model};
use chefgenius::loader::Loader;
use chefgenius::plan::{BatchLimit, Plan, PlanKind, PlanSpec};
use chefgenius::state::{Allowed, State};
use chefgenius::store::{NewRecord, Survival, TokenStore};
use chefgenius::tombstones::Tombstones;
use chefgenius::{Error, Result};
use safetensors::SafeTensors;

use crate::common::{Random, delivery, epochs_of, origin, spec_of, writer};

/// One more than the largest id.
pub const VOCAB: u32 = 1000;

/// Sources of a small store.
pub const SOURCES: u32 = 3;

/// Kinds of plans: `fixed`, `bucketed` by rows, `bucketed` by tokens, `packed`.
pub const KINDS: usize = 4;

/// Record `r` of a small store: some are cut by [`spec`]'s lengths, one in five is of source 2.
pub fn record(r: u64) -> NewRecord {
    let mut random = Random(r ^ 0x5eed);
    let (prompt, target) = (1 + random.below(26), 1 + random.below(48));
    let mut ids = |n: u64| (0..n).map(|_| 3 + random.below(997) as u32).collect();
    NewRecord {
        prompt: ids(prompt),
        target: ids(target),
        quality: (r % 10) as f32 / 10.0,
        split_key: random.next(),
        text_digest: [random.next(), random.next()],
        survival: Survival {
            is_same: !r.is_multiple_of(7),
            quantities: r as u32 % 30,
        },
        source: if r % 5 == 4 { 2 } else { (r % 2) as u32 },
        ordinal: r,
    }
}

pub fn store_of(out: &Path, records: impl IntoIterator<Item = NewRecord>) -> Arc<TokenStore> {
    let mut writer = writer(out, VOCAB);
    let mut count = 0;
    for record in records {
        writer.push(&record).unwrap();
        count += 1;
    }
    let mut origin = origin(count);
    origin.sources.push(origin.sources[0].clone());
    origin.sources[2].name = "fifths".into();
    Arc::new(writer.publish(&origin).unwrap())
}

/// A store of `n` small records in `out`.
pub fn store(out: &Path, n: u64) -> Arc<TokenStore> {
    store_of(out, (0..n).map(record))
}

pub fn causal(layout: Layout) -> Layout {
    Layout {
        model: Model::Causal,
        bos_id: Some(2),
        separator_ids: vec![5, 6],
        ..layout
    }
}

/// A plan of one of [`KINDS`] with about `rows` records in a micro-batch.
pub fn spec(kind: usize, rows: u32, slots: u32) -> PlanSpec {
    let kinds = [
        PlanKind::Fixed,
        PlanKind::Bucketed,
        PlanKind::Bucketed,
        PlanKind::Packed,
    ];
    let mut spec = spec_of(kinds[kind], rows, slots);
    (spec.layout.max_input_length, spec.layout.max_target_length) = (24, 40);
    match kind {
        2 => spec.limit = BatchLimit::Tokens(64 + 40 * (rows - 1)),
        // A row holds two or three.
        3 => spec.limit = BatchLimit::Rows(rows.div_ceil(3)),
        _ => {}
    }
    spec
}

/// Every `every`th record; none for 0.
pub fn tombstones(store: &TokenStore, every: usize) -> Tombstones {
    let records = match every {
        0 => Vec::new(),
        _ => (0..store.len() as u64).step_by(every).collect(),
    };
    Tombstones::new(records, store.len()).unwrap()
}

/// Everything that makes a loader but its rank, depth and threads.
#[derive(Clone)]
pub struct Run<'a> {
    pub store: &'a Arc<TokenStore>,
    pub spec: PlanSpec,
    pub seed: u64,
    pub tombstones: Tombstones,
}

impl<'a> Run<'a> {
    pub fn new(store: &'a Arc<TokenStore>, spec: PlanSpec, seed: u64) -> Self {
        Run {
            store,
            spec,
            seed,
            tombstones: Tombstones::default(),
        }
    }

    pub fn plan(&self) -> Plan {
        Plan::new(self.store, self.spec.clone(), self.seed).unwrap()
    }

    pub fn epochs(&self, rank: u32, world: u32) -> Epochs {
        let tombstones = self.tombstones.clone();
        epochs_of(self.store, self.plan(), tombstones, rank, world)
    }

    pub fn loader(&self, depth: usize, threads: usize) -> Loader {
        Loader::new(self.epochs(0, 1), depth, threads).unwrap()
    }

    /// A loader for each rank.
    pub fn world(&self, world: u32, depth: usize, threads: usize) -> Vec<Loader> {
        let loader = |rank| Loader::new(self.epochs(rank, world), depth, threads).unwrap();
        (0..world).map(loader).collect()
    }

    /// What must be delivered in these epochs: each micro-batch built alone.
    pub fn expected(&self, epochs: u64) -> Vec<Batch> {
        let plan = self.plan();
        let masked = |record| self.tombstones.contains(record);
        let build = |at| batch::build(self.store, &plan, masked, &delivery(), at).unwrap();
        let indices = |epoch| (0..plan.micro_batches()).map(move |index| (epoch, index));
        (0..epochs).flat_map(indices).map(build).collect()
    }
}

pub fn never() -> Result<()> {
    Ok(())
}

/// The position of micro-batch `number`, counted through all epochs.
pub fn at(number: u64, micro_batches: u64) -> Position {
    Position {
        epoch: number / micro_batches,
        index: number % micro_batches,
    }
}

/// Takes all that a rank gets before `to`, which is a step boundary where there is more than one rank.
pub fn take(loader: &Loader, to: Position) -> Vec<Batch> {
    let mut taken = Vec::new();
    loop {
        let at = loader.position().unwrap();
        let own = loader.epochs().next_own(at);
        if at >= to || own.map_or(at.epoch == to.epoch, |own| own >= to) {
            return taken;
        }
        taken.extend(loader.next(at.epoch, &mut never).unwrap());
    }
}

/// Takes all that the ranks of a world get before `to`, each its own, in order; together in the order of the
/// epoch.
pub fn take_all(loaders: &[Loader], slots: u32, to: Position) -> Vec<Batch> {
    let mut all = Vec::new();
    for (rank, loader) in loaders.iter().enumerate() {
        let taken = take(loader, to);
        let place = |batch: &Batch| (batch.epoch, batch.index);
        assert!(taken.is_sorted_by_key(place));
        for batch in &taken {
            let slot = batch.index % u64::from(slots);
            assert_eq!(slot % loaders.len() as u64, rank as u64);
        }
        all.extend(taken);
    }
    all.sort_by_key(|batch| (batch.epoch, batch.index));
    all
}

/// The saved form, checked for its size.
pub fn saved(loader: &Loader) -> String {
    let state = serde_json::to_string(&loader.state().unwrap()).unwrap();
    assert!(state.len() <= 512, "{} bytes", state.len());
    state
}

/// The field that a refusal names; the error itself where it is another one.
pub fn field<T>(result: Result<T>) -> std::result::Result<&'static str, String> {
    match result {
        Err(Error::StateMismatch { field, .. }) => Ok(field),
        Err(other) => Err(other.to_string()),
        Ok(_) => Err("accepted".into()),
    }
}

/// Members of a plan that share a class and a source, and their draws in an epoch.
pub struct Part {
    pub source: u64,
    pub records: Vec<usize>,
    pub draws: u64,
}

/// The parts of a plan, as the file says that is kept of it.
pub fn parts(store: &TokenStore, plan: &Plan) -> Vec<Part> {
    let name = format!("views/{}.safetensors", plan.fingerprint().hex());
    let bytes = fs::read(store.path().join(name)).unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let tables = &header.metadata().as_ref().unwrap()["tables"];
    let tables: serde_json::Value = serde_json::from_str(tables).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let words = tensors.tensor("members").unwrap().data().chunks_exact(4);
    let mut members: Vec<usize> = words
        .map(|word| u32::from_le_bytes(word.try_into().unwrap()) as usize)
        .collect();
    if members.is_empty() {
        // All records as they stand.
        members = (0..store.len()).collect();
    }
    let classes = tables["deck"]["classes"].as_array().unwrap();
    let strata = classes
        .iter()
        .flat_map(|class| class["strata"].as_array().unwrap());
    strata
        .map(|stratum| {
            let number = |key: &str| stratum[key].as_u64().unwrap();
            let first = number("first_member") as usize;
            Part {
                source: number("source"),
                records: members[first..first + number("members") as usize].to_vec(),
                draws: number("draws"),
            }
        })
        .collect()
}

/// A state of each kind of plan, somewhere in its second epoch.
pub fn states<'a>(store: &'a Arc<TokenStore>) -> Vec<(Run<'a>, State)> {
    let state = |kind: usize| {
        let run = Run {
            tombstones: tombstones(store, 3 * (kind % 2)),
            ..Run::new(store, spec(kind, 4, 3), 1 + kind as u64)
        };
        let at = Position {
            epoch: 1,
            index: 2 + kind as u64,
        };
        let state = run.epochs(0, 1).state(at).unwrap();
        let text = serde_json::to_string(&state).unwrap();
        let restored = run.epochs(0, 1).restore(&text, Allowed::default());
        assert!(restored.is_ok_and(|(_, found)| found == at));
        (run, state)
    };
    (0..KINDS).map(state).collect()
}
