//! The order is as fair as a Fisher-Yates shuffle, at every size that a plan can ask for.
//!
//! Fisher-Yates by another generator must pass the same battery, which holds its expectations, and shuffles
//! with known faults must not, which holds that each statistic can fail.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "fairness/battery.rs"]
mod battery;
mod common;

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fmt;

use battery::{BATCH, Order, Sample, battery};
use chefgenius::order::{Permutation, SMALL};
use common::Random;

/// From how many standard deviations on an order is rejected.
const LIMIT: f64 = 5.0;

/// Sizes of tables and of grids: just above a table, a square, an oblong, one with a cell more than a square,
/// and those at which other index shuffles lose a record.
const SIZES: [u64; 17] = [
    2,
    3,
    4,
    5,
    6,
    7,
    33,
    100,
    1_000,
    SMALL - 1,
    SMALL + 1,
    5_000,
    90 * 90,
    150 * 151,
    65_537,
    100_000,
    262_145,
];

/// Enough samples for full cells; the long suite takes twenty times as many.
fn samples(n: u64) -> u64 {
    let quick = match n {
        0..=6 => 8_000,
        7..=128 => 100_000 / n,
        _ => 260_000_u64.div_ceil(n).max(2),
    };
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => 20 * quick,
        None => quick,
    }
}

/// A score of the battery.
struct Verdict {
    statistic: &'static str,
    what: String,
    z: f64,
}

impl Verdict {
    fn rejects(&self) -> bool {
        // What is not a number is no pass.
        !matches!(self.z.abs().partial_cmp(&LIMIT), Some(Ordering::Less))
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{:+.2} {}, {}", self.z, self.statistic, self.what)
    }
}

fn verdicts(order: Order, n: u64, samples: u64) -> Vec<Verdict> {
    let mut statistics = battery(n);
    for number in 0..samples {
        let sample = Sample::new(order, n, number);
        statistics.iter_mut().for_each(|s| s.add(&sample));
    }
    let mut verdicts = Vec::new();
    for statistic in &statistics {
        for (what, z) in statistic.scores() {
            verdicts.push(Verdict {
                statistic: statistic.name(),
                what: format!("n = {n}, {what}"),
                z,
            });
        }
    }
    verdicts
}

/// The order under test.
fn ours(n: u64, seed: u64, epoch: u64) -> Vec<u32> {
    let mut all = vec![0; n as usize];
    Permutation::new(n, seed, epoch, "records").fill(0, &mut all);
    all.into_iter().map(|x| x as u32).collect()
}

/// Fisher-Yates by xoshiro256++ (Blackman and Vigna, 2019), which has nothing in common with the order.
struct Reference([u64; 4]);

impl Reference {
    /// Its authors seed it by SplitMix64: raw words that differ in few bits begin alike for long, which
    /// this battery sees.
    fn new(n: u64, seed: u64, epoch: u64) -> Self {
        let key = [n, seed, epoch]
            .iter()
            .fold(1, |key, &word| Random(key ^ word).next());
        let mut words = Random(key);
        Reference(std::array::from_fn(|_| words.next()))
    }

    fn next(&mut self) -> u64 {
        let s = &mut self.0;
        let word = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        word
    }

    fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    fn shuffle(&mut self, elements: &mut [u32]) {
        for i in (1..elements.len()).rev() {
            elements.swap(i, self.below(i as u64 + 1) as usize);
        }
    }
}

fn fisher_yates(n: u64, seed: u64, epoch: u64) -> Vec<u32> {
    let mut all: Vec<u32> = (0..n as u32).collect();
    Reference::new(n, seed, epoch).shuffle(&mut all);
    all
}

/// A fault, the statistic that must see it, the size at which it does, and the order with the fault.
type Bad = (
    &'static str,
    &'static str,
    u64,
    fn(u64, u64, u64) -> Vec<u32>,
);

