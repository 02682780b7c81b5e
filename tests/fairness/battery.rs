//! Statistics of orders, each a number of standard deviations from what a fair shuffle gives.
//!
//! [`battery`] lists them for a size. They look at [`Sample`]s, three whole orders with keys next to each
//! other, and know nothing of where an order comes from: anything that maps (n, seed, epoch) to the elements
//! by place can be tried. Expectations are exact, or exact up to 1/n.

mod score;

use std::collections::BTreeSet;

use score::{Cells, Sum};

/// The rows of a batch.
pub const BATCH: u64 = 32;

/// The elements of `0..n` by place, for (n, seed, epoch).
pub type Order<'a> = &'a dyn Fn(u64, u64, u64) -> Vec<u32>;

/// Three orders of the same elements: one, that of the next epoch, and that of the next seed.
pub struct Sample {
    here: Vec<u32>,
    later: Vec<u32>,
    beside: Vec<u32>,
}

impl Sample {
    /// Even samples go through seeds, odd ones through the epochs of one seed.
    pub fn new(order: Order, n: u64, number: u64) -> Self {
        let (seed, epoch) = match number % 2 {
            0 => (2 * number, 0),
            _ => (1 << 40, 2 * number),
        };
        Sample {
            here: order(n, seed, epoch),
            later: order(n, seed, epoch + 1),
            beside: order(n, seed + 1, epoch),
        }
    }
}

pub trait Statistic {
    fn name(&self) -> &'static str;
    fn add(&mut self, sample: &Sample);
    /// What was looked at, and its standard score.
    fn scores(&self) -> Vec<(String, f64)>;
}

/// The statistics for orders of `n` elements.
pub fn battery(n: u64) -> Vec<Box<dyn Statistic>> {
    if n <= 6 {
        return vec![Box::new(SmallPermutations::new(n))];
    }
    let parts = if n <= 128 { n } else { 64 };
    let part = move |i: u64| i * parts / n;
    let positions = Table::new("position by item", n, part, part);
    if n <= 128 {
        return vec![Box::new(positions)];
    }
    // A store that is sorted, by length or by source: neighbours are alike.
    let class = move |x: u64| x * 8 / n;
    let mut all: Vec<Box<dyn Statistic>> = vec![
        Box::new(positions),
        Box::new(Table::new("class dispersion", n, |i| i / BATCH, class)),
        Box::new(Pair::new("epoch to epoch", n, |s| (&s.here, &s.later))),
        Box::new(Pair::new("seed to seed", n, |s| (&s.here, &s.beside))),
        Box::new(Pair::new("epoch against seed", n, |s| {
            (&s.later, &s.beside)
        })),
        Box::new(BatchMates::new(n)),
    ];
    // The width of the network's grid, and powers of two up to a half.
    let root = n.isqrt() + u64::from(n.isqrt().pow(2) < n);
    let half = 1 << (n.ilog2() - 1);
    for lag in BTreeSet::from([1, 2, 3, 7, 64, 512, root, half, n / 2]) {
        all.push(Box::new(Strides::new(n, lag)));
    }
    all
}

/// All n! orders of a few elements are equally likely; up to four also all pairs of consecutive epochs.
struct SmallPermutations {
    n: u64,
    all: usize,
    single: Cells,
    pairs: Cells,
}

impl SmallPermutations {
    fn new(n: u64) -> Self {
        let cells = |count: u64| {
            let freedom = count as f64 - 1.0;
            let one = vec![1.0 / count as f64; count as usize];
            Cells::new(one, freedom, freedom, 0.0)
        };
        let all = (1..=n).product::<u64>();
        SmallPermutations {
            n,
            all: all as usize,
            single: cells(all),
            pairs: cells(if n <= 4 { all * all } else { 1 }),
        }
    }

    /// The number of a permutation among all in lexical order.
    fn rank(order: &[u32]) -> usize {
        let smaller = |i: usize| order[i..].iter().filter(|&&x| x < order[i]).count();
        (0..order.len()).fold(0, |rank, i| rank * (order.len() - i) + smaller(i))
    }
}

impl Statistic for SmallPermutations {
    fn name(&self) -> &'static str {
        "small permutations"
    }

    fn add(&mut self, sample: &Sample) {
        let (here, later) = (Self::rank(&sample.here), Self::rank(&sample.later));
        for rank in [here, later, Self::rank(&sample.beside)] {
            self.single.hit(rank);
            self.single.close();
        }
        if self.n <= 4 {
            self.pairs.hit(here * self.all + later);
            self.pairs.close();
        }
    }

    fn scores(&self) -> Vec<(String, f64)> {
        let mut scores = self.single.scores("single");
        if self.n <= 4 {
            scores.extend(self.pairs.scores("pairs"));
        }
        scores
    }
}

