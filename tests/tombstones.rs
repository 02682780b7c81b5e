//! Masked records vanish from finished batches, and nothing else moves.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;
mod small;

use std::collections::HashSet;

use chefgenius::Error;
use chefgenius::epoch::{Position, StepInfo};
use chefgenius::plan::Group;
use chefgenius::state::Allowed;
use chefgenius::tombstones::Tombstones;
use common::Random;
use small::{KINDS, Run, causal, field, never, saved, spec, store};

/// A row's records, with those of `masked` taken out by hand.
fn rows_left(group: &Group, masked: &HashSet<u64>) -> Vec<Vec<i64>> {
    let ends: Vec<usize> = match &group.ends {
        Some(ends) => ends.clone(),
        None => (1..=group.records.len()).collect(),
    };
    let mut begin = 0;
    let mut rows = Vec::new();
    for end in ends {
        let left = group.records[begin..end]
            .iter()
            .filter(|&&record| !masked.contains(&(record as u64)));
        rows.push(left.map(|&record| record as i64).collect::<Vec<_>>());
        begin = end;
    }
    rows.retain(|row| !row.is_empty());
    rows
}

/// For every plan and many sets, from one record to all: each batch is the unmasked one without the masked
/// rows, in the same order; counts and lengths are the plan's.
#[test]
fn masked_records_vanish_and_nothing_moves() {
    let dir = tempfile::tempdir().unwrap();
    let n = 60;
    let store = store(dir.path(), n);
    let (mut random, mut empty, mut lost) = (Random(1), 0, 0);
    for kind in 0..2 * KINDS {
        let mut spec = spec(kind % KINDS, 3, 4);
        if kind >= KINDS {
            spec.layout = causal(spec.layout);
        }
        spec.weights.insert(2, 1.6);
        let plain = Run::new(&store, spec, 9);
        let (plan, whole) = (plain.plan(), plain.epochs(0, 1));
        for count in [1, 5, 20, 45, 59, 60] {
            let masked: HashSet<u64> = match count {
                60 => (0..n).collect(),
                _ => (0..count).map(|_| random.below(n)).collect(),
            };
            let tombstones =
                Tombstones::new(masked.iter().copied().collect(), store.len()).unwrap();
            let run = Run {
                tombstones,
                ..plain.clone()
            };
            let epochs = run.epochs(0, 1);
            assert_eq!(epochs.plan().fingerprint(), plan.fingerprint());
            assert_eq!(epochs.plan().len(), plan.len());
            assert_eq!(epochs.plan().micro_batches(), plan.micro_batches());
            assert_eq!(epochs.plan().steps(), plan.steps());
            assert_eq!(epochs.own_batches(0), plan.micro_batches());
            for index in 0..plan.micro_batches() {
                let at = Position { epoch: 1, index };
                let group = plan.records(1, index).unwrap();
                let rows = rows_left(&group, &masked);
                let batch = epochs.build(at).unwrap();
                assert_eq!(batch.record_ids, rows.concat());
                let listed = epochs.records(at).unwrap();
                assert!(listed.iter().map(|&r| r as i64).eq(rows.concat()));
                assert!(
                    batch
                        .tensors
                        .iter()
                        .all(|t| t.columns.is_none() || t.rows == rows.len())
                );
                empty += u64::from(rows.is_empty());
                lost += group.records.len() - batch.record_ids.len();
                let (here, there) = (epochs.state(at).unwrap(), whole.state(at).unwrap());
                assert_eq!(here.witness, there.witness);
                assert_ne!(here.tombstones, there.tombstones);
            }
            for record in 0..n {
                let when = epochs.when(1, record as usize);
                let expected = match masked.contains(&record) {
                    true => Vec::new(),
                    false => whole.when(1, record as usize),
                };
                assert_eq!(when, expected);
            }
        }
    }
    assert!(empty > 200, "{empty} empty batches");
    assert!(lost > 1000, "{lost} records");
}

/// What is left of a packed row moves up: numbers, positions and ends are those of a row of the records left.
#[test]
fn packed_rows_close_up() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path(), 120);
    let mut spec = spec(3, 4, 1);
    // Room for several records in a row.
    (spec.layout.max_input_length, spec.layout.max_target_length) = (60, 100);
    let run = Run::new(&store, spec, 2);
    let run = Run {
        tombstones: small::tombstones(&store, 3),
        ..run
    };
    let (plan, epochs) = (run.plan(), run.epochs(0, 1));
    let layout = &plan.spec().layout;
    let mut shared = 0;
    for index in 0..plan.micro_batches() {
        let at = Position { epoch: 0, index };
        let (group, batch) = (plan.records(0, index).unwrap(), epochs.build(at).unwrap());
        let rows = rows_left(&group, &run.tombstones.records().iter().copied().collect());
        let [width, _] = plan.columns().unwrap();
        let (ids, mask) = (batch.values("input_ids"), batch.values("attention_mask"));
        let (numbers, places) = (batch.values("segment_ids"), batch.values("position_ids"));
        let mut ends = vec![0];
        for (row, records) in rows.iter().enumerate() {
            let mut expected: Vec<(i64, i64, i64, i64)> = Vec::new();
            for (number, &record) in records.iter().enumerate() {
                let (prompt, _) = store.ids(record as usize).unwrap();
                let length = layout.lengths(&store, record as usize).unwrap().prompt;
                let mut ids = prompt.to_vec();
                ids.truncate(length - 1);
                ids.push(layout.eos_id);
                let each = ids.iter().zip(0..);
                expected.extend(each.map(|(&id, place)| (id.into(), 1, number as i64 + 1, place)));
                ends.push(ends[ends.len() - 1] + length as i64);
            }
            expected.resize(width, (layout.pad_id.into(), 0, 0, 0));
            let here = row * width..(row + 1) * width;
            let found: Vec<_> = here
                .map(|i| (ids[i], mask[i], numbers[i], places[i]))
                .collect();
            assert_eq!(found, expected);
            shared += u64::from(records.len() > 1);
        }
        assert_eq!(batch.values("cu_seqlens"), ends);
    }
    assert!(shared > 20, "{shared} rows of several records");
}