/// The order itself has eight rounds of a network; six already pass.
const BAD: [Bad; 11] = [
    (
        "the same order in every epoch",
        "epoch to epoch",
        5_000,
        |n, seed, _| fisher_yates(n, seed, 0),
    ),
    (
        "a seed that is not used",
        "seed to seed",
        5_000,
        |n, _, epoch| fisher_yates(n, 0, epoch),
    ),
    (
        "a key of seed plus epoch",
        "epoch against seed",
        5_000,
        |n, seed, epoch| fisher_yates(n, seed + epoch, 0),
    ),
    (
        "one order turned on in each epoch",
        "batch-mates",
        5_000,
        |n, seed, epoch| {
            let mut all = fisher_yates(n, seed, 0);
            all.rotate_left((Reference::new(n, seed, epoch).next() % n) as usize);
            all
        },
    ),
    (
        "batches that stay together",
        "batch-mates",
        5_000,
        |n, seed, epoch| {
            let mates = fisher_yates(n, seed, 0);
            let order = fisher_yates(n.div_ceil(BATCH), seed, epoch + 1);
            let batches: Vec<&[u32]> = mates.chunks(BATCH as usize).collect();
            order
                .iter()
                .flat_map(|&b| batches[b as usize])
                .copied()
                .collect()
        },
    ),
    (
        "a linear congruence",
        "adjacent differences",
        5_003,
        |n, seed, epoch| {
            let mut key = Reference::new(n, seed, epoch);
            let (step, start) = (1 + key.below(n - 1), key.below(n));
            (0..n).map(|i| ((i * step + start) % n) as u32).collect()
        },
    ),
    (
        "a network of two rounds",
        "adjacent differences",
        70 * 71,
        |n, seed, epoch| network(n, seed, epoch, 2),
    ),
    (
        "a network of four rounds",
        "strides",
        70 * 71,
        |n, seed, epoch| network(n, seed, epoch, 4),
    ),
    (
        "blocks shuffled each for itself",
        "position by item",
        5_000,
        |n, seed, epoch| {
            let mut all: Vec<u32> = (0..n as u32).collect();
            let mut key = Reference::new(n, seed, epoch);
            all.chunks_mut(1_024).for_each(|block| key.shuffle(block));
            all
        },
    ),
    (
        "four of each eighth in a batch",
        "class dispersion",
        5_120,
        |n, seed, epoch| {
            let mut key = Reference::new(n, seed, epoch);
            let mut eighths: Vec<u32> = (0..n as u32).collect();
            let mut eighths: Vec<_> = eighths.chunks_mut(n as usize / 8).collect();
            eighths.iter_mut().for_each(|eighth| key.shuffle(eighth));
            let batches = (0..n as usize / 8).step_by(4);
            let batches =
                batches.flat_map(|at| eighths.iter().map(move |e| e[at..at + 4].to_vec()));
            let mut all = batches.flatten().collect::<Vec<u32>>();
            all.chunks_mut(BATCH as usize)
                .for_each(|batch| key.shuffle(batch));
            all
        },
    ),
    (
        "swaps with any place",
        "small permutations",
        5,
        |n, seed, epoch| {
            let mut key = Reference::new(n, seed, epoch);
            let mut all: Vec<u32> = (0..n as u32).collect();
            (0..n as usize).for_each(|i| all.swap(i, key.below(n) as usize));
            all
        },
    ),
];

/// The order's network with fewer rounds, on a grid of 71 columns.
fn network(n: u64, seed: u64, epoch: u64, rounds: usize) -> Vec<u32> {
    let mut key = Reference::new(n, seed, epoch);
    let mut cells: Vec<(u64, u64)> = (0..n).map(|i| (i / 71, i % 71)).collect();
    for round in 0..rounds {
        let shifts: Vec<u64> = (0..71).map(|_| key.next() >> 8).collect();
        for (row, column) in &mut cells {
            match round % 2 {
                0 => *column = (*column + shifts[*row as usize]) % 71,
                _ => *row = (*row + shifts[*column as usize]) % (n / 71),
            }
        }
    }
    cells
        .iter()
        .map(|(row, column)| (row * 71 + column) as u32)
        .collect()
}

/// Prints the extremes and the mean square, which is near 1 where the expectations are right.
fn assert_fair(order: Order) {
    let mut all: Vec<Verdict> = SIZES
        .into_iter()
        .flat_map(|n| verdicts(order, n, samples(n)))
        .collect();
    all.sort_by(|a, b| b.z.abs().total_cmp(&a.z.abs()));
    let square = all.iter().map(|v| v.z * v.z).sum::<f64>() / all.len() as f64;
    println!("{} scores, mean square {square:.2}", all.len());
    all.iter().take(5).for_each(|v| println!("{v}"));
    let looked_at: BTreeSet<_> = all.iter().map(|v| v.statistic).collect();
    assert_eq!(looked_at.len(), 9, "{looked_at:?}");
    let rejected: Vec<String> = all
        .iter()
        .filter(|v| v.rejects())
        .map(Verdict::to_string)
        .collect();
    assert!(
        rejected.is_empty(),
        "of {} scores: {rejected:#?}",
        all.len()
    );
}

#[test]
fn the_order_is_fair() {
    assert_fair(&ours);
}

#[test]
fn fisher_yates_is_fair() {
    assert_fair(&fisher_yates);
}

#[test]
fn every_bad_shuffle_is_rejected_and_every_statistic_rejects_one() {
    let mut able = BTreeSet::new();
    for (fault, statistic, n, order) in BAD {
        let samples = if n <= 6 { 2_000 } else { 12 };
        let all = verdicts(&order, n, samples);
        let rejecting: BTreeSet<_> = all
            .iter()
            .filter(|v| v.rejects())
            .map(|v| v.statistic)
            .collect();
        println!("{fault}: {rejecting:?}");
        assert!(
            rejecting.contains(statistic),
            "{fault}: rejected by {rejecting:?} alone"
        );
        able.insert(statistic);
    }
    assert_eq!(able.len(), 9, "{able:?}");
}