/// Places in rows, elements in columns: the table of a fair shuffle is hypergeometric.
struct Table {
    name: &'static str,
    rows: Vec<u32>,
    columns: Vec<u32>,
    width: usize,
    cells: Cells,
}

impl Table {
    fn new(
        name: &'static str,
        n: u64,
        row: impl Fn(u64) -> u64,
        column: impl Fn(u64) -> u64,
    ) -> Self {
        let rows: Vec<u32> = (0..n).map(|i| row(i) as u32).collect();
        let columns: Vec<u32> = (0..n).map(|x| column(x) as u32).collect();
        let (tall, wide) = (sizes(&rows), sizes(&columns));
        let n = n as f64;
        let (r, c) = (tall.len() as f64, wide.len() as f64);
        let expected = tall
            .iter()
            .flat_map(|t| wide.iter().map(move |w| t * w / n));
        let expected: Vec<f64> = expected.collect();
        // Mean and variance of the chi-square of a table with both margins held (Haldane, 1940).
        let terms = |k: f64, sizes: &[f64]| {
            let inverse: f64 = sizes.iter().map(|size| 1.0 / size).sum();
            let even = (k - 1.0) * (n - k) / (n - 1.0);
            (even, (n * inverse - k * k) / (n - 2.0))
        };
        let ((v, w), (x, y)) = (terms(r, &tall), terms(c, &wide));
        let variance = 2.0 * n / (n - 3.0) * (v - w) * (x - y) + n * n / (n - 1.0) * w * y;
        let freedom = (r - 1.0) * (c - 1.0);
        Table {
            name,
            rows,
            columns,
            width: wide.len(),
            cells: Cells::new(expected, freedom, freedom * n / (n - 1.0), variance),
        }
    }
}

/// How often each of the values 0, 1, 2 .. occurs.
fn sizes(values: &[u32]) -> Vec<f64> {
    let mut sizes = vec![0.0; *values.iter().max().unwrap() as usize + 1];
    values.iter().for_each(|&v| sizes[v as usize] += 1.0);
    sizes
}

impl Statistic for Table {
    fn name(&self) -> &'static str {
        self.name
    }

    fn add(&mut self, sample: &Sample) {
        for (&x, &row) in sample.here.iter().zip(&self.rows) {
            let column = self.columns[x as usize];
            self.cells.hit(row as usize * self.width + column as usize);
        }
        self.cells.close();
    }

    fn scores(&self) -> Vec<(String, f64)> {
        self.cells.scores("table")
    }
}

/// Differences modulo n, each as likely as any other.
struct Distances {
    n: u64,
    coarse: Cells,
    /// Every distance for itself: sees a grid that coarse bins do not resolve.
    fine: Cells,
}

impl Distances {
    /// With `draws` of them in a sample, 0 among them or not.
    fn new(n: u64, draws: u64, zero: bool) -> Self {
        Distances {
            n,
            coarse: Cells::differences(n, 64, draws, zero),
            fine: Cells::differences(n, n, draws, zero),
        }
    }

    fn hit(&mut self, from: u32, to: u32) {
        let (from, to) = (u64::from(from), u64::from(to));
        let distance = if to < from {
            to + self.n - from
        } else {
            to - from
        };
        self.coarse.hit((distance * 64 / self.n) as usize);
        self.fine.hit(distance as usize);
    }

    fn close(&mut self) {
        self.coarse.close();
        self.fine.close();
    }

    fn scores(&self, what: &str) -> Vec<(String, f64)> {
        let mut scores = self.coarse.scores(&format!("{what}, coarse"));
        scores.extend(self.fine.scores(&format!("{what}, fine")));
        scores
    }
}

/// The distance from the element at a place to that `lag` places on.
struct Strides {
    lag: u64,
    distances: Distances,
}

impl Strides {
    fn new(n: u64, lag: u64) -> Self {
        Strides {
            lag,
            distances: Distances::new(n, n - lag, false),
        }
    }
}

impl Statistic for Strides {
    fn name(&self) -> &'static str {
        match self.lag {
            1 => "adjacent differences",
            _ => "strides",
        }
    }

    fn add(&mut self, sample: &Sample) {
        let ahead = &sample.here[self.lag as usize..];
        for (&x, &y) in sample.here.iter().zip(ahead) {
            self.distances.hit(x, y);
        }
        self.distances.close();
    }

    fn scores(&self) -> Vec<(String, f64)> {
        self.distances.scores(&format!("lag {}", self.lag))
    }
}