/// A batch without a record has no rows, and the loader delivers it like any other.
#[test]
fn an_empty_batch_is_delivered() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path(), 30);
    for kind in 0..KINDS {
        for depth in [0, 2] {
            let mut run = Run::new(&store, spec(kind, 3, 2), 4);
            let group = run.plan().records(0, 1).unwrap();
            let records = group.records.iter().map(|&record| record as u64);
            run.tombstones = Tombstones::new(records.collect(), store.len()).unwrap();
            let loader = run.loader(depth, 1);
            let mut delivered = Vec::new();
            while let Some(batch) = loader.next(0, &mut never).unwrap() {
                delivered.push(batch);
            }
            assert_eq!(delivered.len() as u64, run.plan().micro_batches());
            let batch = &delivered[1];
            assert!(batch.record_ids.is_empty());
            for tensor in &batch.tensors {
                match tensor.columns {
                    Some(_) => assert_eq!(tensor.rows, 0),
                    None => assert_eq!(batch.values(tensor.name), [0]),
                }
            }
            assert_eq!(delivered, run.expected(1));
        }
    }
}

#[test]
fn step_info_counts_what_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path(), 50);
    for kind in 0..2 * KINDS {
        let mut run = Run::new(&store, spec(kind % KINDS, 3, 4), 4);
        if kind >= KINDS {
            run.spec.layout = causal(run.spec.layout);
        }
        for every in [0, 1, 2, 3] {
            run.tombstones = small::tombstones(&store, every);
            let (epochs, mut samples) = (run.epochs(0, 1), 0);
            for step in 0..epochs.plan().steps() {
                let mut expected = StepInfo::default();
                for index in epochs.plan().step(step).unwrap() {
                    let batch = epochs.build(Position { epoch: 2, index }).unwrap();
                    let learned = |label: &&i64| **label != -100;
                    expected.micro_batches += 1;
                    expected.samples += batch.record_ids.len() as u64;
                    expected.input_tokens +=
                        batch.values("attention_mask").iter().sum::<i64>() as u64;
                    expected.target_tokens +=
                        batch.values("labels").iter().filter(learned).count() as u64;
                }
                assert_eq!(epochs.step_info(2, step).unwrap(), expected);
                samples += expected.samples as usize;
            }
            assert_eq!(samples, store.len() - run.tombstones.records().len());
        }
    }
}

/// Other masked records than the saved ones are refused, until they are allowed; then the rest is that of the
/// records masked now.
#[test]
fn other_tombstones_are_refused_until_they_are_allowed() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path(), 40);
    let allowed = Allowed {
        tombstones: true,
        ..Allowed::default()
    };
    let mut refused = 0;
    for kind in 0..KINDS {
        let run = |every| Run {
            tombstones: small::tombstones(&store, every),
            ..Run::new(&store, spec(kind, 3, 1), 4)
        };
        for before in 0..4 {
            let first = run(before).loader(1, 1);
            for _ in 0..5 {
                first.next(0, &mut never).unwrap().unwrap();
            }
            let state = saved(&first);
            for now in 0..4 {
                let second = run(now).loader(1, 1);
                let plain = second.restore(&state, Allowed::default());
                if now == before {
                    plain.unwrap();
                } else {
                    assert_eq!(field(plain), Ok("tombstones"));
                    let other = Allowed {
                        plan: true,
                        ..Allowed::default()
                    };
                    assert_eq!(field(second.restore(&state, other)), Ok("tombstones"));
                    assert_eq!(second.position().unwrap(), Position::start(0));
                    second.restore(&state, allowed).unwrap();
                    refused += 1;
                }
                for expected in &run(now).expected(1)[5..] {
                    assert_eq!(second.next(0, &mut never).unwrap().as_ref(), Some(expected));
                }
            }
        }
    }
    assert_eq!(refused, KINDS * 12);
}

#[test]
fn a_set_is_named_by_its_records() {
    let named = |records: &[u64]| Tombstones::new(records.to_vec(), 100).unwrap();
    assert_eq!(named(&[]).digest(), "");
    assert_eq!(named(&[7, 3, 7]), named(&[3, 7]));
    let mut digests = HashSet::new();
    for a in 0..100 {
        for b in a..100 {
            digests.insert(named(&[b, a]).digest().to_owned());
        }
    }
    assert_eq!(digests.len(), 100 * 101 / 2);
    for record in [100, u64::MAX] {
        let refused = Tombstones::new(vec![1, record], 100);
        assert!(matches!(
            refused,
            Err(Error::Argument {
                name: "tombstones",
                ..
            })
        ));
    }
}
