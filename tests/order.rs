//! The order is a fair permutation with an inverse, and stays what it is.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::collections::HashSet;

use chefgenius::order::{LARGEST, Permutation, SMALL};
use proptest::prelude::*;

/// The naive twin: the order as a table.
fn table(n: u64, seed: u64, epoch: u64) -> Vec<u64> {
    let order = Permutation::new(n, seed, epoch, "records");
    (0..n).map(|i| order.at(i)).collect()
}

/// The naive twin of a small order: one word of the stream a time, and a modulo where a word is too low.
fn shuffled(n: u64, seed: u64, epoch: u64) -> Vec<u64> {
    let mut key = blake3::Hasher::new_derive_key("chefgenius order 1");
    key.update(&[seed.to_le_bytes(), epoch.to_le_bytes()].concat());
    let mut stream = key.update(b"records").finalize_xof();
    let mut below = |bound: u64| {
        loop {
            let mut word = [0; 8];
            stream.fill(&mut word);
            let product = u128::from(u64::from_le_bytes(word)) * u128::from(bound);
            if u128::from(product as u64) >= (1 << 64) % u128::from(bound) {
                return (product >> 64) as usize;
            }
        }
    };
    let mut table: Vec<u64> = (0..n).collect();
    for i in (1..n).rev() {
        table.swap(i as usize, below(i + 1));
    }
    table
}

/// Every place and, of the inverse, every `stride`-th.
fn assert_permutation(n: u64, seed: u64, stride: usize) {
    let order = Permutation::new(n, seed, 0, "records");
    let mut all = vec![0; n as usize];
    order.fill(0, &mut all);
    let mut seen = vec![false; n as usize];
    for &x in &all {
        assert!(x < n && !seen[x as usize], "n = {n}: {x} comes twice");
        seen[x as usize] = true;
    }
    for i in (0..n).step_by(stride) {
        let x = all[i as usize];
        assert_eq!(order.at(i), x, "n = {n}: place {i} alone");
        assert_eq!(order.place_of(x), i, "n = {n}: the inverse of {x}");
    }
}

/// Whether this is the long suite, see `common::cases`.
fn long() -> bool {
    std::env::var_os("PROPTEST_CASES").is_some()
}

#[test]
fn every_size_to_five_thousand_is_a_bijection() {
    for n in 0..=5_000 {
        // The inverse of a table is a search: all of them take the long suite.
        let some = !long() && (300..SMALL - 40).contains(&n);
        assert_permutation(n, n ^ 7, if some { 61 } else { 1 });
    }
}

#[test]
fn every_size_near_a_power_of_two_is_a_bijection() {
    let mut sizes = 0;
    for n in (1..=20).flat_map(|k| [(1 << k) - 1, 1 << k, (1 << k) + 1]) {
        assert_permutation(n, n ^ 7, 1);
        sizes += 1;
    }
    assert_eq!(sizes, 60);
}

/// The edges of table, grid and range: squares and oblongs, and one less and one more.
fn edges() -> impl Strategy<Value = u64> {
    let near = |n: u64| n.saturating_sub(1)..=(n + 1).min(LARGEST);
    prop_oneof![
        Just(LARGEST),
        near(SMALL),
        (64u64..3_000_000_000).prop_flat_map(move |root| near(root * root)),
        (64u64..3_000_000_000).prop_flat_map(move |root| near(root * (root + 1))),
        (1u32..=63).prop_flat_map(move |k| near(1 << k)),
        0..3 * SMALL,
        0..=LARGEST,
    ]
}