/// Two of a sample's orders.
type Two = fn(&Sample) -> (&[u32], &[u32]);

/// Two orders with neighbouring keys have nothing in common: the distance between the elements at a place,
/// and how far an element moves, places that agree, and correlation.
struct Pair {
    name: &'static str,
    n: u64,
    two: Two,
    distances: Distances,
    moves: Distances,
    same: Sum,
    correlation: Sum,
    correlated: Sum,
}

impl Pair {
    fn new(name: &'static str, n: u64, two: Two) -> Self {
        Pair {
            name,
            n,
            two,
            distances: Distances::new(n, n, true),
            moves: Distances::new(n, n, true),
            same: Sum::default(),
            correlation: Sum::default(),
            correlated: Sum::default(),
        }
    }
}

impl Statistic for Pair {
    fn name(&self) -> &'static str {
        self.name
    }

    fn add(&mut self, sample: &Sample) {
        let (first, second) = (self.two)(sample);
        let n = self.n as f64;
        let middle = (n - 1.0) / 2.0;
        let (mut same, mut product) = (0u32, 0.0);
        let mut place_of = vec![0; first.len()];
        for (place, (&x, &y)) in (0..).zip(first.iter().zip(second)) {
            self.distances.hit(x, y);
            place_of[x as usize] = place;
            same += u32::from(x == y);
            product += (f64::from(x) - middle) * (f64::from(y) - middle);
        }
        for (place, &y) in (0..).zip(second) {
            self.moves.hit(place_of[y as usize], place);
        }
        self.distances.close();
        self.moves.close();
        self.same.add(f64::from(same), 1.0, 1.0);
        let correlation = product * 12.0 / (n * (n * n - 1.0)) * (n - 1.0).sqrt();
        self.correlation.add(correlation, 0.0, 1.0);
        self.correlated.add(correlation * correlation, 1.0, 2.0);
    }

    fn scores(&self) -> Vec<(String, f64)> {
        let mut scores = self.distances.scores("distance");
        scores.extend(self.moves.scores("move"));
        scores.push(("same place".into(), self.same.rare()));
        scores.push(("correlation".into(), self.correlation.score()));
        scores.push(("correlation, each".into(), self.correlated.score()));
        scores
    }
}

/// Pairs that share a batch in one epoch and share one again in the next, or with the next seed.
struct BatchMates {
    batches: u64,
    sums: [Sum; 2],
    mean: f64,
    variance: f64,
}

impl BatchMates {
    fn new(n: u64) -> Self {
        let batches: Vec<u32> = (0..n).map(|i| (i / BATCH) as u32).collect();
        let (mut mates, mut threes) = (0.0, 0.0);
        for size in sizes(&batches) {
            mates += size * (size - 1.0) / 2.0;
            threes += size * (size - 1.0) * (size - 2.0);
        }
        // The second moment goes over two pairs that are the same, share one element, or share none.
        let n = n as f64;
        let (pairs, others) = (n * (n - 1.0) / 2.0, (n - 2.0) * (n - 3.0) / 2.0);
        let apart = mates * mates - mates - threes;
        let mean = mates * mates / pairs;
        let shared = threes * threes / (2.0 * pairs * (n - 2.0));
        BatchMates {
            batches: u64::from(batches[batches.len() - 1]) + 1,
            sums: Default::default(),
            mean,
            variance: mean + shared + apart * apart / (pairs * others) - mean * mean,
        }
    }
}

impl Statistic for BatchMates {
    fn name(&self) -> &'static str {
        "batch-mates"
    }

    fn add(&mut self, sample: &Sample) {
        for (sum, other) in self.sums.iter_mut().zip([&sample.later, &sample.beside]) {
            let mut batch_of = vec![0; other.len()];
            for (place, &x) in other.iter().enumerate() {
                batch_of[x as usize] = place / BATCH as usize;
            }
            let mut met = vec![0u32; self.batches as usize];
            let mut again = 0;
            for batch in sample.here.chunks(BATCH as usize) {
                for &x in batch {
                    again += met[batch_of[x as usize]];
                    met[batch_of[x as usize]] += 1;
                }
                batch.iter().for_each(|&x| met[batch_of[x as usize]] = 0);
            }
            sum.add(f64::from(again), self.mean, self.variance);
        }
    }

    fn scores(&self) -> Vec<(String, f64)> {
        let whats = ["of the next epoch", "of the next seed"];
        let sums = whats.iter().zip(&self.sums);
        sums.map(|(&what, sum)| (what.to_owned(), sum.score()))
            .collect()
    }
}
