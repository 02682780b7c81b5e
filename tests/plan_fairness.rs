//! The plans are as fair as a shuffle within their classes: other mates in each epoch, any place in it, and seeds
//! that have nothing in common.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;
mod small;

use std::collections::BTreeMap;
use std::sync::Arc;

use chefgenius::plan::{BatchLimit, Plan};
use chefgenius::store::TokenStore;
use common::layout;
use small::{KINDS, Run, parts, spec};

const RECORDS: u64 = 3000;
/// Epochs that are looked at.
const EPOCHS: u64 = 40;

/// Plans of the sizes of a small run.
fn run(store: &Arc<TokenStore>, kind: usize, seed: u64) -> Run<'_> {
    let mut spec = spec(kind, 16, 2);
    spec.layout = layout();
    match kind {
        2 => spec.limit = BatchLimit::Tokens(6000),
        3 => spec.limit = BatchLimit::Rows(8),
        _ => {}
    }
    Run::new(store, spec, seed)
}

/// Those that are padded, or packed, together: the batches of an epoch, or the rows of `packed`.
fn groups(plan: &Plan, epoch: u64) -> Vec<Vec<usize>> {
    let mut groups = Vec::new();
    for index in 0..plan.micro_batches() {
        let group = plan.records(epoch, index).unwrap();
        let ends = group.ends.unwrap_or_else(|| vec![group.records.len()]);
        let mut begin = 0;
        for end in ends {
            groups.push(group.records[begin..end].to_vec());
            begin = end;
        }
    }
    groups
}

/// The group of each record.
fn places(groups: &[Vec<usize>]) -> Vec<usize> {
    let mut places = vec![usize::MAX; RECORDS as usize];
    for (number, group) in groups.iter().enumerate() {
        group.iter().for_each(|&record| places[record] = number);
    }
    assert!(!places.contains(&usize::MAX));
    places
}

/// Pairs of records that are mates in both.
fn shared(one: &[usize], other: &[usize]) -> f64 {
    let mut both: Vec<(usize, usize)> = one.iter().copied().zip(other.iter().copied()).collect();
    both.sort_unstable();
    let pairs = |part: &[_]| part.len() * (part.len() - 1) / 2;
    both.chunk_by(|a, b| a == b).map(pairs).sum::<usize>() as f64
}

/// How many pairs are mates in both of two independent shuffles within classes: of `m` pairs of mates among the
/// `n` pairs of two classes, or of one, m m / n. Also how many pairs of mates there are.
fn expected(store: &TokenStore, plan: &Plan, groups: &[Vec<usize>]) -> (f64, f64) {
    let parts = parts(store, plan);
    let mut class = vec![0; RECORDS as usize];
    for (number, part) in parts.iter().enumerate() {
        part.records
            .iter()
            .for_each(|&record| class[record] = number);
    }
    let mut mates: BTreeMap<(usize, usize), f64> = BTreeMap::new();
    for group in groups {
        let mut counts: BTreeMap<usize, f64> = BTreeMap::new();
        for &record in group {
            *counts.entry(class[record]).or_default() += 1.0;
        }
        for (&a, &x) in &counts {
            *mates.entry((a, a)).or_default() += x * (x - 1.0) / 2.0;
            for (&b, &y) in counts.range(a + 1..) {
                *mates.entry((a, b)).or_default() += x * y;
            }
        }
    }
    let size = |class: usize| parts[class].records.len() as f64;
    let all = |a: usize, b: usize| match a == b {
        true => (size(a) * (size(a) - 1.0) / 2.0).max(1.0),
        false => size(a) * size(b),
    };
    let again = mates.iter().map(|(&(a, b), m)| m * m / all(a, b)).sum();
    (again, mates.values().sum())
}

/// How many standard errors the mean of `found` lies from `expected`.
fn z(found: &[f64], expected: f64) -> f64 {
    let n = found.len() as f64;
    let mean = found.iter().sum::<f64>() / n;
    let variance = found.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / (n - 1.0);
    (mean - expected) / (variance / n).sqrt()
}

#[test]
fn mates_are_drawn_anew_in_each_epoch_and_for_each_seed() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(common::store(dir.path(), RECORDS, 1000));
    for kind in 0..KINDS {
        let (plan, other) = (run(&store, kind, 1).plan(), run(&store, kind, 2).plan());
        let epochs: Vec<_> = (0..EPOCHS)
            .map(|epoch| places(&groups(&plan, epoch)))
            .collect();
        let others: Vec<_> = (0..EPOCHS)
            .map(|epoch| places(&groups(&other, epoch)))
            .collect();
        let (again, mates) = expected(&store, &plan, &groups(&plan, 0));
        assert_eq!(expected(&store, &plan, &groups(&plan, 7)), (again, mates));
        let pairs = |lag: usize| epochs.iter().zip(&epochs[lag..]);
        for lag in [1, 2, 7] {
            let found: Vec<f64> = pairs(lag).map(|(a, b)| shared(a, b)).collect();
            let z = z(&found, again);
            assert!(z.abs() < 5.0, "kind {kind}, {lag} epochs apart: z = {z}");
        }
        for (name, lag) in [("the same epoch", 0), ("the next epoch", 1)] {
            let found: Vec<f64> = epochs
                .iter()
                .zip(&others[lag..])
                .map(|(a, b)| shared(a, b))
                .collect();
            let z = z(&found, again);
            assert!(
                z.abs() < 5.0,
                "kind {kind}, {name} of another seed: z = {z}"
            );
        }
        // It does tell: where one group in twenty stays together, it is noticed.
        let kept = |(a, b): (&Vec<usize>, &Vec<usize>)| {
            let stays =
                |(&a, &b): (&usize, &usize)| if a % 20 == 0 { RECORDS as usize + a } else { b };
            shared(a, &a.iter().zip(b).map(stays).collect::<Vec<_>>())
        };
        let found: Vec<f64> = pairs(1).map(kept).collect();
        let z = z(&found, again);
        assert!(z > 5.0, "kind {kind}: z = {z}");
        assert!(again < mates, "{again} of {mates}");
    }
}

