//! Which records validate: a function of a record's content alone.
//!
//! 1. [`split_key`] hashes the body of a record, once, when the store is built.
//! 2. [`is_validation`] mixes the key with the split's seed and compares with the fraction.
//!
//! So the same body is always on the same side, whatever records come, go or change places, and a larger
//! fraction only adds validation records to those of a smaller one.

const DOMAIN: &[u8] = b"chefgenius split 1";

/// The first eight bytes, little-endian, of BLAKE3 over `chefgenius split 1` and `body`.
#[must_use]
pub fn split_key(body: &str) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(DOMAIN).update(body.as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    u64::from_le_bytes(first)
}

/// Whether the record validates: `mix(split_key, split_seed) < fraction * 2^64`. Never for a fraction of 0
/// (or below, or not a number), always for 1 (or above). Constant time.
#[must_use]
pub fn is_validation(split_key: u64, split_seed: u64, fraction: f64) -> bool {
    const TWO_TO_64: f64 = 18_446_744_073_709_551_616.0;
    if fraction >= 1.0 {
        return true;
    }
    // Exact: scaling by a power of two rounds nothing; the cast cuts a negative or NaN to 0.
    mix(split_key, split_seed) < (fraction * TWO_TO_64) as u64
}

/// A bijection of the key for every seed: two rounds of SplitMix64's output function, the seed between.
fn mix(split_key: u64, split_seed: u64) -> u64 {
    const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
    finalise(split_key ^ finalise(split_seed.wrapping_add(GOLDEN)))
}

/// Stafford's variant 13, as in SplitMix64 (Steele, Lea and Flood 2014).
fn finalise(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}
