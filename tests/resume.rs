//! A loader that is cut anywhere, as often as you like, by a world of any size, delivers what it would have
//! delivered.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;
mod small;

use std::cell::Cell;
use std::fs;
use std::sync::Arc;

use chefgenius::batch::Batch;
use chefgenius::epoch::Position;
use chefgenius::state::Allowed;
use chefgenius::store::TokenStore;
use common::cases;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::TestRunner;
use small::{Run, SOURCES, at, causal, saved, spec, store, take_all, tombstones};

const DEPTHS: [usize; 4] = [0, 1, 4, 64];
const WORLDS: [u32; 5] = [1, 2, 3, 5, 7];
const EPOCHS: u64 = 3;

/// A stretch of a run, up to a cut.
#[derive(Debug, Clone, Copy)]
struct Leg {
    world: u32,
    depth: usize,
    threads: usize,
    /// How many micro-batches of all epochs lie before the cut.
    cut: u64,
}

/// The first step boundary at or after `to`.
fn boundary(to: Position, slots: u32, micro_batches: u64) -> Position {
    let index = to.index.next_multiple_of(slots.into());
    let number = to.epoch * micro_batches + index.min(micro_batches);
    at(number, micro_batches)
}

/// Runs the legs, each from the state that the one before it left. A cut is moved on to a step boundary where
/// a side of it has more than one rank.
fn check(run: &Run<'_>, expected: &[Batch], legs: &[Leg]) {
    let slots = run.spec.micro_batches_per_step;
    let micro_batches = expected.len() as u64 / EPOCHS;
    let (mut state, mut done): (Option<String>, usize) = (None, 0);
    for (number, leg) in legs.iter().enumerate() {
        let loaders = run.world(leg.world, leg.depth, leg.threads);
        if let Some(state) = &state {
            for loader in &loaders {
                loader.restore(state, Allowed::default()).unwrap();
            }
        }
        let mut to = at(leg.cut.max(done as u64), micro_batches);
        let world_after = legs.get(number + 1).map_or(1, |next| next.world);
        if leg.world.max(world_after) > 1 {
            to = boundary(to, slots, micro_batches);
        }
        let end = (to.epoch * micro_batches + to.index) as usize;
        assert_eq!(take_all(&loaders, slots, to), expected[done..end]);
        let states: Vec<String> = loaders.iter().map(saved).collect();
        assert!(states.iter().all(|state| *state == states[0]));
        let here = run.epochs(0, 1).state(to).unwrap();
        assert_eq!(states[0], serde_json::to_string(&here).unwrap());
        assert_eq!((here.epoch, here.index), (to.epoch, to.index));
        (state, done) = (Some(states[0].clone()), end);
    }
    assert_eq!(done, expected.len());
}

#[derive(Debug, Clone)]
struct Case {
    store: Index,
    is_causal: bool,
    rows: u32,
    slots: u32,
    seed: u64,
    /// Every so many records one is masked; 0 for none.
    masked: usize,
    weights: Option<Vec<f64>>,
    /// World, depth and threads of each leg, and where it is cut.
    legs: Vec<(u32, usize, usize, Index)>,
}

fn any_case() -> impl Strategy<Value = Case> {
    let weight = select(&[0.0, 0.3, 1.0, 1.5, 2.0][..]);
    let weights = prop::collection::vec(weight, SOURCES as usize)
        .prop_filter("all 0", |weights| weights.iter().any(|&w| w > 0.0));
    let leg = (
        select(&WORLDS[..]),
        select(&DEPTHS[..]),
        1..4_usize,
        any::<Index>(),
    );
    (
        (any::<Index>(), any::<bool>()),
        (2_u32..10, 1_u32..13, any::<u64>()),
        prop_oneof![Just(0_usize), 2..9_usize],
        prop::option::of(weights),
        prop::collection::vec(leg, 4),
    )
        .prop_map(
            |((store, is_causal), (rows, slots, seed), masked, weights, legs)| Case {
                store,
                is_causal,
                rows,
                slots,
                seed,
                masked,
                weights,
                legs,
            },
        )
}