/// The chance of each eighth of an epoch to hold a given record.
fn eighths(plan: &Plan, kind: usize) -> [f64; 8] {
    let all = plan.micro_batches();
    let mut shares = [0.0; 8];
    for index in 0..all {
        // Batches of `bucketed` are shuffled as they are; else what is shuffled is what they hold.
        let weight = match kind {
            1 | 2 => 1.0,
            _ => plan.records(0, index).unwrap().rows() as f64,
        };
        shares[(index * 8 / all) as usize] += weight;
    }
    let sum: f64 = shares.iter().sum();
    shares.map(|share| share / sum)
}

#[test]
fn a_record_stands_anywhere_in_an_epoch() {
    const LOOKS: u64 = 400;
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(common::store(dir.path(), RECORDS, 1000));
    for kind in 0..KINDS {
        let plan = run(&store, kind, 3).plan();
        let shares = eighths(&plan, kind);
        let (mut sum, mut looked) = (0.0, 0.0);
        for record in (0..RECORDS as usize).step_by(97) {
            let mut counts = [0.0; 8];
            for epoch in 0..LOOKS {
                let index = plan.when(epoch, record)[0];
                counts[(index * 8 / plan.micro_batches()) as usize] += 1.0;
            }
            for (count, share) in counts.iter().zip(shares) {
                let expected = share * LOOKS as f64;
                sum += (count - expected) * (count - expected) / expected;
            }
            looked += 7.0;
        }
        let z = (sum - looked) / f64::sqrt(2.0 * looked);
        assert!(z.abs() < 5.0, "kind {kind}: z = {z}");
    }
}

/// Where a record stands says nothing of where it stands in another epoch, or for another seed; nor does its
/// number, or its length.
#[test]
fn places_have_nothing_in_common() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(common::store(dir.path(), RECORDS, 1000));
    for kind in 0..KINDS {
        let (plan, other) = (run(&store, kind, 4).plan(), run(&store, kind, 5).plan());
        let place = |plan: &Plan, epoch: u64| -> Vec<f64> {
            let mut place = vec![0.0; RECORDS as usize];
            for index in 0..plan.micro_batches() {
                for record in plan.records(epoch, index).unwrap().records {
                    place[record] = index as f64;
                }
            }
            place
        };
        let numbers: Vec<f64> = (0..RECORDS).map(|record| record as f64).collect();
        let length = |record| {
            let (prompt, target) = store.lengths(record).unwrap();
            (prompt + target) as f64
        };
        let lengths: Vec<f64> = (0..RECORDS as usize).map(length).collect();
        let mut means = [0.0; 5];
        for epoch in 0..EPOCHS {
            let here = place(&plan, epoch);
            let pairs = [
                correlation(&here, &place(&plan, epoch + 1)),
                correlation(&here, &place(&other, epoch)),
                correlation(&here, &place(&other, epoch + 1)),
                correlation(&here, &numbers),
                correlation(&here, &lengths),
            ];
            for (mean, found) in means.iter_mut().zip(pairs) {
                *mean += found / EPOCHS as f64;
            }
            assert!(correlation(&here, &here) > 0.999);
        }
        // What is shuffled are batches: as few values as there are of them.
        let free = match kind {
            0 => RECORDS as f64,
            _ => plan.micro_batches() as f64,
        };
        for (number, mean) in means.into_iter().enumerate() {
            let z = mean * (EPOCHS as f64 * free).sqrt();
            assert!(z.abs() < 5.0, "kind {kind}, pair {number}: z = {z}");
        }
    }
}

fn correlation(one: &[f64], other: &[f64]) -> f64 {
    let n = one.len() as f64;
    let mean = |values: &[f64]| values.iter().sum::<f64>() / n;
    let (a, b) = (mean(one), mean(other));
    let product = |(x, y): (&f64, &f64)| (x - a) * (y - b);
    let square =
        |values: &[f64], mean: f64| -> f64 { values.iter().map(|x| (x - mean) * (x - mean)).sum() };
    one.iter().zip(other).map(product).sum::<f64>() / (square(one, a) * square(other, b)).sqrt()
}
