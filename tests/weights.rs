//! A source of weight w gives w draws of each of its records in an epoch: evenly, exactly, and not the same ones
//! each time.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;
mod small;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use chefgenius::Error;
use chefgenius::epoch::Position;
use chefgenius::plan::Plan;
use chefgenius::store::TokenStore;
use small::{KINDS, Run, SOURCES, causal, parts, spec, store};

const WEIGHTS: [f64; 8] = [0.0, 0.25, 0.5, 0.7, 1.0, 1.5, 2.0, 3.3];
const EPOCHS: u64 = 9;

/// Each kind of plan with each weight for each source in turn, the two others having others of the list.
fn runs(store: &Arc<TokenStore>) -> impl Iterator<Item = (Run<'_>, BTreeMap<u32, f64>)> {
    (0..KINDS).flat_map(move |kind| {
        (0..WEIGHTS.len()).flat_map(move |first| {
            (0..5).map(move |turn| {
                let mut spec = spec(kind, 4, 3);
                if turn == 4 {
                    spec.layout = causal(spec.layout);
                }
                let weight = |source: u32| match turn {
                    // One weight for all; one source alone has another; all three have.
                    0 => WEIGHTS[first].max(0.25),
                    1 if source != 1 => 1.0,
                    _ => WEIGHTS[(first + turn * source as usize) % WEIGHTS.len()],
                };
                let weights: BTreeMap<u32, f64> = (0..SOURCES).map(|s| (s, weight(s))).collect();
                spec.weights = weights.clone();
                (Run::new(store, spec, 3 + turn as u64), weights)
            })
        })
    })
}

/// How often each record is drawn in an epoch, and the micro-batches that hold it.
fn scan(plan: &Plan, epoch: u64) -> HashMap<usize, Vec<u64>> {
    let mut seen: HashMap<usize, Vec<u64>> = HashMap::new();
    for index in 0..plan.micro_batches() {
        for record in plan.records(epoch, index).unwrap().records {
            seen.entry(record).or_default().push(index);
        }
    }
    seen
}

#[test]
fn draws_are_even_constant_and_found_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path(), 90);
    let source = |record: usize| store.info(record).unwrap().source;
    let sizes: Vec<u64> = (0..SOURCES)
        .map(|s| (0..store.len()).filter(|&r| source(r) == s).count() as u64)
        .collect();
    let (mut checked, mut whole) = (0, 0);
    for (run, weights) in runs(&store) {
        let plan = run.plan();
        let parts = parts(&store, &plan);
        let all: u64 = parts.iter().map(|part| part.draws).sum();
        let wanted: f64 = weights
            .iter()
            .map(|(&s, w)| w * sizes[s as usize] as f64)
            .sum();
        assert!(
            (all as f64 - wanted).abs() < 0.5 + 1e-6,
            "{all} draws for {wanted}"
        );
        let mut counts: HashMap<usize, u64> = HashMap::new();
        for epoch in 0..EPOCHS {
            let seen = scan(&plan, epoch);
            assert_eq!(seen.values().map(Vec::len).sum::<usize>() as u64, all);
            for (&record, indices) in &seen {
                *counts.entry(record).or_default() += indices.len() as u64;
            }
            // The way back, for every record of the store, drawn or not.
            for record in 0..store.len() {
                let mut expected = seen.get(&record).cloned().unwrap_or_default();
                expected.dedup();
                assert_eq!(plan.when(epoch, record), expected);
            }
            for part in &parts {
                let (c, n) = ((epoch + 1) * part.draws, part.records.len() as u64);
                for record in &part.records {
                    assert_eq!(u64::from(source(*record)), part.source);
                    let drawn = counts.get(record).copied().unwrap_or(0);
                    assert!(
                        (c / n..=c.div_ceil(n)).contains(&drawn),
                        "{drawn} of {c} / {n}"
                    );
                    checked += 1;
                }
            }
            for (&source_number, &weight) in &weights {
                let size = sizes[source_number as usize];
                let own = |record: &&usize| source(**record) == source_number;
                let drawn: usize = seen
                    .keys()
                    .filter(own)
                    .map(|record| seen[record].len())
                    .sum();
                let wanted = weight * size as f64;
                assert!(
                    (drawn as f64 - wanted.round()).abs() <= 1.0,
                    "{drawn} for {wanted}"
                );
                if weight == 0.0 {
                    assert_eq!(drawn, 0);
                }
                if weight.fract() == 0.0 {
                    for record in (0..store.len()).filter(|&r| source(r) == source_number) {
                        let times = seen.get(&record).map_or(0, Vec::len);
                        assert_eq!(times as f64, weight);
                        whole += 1;
                    }
                }
            }
        }
        // Records of weight 0 are no members at all.
        let members: usize = parts.iter().map(|part| part.records.len()).sum();
        let weighty = weights.iter().filter(|&(_, &weight)| weight > 0.0);
        let left: u64 = weighty.map(|(&s, _)| sizes[s as usize]).sum();
        assert_eq!((members as u64, plan.len() as u64), (left, left));
    }
    assert!(checked > 50_000 && whole > 20_000, "{checked}, {whole}");
}