fn check_case(stores: &[Arc<TokenStore>], kind: usize, case: &Case) {
    let store = case.store.get(stores);
    let mut spec = spec(kind, case.rows, case.slots);
    if case.is_causal {
        spec.layout = causal(spec.layout);
    }
    if let Some(weights) = &case.weights {
        spec.weights = (0..).zip(weights.iter().copied()).collect();
    }
    let run = Run {
        tombstones: tombstones(store, case.masked),
        ..Run::new(store, spec, case.seed)
    };
    let expected = run.expected(EPOCHS);
    let mut cuts: Vec<usize> = case
        .legs
        .iter()
        .map(|leg| leg.3.index(expected.len() + 1))
        .collect();
    cuts.sort_unstable();
    // The last leg goes on to the end.
    cuts[case.legs.len() - 1] = expected.len();
    let legs: Vec<Leg> = case
        .legs
        .iter()
        .zip(cuts)
        .map(|(&(world, depth, threads, _), cut)| Leg {
            // A world has at most as many ranks as a step has slots.
            world: world.min(case.slots),
            depth,
            threads,
            cut: cut as u64,
        })
        .collect();
    check(&run, &expected, &legs);
}

/// 2,000 tuples over all kinds of plans; 100,000 in the long suite.
fn any_tuple(kind: usize) {
    let mut config = cases(500);
    if config.cases != 500 {
        config.cases = config.cases / 2 * 5;
    }
    let wanted = config.cases;
    let sizes = [20, 26, 33, 47, 64, 90, 200];
    let dirs = sizes.map(|_| tempfile::tempdir().unwrap());
    let stores: Vec<_> = dirs
        .iter()
        .zip(sizes)
        .map(|(dir, n)| store(dir.path(), n))
        .collect();
    let checked = Cell::new(0);
    let ran = TestRunner::new(config).run(&any_case(), |case| {
        check_case(&stores, kind, &case);
        // Plans are kept beside their stores; each is met once here.
        fs::remove_dir_all(case.store.get(&stores).path().join("views")).unwrap();
        checked.set(checked.get() + 1);
        Ok(())
    });
    ran.unwrap();
    assert_eq!(checked.get(), wanted);
}

/// Every index of two epochs with one rank and every step boundary with more, x depth x threads; each cut is
/// followed by two more, before the rest.
fn every_cut(kind: usize) {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path(), 45);
    let run = Run::new(&store, spec(kind, 4, 7), 11);
    let expected = run.expected(EPOCHS);
    let micro_batches = expected.len() as u64 / EPOCHS;
    assert!(micro_batches >= 8, "{micro_batches} micro-batches");
    let mut checked = 0;
    for (place, &depth) in DEPTHS.iter().enumerate() {
        for threads in 1..4 {
            for (number, world) in WORLDS.into_iter().enumerate() {
                for cut in 0..2 * micro_batches {
                    if world > 1 && !(cut % micro_batches).is_multiple_of(7) {
                        continue;
                    }
                    // What follows has another world, depth and number of threads.
                    let other = if world == 1 { 1 } else { WORLDS[number - 1] };
                    let leg = |world, place: usize, cut| Leg {
                        world,
                        depth: DEPTHS[place % DEPTHS.len()],
                        threads: 1 + place % 3,
                        cut,
                    };
                    let (second, third) = (cut + 1 + cut % 3, cut + 3 + cut % 5);
                    let first = Leg {
                        world,
                        depth,
                        threads,
                        cut,
                    };
                    let legs = [
                        first,
                        leg(other, place + 1, second),
                        leg(world, place + 2, third),
                        leg(other, place + 3, EPOCHS * micro_batches),
                    ];
                    check(&run, &expected, &legs);
                    checked += 1;
                }
            }
        }
    }
    let boundaries = 2 * micro_batches.div_ceil(7);
    assert_eq!(checked, 12 * (2 * micro_batches + 4 * boundaries));
}

#[test]
fn any_tuple_of_fixed() {
    any_tuple(0);
}

#[test]
fn every_cut_of_fixed() {
    every_cut(0);
}

#[test]
fn any_tuple_of_bucketed_by_rows() {
    any_tuple(1);
}

#[test]
fn every_cut_of_bucketed_by_rows() {
    every_cut(1);
}

#[test]
fn any_tuple_of_bucketed_by_tokens() {
    any_tuple(2);
}

#[test]
fn every_cut_of_bucketed_by_tokens() {
    every_cut(2);
}

#[test]
fn any_tuple_of_packed() {
    any_tuple(3);
}

#[test]
fn every_cut_of_packed() {
    every_cut(3);
}