proptest! {
    #![proptest_config(common::cases(64))]

    #[test]
    fn any_size_is_a_bijection(n in 0u64..40_000, seed: u64) {
        assert_permutation(n, seed, 1);
    }

    #[test]
    fn the_inverse_holds_up_to_the_largest(n in SMALL..=LARGEST, seed: u64, epoch: u64, at: u64) {
        let order = Permutation::new(n, seed, epoch, "records");
        let i = at % n;
        prop_assert!(order.at(i) < n);
        prop_assert_eq!(order.place_of(order.at(i)), i);
        prop_assert_eq!(order.at(order.place_of(i)), i);
    }

    #[test]
    fn the_inverse_holds_at_the_edges(n in edges(), seed: u64, epoch: u64, at: u64) {
        let order = Permutation::new(n, seed, epoch, "records");
        for i in [at.checked_rem(n), n.checked_sub(1), (n > 0).then_some(0)].into_iter().flatten() {
            prop_assert!(order.at(i) < n);
            prop_assert_eq!(order.place_of(order.at(i)), i);
            prop_assert_eq!(order.at(order.place_of(i)), i);
        }
    }

    #[test]
    fn fill_is_at_for_each_place(
        n in edges(), seed: u64, epoch: u64, start: u64, len in 0u64..100, at_the_end: bool,
    ) {
        let order = Permutation::new(n, seed, epoch, "records");
        let len = len.min(n);
        let start = if at_the_end { n - len } else { start % (n - len + 1) };
        let mut found = vec![u64::MAX; len as usize];
        order.fill(start, &mut found);
        let expected: Vec<u64> = (start..start + len).map(|i| order.at(i)).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn a_table_is_fisher_yates_on_the_key_stream(n in 0..SMALL, seed: u64, epoch: u64) {
        prop_assert_eq!(table(n, seed, epoch), shuffled(n, seed, epoch));
    }

    #[test]
    fn the_same_key_is_the_same_table(n in 1u64..10_000, seed: u64, epoch: u64) {
        prop_assert_eq!(table(n, seed, epoch), table(n, seed, epoch));
    }
}

#[test]
fn seeds_epochs_and_tags_have_nothing_in_common() {
    for n in [1000, 100_000] {
        let base = table(n, 1, 1);
        // (seed, epoch) = (2, 0) and (0, 2) would agree with (1, 1) if keys were seed + epoch.
        for other in [
            table(n, 2, 0),
            table(n, 0, 2),
            table(n, 1, 2),
            table(n, 2, 1),
        ] {
            let same = base.iter().zip(&other).filter(|(a, b)| a == b).count();
            assert!(same < 12, "{same} of {n} places agree; about 1 is expected");
        }
        let tagged = Permutation::new(n, 1, 1, "other");
        let same = (0..n).filter(|&i| tagged.at(i) == base[i as usize]).count();
        assert!(same < 12, "{same} of {n} places agree between tags");
    }
}

#[test]
fn all_permutations_of_four_are_equally_likely() {
    let mut counts = std::collections::HashMap::new();
    let draws = 24_000;
    for seed in 0..draws {
        *counts.entry(table(4, seed, 0)).or_insert(0u32) += 1;
    }
    assert_eq!(counts.len(), 24);
    let expected = draws as f64 / 24.0;
    let chi2: f64 = counts
        .values()
        .map(|&c| (f64::from(c) - expected).powi(2) / expected)
        .sum();
    // 23 degrees of freedom: mean 23, standard deviation 6.8; five of them above is 57.
    assert!(chi2 < 57.0, "chi2 = {chi2}");
}

/// Neighbours in the order must not lie at preferred distances: the figure by which other index
/// shuffles fail. 1.0 is ideal.
#[test]
fn adjacent_differences_are_those_of_a_fair_shuffle() {
    for n in [5_000u64, 65_537, 1_000_000] {
        let bins = 64;
        let mut counts = vec![0u64; bins];
        let order = table(n, 11, 3);
        for pair in order.windows(2) {
            let difference = (pair[1] + n - pair[0]) % n;
            counts[(difference * bins as u64 / n) as usize] += 1;
        }
        let expected = (n - 1) as f64 / bins as f64;
        let chi2: f64 = counts
            .iter()
            .map(|&c| (c as f64 - expected).powi(2) / expected)
            .sum();
        let z = (chi2 - (bins - 1) as f64) / (2.0 * (bins - 1) as f64).sqrt();
        assert!(
            z.abs() < 5.0,
            "n = {n}: chi2/df = {}",
            chi2 / (bins - 1) as f64
        );
    }
}

/// Golden vectors: a change of any of them is another order and needs another `ORDER_VERSION`.
#[test]
fn golden_vectors() {
    let text = std::fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/golden/order.json"
    ))
    .unwrap();
    let golden: Vec<(u64, u64, u64, Vec<u64>)> = serde_json::from_str(&text).unwrap();
    let mut sizes = HashSet::new();
    for (n, seed, epoch, expected) in golden {
        let order = Permutation::new(n, seed, epoch, "records");
        let found: Vec<u64> = (0..expected.len() as u64).map(|i| order.at(i)).collect();
        let mut filled = vec![0; expected.len()];
        order.fill(0, &mut filled);
        assert_eq!(found, expected, "n = {n}, seed = {seed}, epoch = {epoch}");
        assert_eq!(filled, expected, "n = {n}, seed = {seed}, epoch = {epoch}");
        sizes.insert(n);
    }
    assert_eq!(sizes.len(), 8);
}

/// Prints the golden file: `cargo test --test order -- --ignored --nocapture print_golden_vectors`.
#[test]
#[ignore = "prints the golden vectors for a new ORDER_VERSION"]
fn print_golden_vectors() {
    let mut lines = Vec::new();
    for n in [1, 7, 4095, 4096, 21_158, 1_000_003, 1 << 40, LARGEST] {
        for (seed, epoch) in [(0, 0), (42, 0), (42, 1), (u64::MAX, 1 << 40)] {
            let order = Permutation::new(n, seed, epoch, "records");
            let start: Vec<u64> = (0..n.min(6)).map(|i| order.at(i)).collect();
            lines.push(serde_json::to_string(&(n, seed, epoch, start)).unwrap());
        }
    }
    println!("[\n  {}\n]", lines.join(",\n  "));
}