/// Steps count every draw, and name the steps that hold a record once.
#[test]
fn steps_of_a_record_are_those_of_its_micro_batches() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path(), 90);
    for (run, _) in runs(&store) {
        let epochs = run.epochs(0, 1);
        let seen = scan(epochs.plan(), 4);
        let mut samples = 0;
        for step in 0..epochs.plan().steps() {
            samples += epochs.step_info(4, step).unwrap().samples;
        }
        assert_eq!(samples as usize, seen.values().map(Vec::len).sum::<usize>());
        for (record, indices) in seen {
            let mut steps: Vec<u64> = indices.iter().map(|index| index / 3).collect();
            steps.dedup();
            assert_eq!(epochs.when(4, record), steps);
        }
    }
}

/// Two epochs have other batches; with a fraction of a source, other records of it.
#[test]
fn epochs_differ() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path(), 90);
    for kind in 0..KINDS {
        for weight in [0.25, 0.5, 0.7, 1.0, 2.0] {
            let mut spec = spec(kind, 4, 3);
            spec.weights.insert(0, weight);
            let run = Run::new(&store, spec, 1);
            let epochs = run.epochs(0, 1);
            let at = |epoch| Position { epoch, index: 1 };
            let first = epochs.records(at(0)).unwrap();
            assert_ne!(first, epochs.records(at(1)).unwrap());
            let fraction = |epoch: u64| {
                let drawn = scan(epochs.plan(), epoch);
                let own = |r: &usize| store.info(*r).unwrap().source == 0;
                let mut own: Vec<usize> = drawn.into_keys().filter(own).collect();
                own.sort_unstable();
                own
            };
            assert_eq!(fraction(0) != fraction(1), weight < 1.0);
        }
    }
}

#[test]
fn weights_that_leave_nothing_or_are_none_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path(), 30);
    let named = |kind: usize, weights: &[(u32, f64)]| {
        let mut spec = spec(kind, 4, 3);
        spec.weights = weights.iter().copied().collect();
        match Plan::new(&store, spec, 0) {
            Err(Error::Argument { name, .. }) => Err(name),
            Err(other) => panic!("{other}"),
            Ok(plan) => Ok(plan.len()),
        }
    };
    for kind in 0..KINDS {
        assert_eq!(named(kind, &[(0, 0.0), (1, 0.0), (2, 0.0)]), Err("weights"));
        assert_eq!(
            named(kind, &[(0, 1e-9), (1, 0.0), (2, 0.0)]),
            Err("weights")
        );
        for bad in [-1.0, -1e-12, f64::NAN, f64::INFINITY, 1e6 + 1.0] {
            assert_eq!(named(kind, &[(1, bad)]), Err("weights"), "{bad}");
        }
        // A source that has no records weighs nothing, whatever its weight is.
        assert_eq!(named(kind, &[(9, 0.0), (10, 5.5)]), Ok(30));
        assert_eq!(named(kind, &[(0, 0.0), (1, 0.0)]), Ok(6));
    }
}

/// A source with few records of each length is drawn as its weight says, and none of its records is forgotten.
#[test]
fn rare_sources_are_drawn_evenly() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path(), 900);
    let epochs = 40;
    for kind in 0..KINDS {
        for (weight, slack) in [
            (0.25, 0.08),
            (0.3, 0.08),
            (0.7, 0.08),
            (2.5, 0.08),
            (1.37, 0.08),
            (3.0, 0.0),
        ] {
            let mut spec = spec(kind, 4, 3);
            spec.weights = [(1, weight)].into();
            let plan = Run::new(&store, spec, 5).plan();
            let mut drawn = vec![0_u32; store.len()];
            for epoch in 0..epochs {
                for index in 0..plan.micro_batches() {
                    let records = plan.records(epoch, index).unwrap().records;
                    records.into_iter().for_each(|record| drawn[record] += 1);
                }
            }
            for (record, &times) in drawn.iter().enumerate() {
                let weight = if store.info(record).unwrap().source == 1 {
                    weight
                } else {
                    1.0
                };
                let expected = weight * epochs as f64;
                let allowed = if weight.fract() == 0.0 {
                    0.0
                } else {
                    1.0 + slack * expected
                };
                let off = (f64::from(times) - expected).abs();
                assert!(
                    off <= allowed,
                    "{times} draws for {expected} with kind {kind}"
                );
            }
        }
    }
}
