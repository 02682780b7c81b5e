//! The split depends on content, seed and fraction, and on nothing else.
#![allow(clippy::unwrap_used, reason = "tests")]

use chefgenius::split::{is_validation, split_key};
use proptest::prelude::*;

const FRACTIONS: [f64; 6] = [0.0, 1e-6, 0.05, 0.5, 0.95, 1.0];

#[test]
fn split_keys_are_golden() {
    let keys = [
        "",
        "rice",
        "1cuprice2lemonscookthericesqueezethelemonsoverit",
        "crèmebrûlée",
    ]
    .map(|body| format!("{:016x}", split_key(body)));
    assert_eq!(
        keys,
        [
            "73a9708cf3c4b010",
            "43ae204ea476e9ab",
            "b3f8b25b351ab1c4",
            "61935235e359c412"
        ]
    );
}

#[test]
fn a_split_key_is_blake3_of_domain_and_body() {
    let hash = blake3::hash(b"chefgenius split 1rice");
    let first: [u8; 8] = hash.as_bytes()[..8].try_into().unwrap();
    assert_eq!(split_key("rice"), u64::from_le_bytes(first));
}

#[test]
fn decisions_are_golden() {
    let of_seed = |seed| {
        (0..64_u64).fold(0_u64, |bits, index| {
            let key = split_key(&format!("body {index}"));
            bits | u64::from(is_validation(key, seed, 0.25)) << index
        })
    };
    let decisions = [0, 1, u64::MAX].map(|seed| format!("{:016x}", of_seed(seed)));
    assert_eq!(
        decisions,
        ["880024d0016a003c", "01ad0604210433a0", "00042503a1000874"]
    );
}

#[test]
fn the_share_is_the_fraction() {
    const RECORDS: u32 = 200_000;
    for seed in [0, 1, 7] {
        for fraction in [0.01, 0.05, 0.5] {
            let chosen = (0..RECORDS)
                .filter(|index| is_validation(split_key(&index.to_string()), seed, fraction))
                .count();
            let share = chosen as f64 / f64::from(RECORDS);
            let deviation = (fraction * (1.0 - fraction) / f64::from(RECORDS)).sqrt();
            assert!(
                (share - fraction).abs() < 5.0 * deviation,
                "{seed} {fraction} {share}"
            );
        }
    }
}

#[test]
fn seeds_split_independently() {
    const RECORDS: u32 = 100_000;
    let both = (0..RECORDS)
        .filter(|index| {
            let key = split_key(&index.to_string());
            is_validation(key, 0, 0.1) && is_validation(key, 1, 0.1)
        })
        .count();
    // 1,000 are expected, with a deviation of 31.
    assert!((840..1160).contains(&both), "{both}");
}

#[test]
fn small_keys_are_split_too() {
    let chosen = (0..10_000)
        .filter(|key| is_validation(*key, 0, 0.5))
        .count();
    assert!((4_750..5_250).contains(&chosen), "{chosen}");
}

proptest! {
    #[test]
    fn nothing_validates_at_zero_and_everything_at_one(key: u64, seed: u64) {
        prop_assert!(!is_validation(key, seed, 0.0));
        prop_assert!(!is_validation(key, seed, -1.0));
        prop_assert!(!is_validation(key, seed, f64::NAN));
        prop_assert!(is_validation(key, seed, 1.0));
        prop_assert!(is_validation(key, seed, 2.0));
    }

    #[test]
    fn a_larger_fraction_keeps_the_records_of_a_smaller_one(key: u64, seed: u64) {
        let sides = FRACTIONS.map(|fraction| is_validation(key, seed, fraction));
        prop_assert!(sides.is_sorted());
    }
}
