//! The order of an epoch: a keyed permutation that is computed, not stored.
//!
//! From [`SMALL`] elements on it is a generalised Feistel network (Black and Rogaway, "Ciphers with
//! Arbitrary Finite Domains", 2002) on the grid a x b, a = ceil(sqrt n), b = ceil(n / a): eight
//! rounds, each adding a keyed 64-bit mix of one coordinate to the other; the few indices past n are
//! walked over. Below it a Fisher-Yates table from the same key, since small Feistel domains stay
//! biased. Keys come from BLAKE3 over seed, epoch and tag, so neighbouring seeds and epochs have
//! nothing in common. A network answers both directions in O(1) and without memory that grows with n.

use std::sync::LazyLock;

use blake3::hazmat::{ContextKey, HasherExt, hash_derive_key_context};

/// The version of the order; another code for the same seed must have another number.
pub const ORDER_VERSION: u32 = 1;

/// Below this many elements the order is a table.
pub const SMALL: u64 = 4096;

/// The largest number of elements: 2^63.
pub const LARGEST: u64 = 1 << 63;

const ROUNDS: usize = 8;

/// How many indices `fill` computes at once: few enough that the compiler unrolls their loops, enough to
/// hide the latency of a multiplication.
const LANES: usize = 8;

/// A permutation of `0..n`, chosen by seed, epoch and tag.
#[derive(Debug, Clone)]
pub struct Permutation {
    n: u64,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    Table(Box<[u16]>),
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
    /// permutations that one plan needs. Costs a few nanoseconds an element, and keeps two bytes of each,
    /// below [`SMALL`]; from there on well under a microsecond and no memory beside itself.
    pub fn new(n: u64, seed: u64, epoch: u64, tag: &str) -> Self {
        debug_assert!(n <= LARGEST);
        let mut words = Words::new(seed, epoch, tag);
        let kind = if n < SMALL {
            Kind::Table(fisher_yates(n as u16, &mut words))
        } else {
            let root = n.isqrt();
            let a = if root * root == n { root } else { root + 1 };
            Kind::Feistel {
                a,
                b: n.div_ceil(a),
                keys: words.keys(),
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
            Kind::Table(forward) => forward[i as usize].into(),
            Kind::Feistel { a, b, keys } => walk(self.n, i, |x| encrypt(*a, *b, keys, x)),
        }
    }

    /// Writes `at(start)`, `at(start + 1)` and so on into `out`, which may not reach past `len()`. A
    /// fraction of the time of as many calls of `at`.
    pub fn fill(&self, start: u64, out: &mut [u64]) {
        debug_assert!(start <= self.n && out.len() as u64 <= self.n - start);
        match &self.kind {
            Kind::Table(forward) => {
                for (x, &element) in out.iter_mut().zip(&forward[start as usize..]) {
                    *x = element.into();
                }
            }
            Kind::Feistel { a, b, keys } => fill_feistel(self.n, *a, *b, keys, start, out),
        }
    }

    /// The place of element `x`: `place_of(at(i)) == i`. Below [`SMALL`] elements it reads the table.
    pub fn place_of(&self, x: u64) -> u64 {
        debug_assert!(x < self.n);
        match &self.kind {
            Kind::Table(forward) => scan(forward, x as u16) as u64,
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

/// The place of `x` in a table that has it. Looks at whole runs first, which the compiler turns into a
/// few wide comparisons.
fn scan(table: &[u16], x: u16) -> usize {
    const RUN: usize = 64;
    let has = |run: &[u16]| run.iter().fold(false, |found, &y| found | (y == x));
    let mut place = 0;
    for run in table.chunks(RUN) {
        if has(run) {
            break;
        }
        place += RUN;
    }
    place + table[place..].iter().take_while(|&&y| y != x).count()
}

/// `walk` of `encrypt` for each index from `start` on, in blocks: the rounds of a block's lanes do not wait
/// for each other, so the processor multiplies without a pause; one division finds the cell of `start`,
/// and the others follow it.
fn fill_feistel(n: u64, a: u64, b: u64, keys: &[u64; ROUNDS], start: u64, out: &mut [u64]) {
    let (mut row, mut column) = (start / a, start % a);
    for block in out.chunks_mut(LANES) {
        let (mut rows, mut columns) = ([0; LANES], [0; LANES]);
        for lane in 0..LANES {
            (rows[lane], columns[lane]) = (row, column);
            column += 1;
            if column == a {
                (row, column) = (row + 1, 0);
            }
        }
        for pair in keys.chunks_exact(2) {
            for lane in 0..LANES {
                let shift = reduce(mix(rows[lane] ^ pair[0]), a);
                columns[lane] = add(columns[lane], shift, a);
            }
            for lane in 0..LANES {
                let shift = reduce(mix(columns[lane] ^ pair[1]), b);
                rows[lane] = add(rows[lane], shift, b);
            }
        }
        // The last block may be short; its other lanes can lie outside the grid and are not looked at.
        for (place, (row, column)) in block.iter_mut().zip(rows.into_iter().zip(columns)) {
            let x = row * a + column;
            *place = if x < n {
                x
            } else {
                walk(n, x, |x| encrypt(a, b, keys, x))
            };
        }
    }
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
        table.swap(i.into(), words.below(u64::from(i) + 1, i.into()) as usize);
    }
    table
}

/// As many bytes as BLAKE3 makes side by side.
const READ: usize = 1024;

/// An endless stream of 64-bit words from seed, epoch and tag.
struct Words {
    stream: blake3::OutputReader,
    /// What was read of the stream: `next..end` is still to be used.
    read: [u8; READ],
    next: usize,
    end: usize,
}

impl Words {
    fn new(seed: u64, epoch: u64, tag: &str) -> Self {
        static CONTEXT: LazyLock<ContextKey> =
            LazyLock::new(|| hash_derive_key_context("chefgenius order 1"));
        let mut hasher = blake3::Hasher::new_from_context_key(&CONTEXT);
        hasher.update(&seed.to_le_bytes());
        hasher.update(&epoch.to_le_bytes());
        hasher.update(tag.as_bytes());
        Words {
            stream: hasher.finalize_xof(),
            read: [0; READ],
            next: 0,
            end: 0,
        }
    }

    fn keys(&mut self) -> [u64; ROUNDS] {
        std::array::from_fn(|_| self.next(ROUNDS))
    }

    /// The next word. `more`, how many are still wanted with this one, only says how far to read ahead.
    fn next(&mut self, more: usize) -> u64 {
        if self.next == self.end {
            self.end = (8 * more).next_multiple_of(blake3::BLOCK_LEN).min(READ);
            self.stream.fill(&mut self.read[..self.end]);
            self.next = 0;
        }
        let mut word = [0; 8];
        word.copy_from_slice(&self.read[self.next..self.next + 8]);
        self.next += 8;
        u64::from_le_bytes(word)
    }

    /// Uniform in 0..bound (Lemire, "Fast Random Integer Generation in an Interval", 2019).
    fn below(&mut self, bound: u64, more: usize) -> u64 {
        loop {
            let product = u128::from(self.next(more)) * u128::from(bound);
            let low = product as u64;
            // The remainder is below `bound`: nearly always the first comparison answers.
            if low >= bound || low >= bound.wrapping_neg() % bound {
                return (product >> 64) as u64;
            }
        }
    }
}
