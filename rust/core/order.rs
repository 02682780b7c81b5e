//! The order of an epoch: a keyed permutation that is computed, not stored.
//!
//! From [`SMALL`] elements on it is a generalised Feistel network (Black and Rogaway, "Ciphers with
//! Arbitrary Finite Domains", 2002) on the grid a x b, a = ceil(sqrt n), b = ceil(n / a): eight
//! rounds, each adding a keyed 64-bit mix of one coordinate to the other; the few indices past n are
//! walked over. Below it a Fisher-Yates table from the same key, since small Feistel domains stay
//! biased. Keys come from BLAKE3 over seed, epoch and tag, so neighbouring seeds and epochs have
//! nothing in common. Both directions cost O(1) and no memory that grows with n.

/// The version of the order; another code for the same seed must have another number.
pub const ORDER_VERSION: u32 = 1;

/// Below this many elements the order is a table.
pub const SMALL: u64 = 4096;

/// The largest number of elements: 2^63.
pub const LARGEST: u64 = 1 << 63;

const ROUNDS: usize = 8;

/// A permutation of `0..n`, chosen by seed, epoch and tag.
#[derive(Debug, Clone)]
pub struct Permutation {
    n: u64,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    Table {
        forward: Box<[u16]>,
        inverse: Box<[u16]>,
    },
    Feistel {
        /// Columns; at least 64 here, so that a product with `b` stays below 2^64.
        a: u64,
        /// Rows.
        b: u64,
        keys: [u64; ROUNDS],
    },
}

impl Permutation {
    /// The permutation of `n` elements (0 to [`LARGEST`]) for this seed and epoch; `tag` keeps apart the
    /// permutations that one plan needs.
    pub fn new(n: u64, seed: u64, epoch: u64, tag: &str) -> Self {
        debug_assert!(n <= LARGEST);
        let mut words = Words::new(seed, epoch, tag);
        let kind = if n < SMALL {
            let forward = fisher_yates(n as u16, &mut words);
            let mut inverse = vec![0; forward.len()].into_boxed_slice();
            for (i, &x) in forward.iter().enumerate() {
                inverse[x as usize] = i as u16;
            }
            Kind::Table { forward, inverse }
        } else {
            let root = n.isqrt();
            let a = if root * root == n { root } else { root + 1 };
            Kind::Feistel {
                a,
                b: n.div_ceil(a),
                keys: std::array::from_fn(|_| words.next()),
            }
        };
        Permutation { n, kind }
    }

    /// How many elements it has.
    pub fn len(&self) -> u64 {
        self.n
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.n == 0
    }

    /// The element at place `i`, for `i` below `len()`.
    pub fn at(&self, i: u64) -> u64 {
        debug_assert!(i < self.n);
        match &self.kind {
            Kind::Table { forward, .. } => forward[i as usize].into(),
            Kind::Feistel { a, b, keys } => walk(self.n, i, |x| encrypt(*a, *b, keys, x)),
        }
    }

    /// The place of element `x`: `place_of(at(i)) == i`.
    pub fn place_of(&self, x: u64) -> u64 {
        debug_assert!(x < self.n);
        match &self.kind {
            Kind::Table { inverse, .. } => inverse[x as usize].into(),
            Kind::Feistel { a, b, keys } => walk(self.n, x, |x| decrypt(*a, *b, keys, x)),
        }
    }
}

/// Follows the cycle of a permutation of a x b until it is back below n.
fn walk(n: u64, start: u64, step: impl Fn(u64) -> u64) -> u64 {
    let mut x = step(start);
    while x >= n {
        x = step(x);
    }
    x
}

fn encrypt(a: u64, b: u64, keys: &[u64; ROUNDS], x: u64) -> u64 {
    let (mut row, mut column) = (x / a, x % a);
    for pair in keys.chunks_exact(2) {
        column = add(column, reduce(mix(row ^ pair[0]), a), a);
        row = add(row, reduce(mix(column ^ pair[1]), b), b);
    }
    row * a + column
}

fn decrypt(a: u64, b: u64, keys: &[u64; ROUNDS], x: u64) -> u64 {
    let (mut row, mut column) = (x / a, x % a);
    for pair in keys.rchunks_exact(2) {
        row = subtract(row, reduce(mix(column ^ pair[1]), b), b);
        column = subtract(column, reduce(mix(row ^ pair[0]), a), a);
    }
    row * a + column
}

fn add(x: u64, y: u64, modulus: u64) -> u64 {
    let sum = x + y;
    if sum >= modulus { sum - modulus } else { sum }
}

fn subtract(x: u64, y: u64, modulus: u64) -> u64 {
    if x >= y { x - y } else { x + modulus - y }
}

/// `word` scaled to 0..modulus by its high bits.
fn reduce(word: u64, modulus: u64) -> u64 {
    ((u128::from(word) * u128::from(modulus)) >> 64) as u64
}

/// A bijection of 64-bit words that spreads every bit over all: the finaliser of SplitMix64
/// (Stafford's variant 13).
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Each of the n! tables is equally likely.
fn fisher_yates(n: u16, words: &mut Words) -> Box<[u16]> {
    let mut table: Box<[u16]> = (0..n).collect();
    for i in (1..n).rev() {
        table.swap(i.into(), words.below(u64::from(i) + 1) as usize);
    }
    table
}

/// An endless stream of 64-bit words from seed, epoch and tag.
struct Words(blake3::OutputReader);

impl Words {
    fn new(seed: u64, epoch: u64, tag: &str) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("chefgenius order 1");
        hasher.update(&seed.to_le_bytes());
        hasher.update(&epoch.to_le_bytes());
        hasher.update(tag.as_bytes());
        Words(hasher.finalize_xof())
    }

    fn next(&mut self) -> u64 {
        let mut word = [0; 8];
        self.0.fill(&mut word);
        u64::from_le_bytes(word)
    }

    /// Uniform in 0..bound (Lemire, "Fast Random Integer Generation in an Interval", 2019).
    fn below(&mut self, bound: u64) -> u64 {
        loop {
            let product = u128::from(self.next()) * u128::from(bound);
            if product as u64 >= bound.wrapping_neg() % bound {
                return (product >> 64) as u64;
            }
        }
    }
}
