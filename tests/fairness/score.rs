//! From what was counted to a standard score.

/// A sum over samples, and what it is for fair shuffles.
#[derive(Default)]
pub struct Sum {
    observed: f64,
    mean: f64,
    variance: f64,
}

impl Sum {
    pub fn add(&mut self, observed: f64, mean: f64, variance: f64) {
        self.observed += observed;
        self.mean += mean;
        self.variance += variance;
    }

    /// Sums that cannot be negative are skewed like a chi-square: the cube root of one is nearly normal
    /// (Wilson and Hilferty, 1931).
    pub fn score(&self) -> f64 {
        if self.mean <= 0.0 {
            return (self.observed - self.mean) / self.variance.sqrt();
        }
        let spread = self.variance / (9.0 * self.mean.powi(2));
        ((self.observed / self.mean).cbrt() - (1.0 - spread)) / spread.sqrt()
    }

    /// Of a sum of rare events, which is a Poisson variate and can well be 0 (Anscombe, 1948).
    pub fn rare(&self) -> f64 {
        2.0 * ((self.observed + 0.375).sqrt() - (self.mean + 0.375).sqrt())
    }
}

/// Chi-square of counts, of each sample and of all together: the one sees that an order prefers cells of
/// its own, the other that all prefer the same.
pub struct Cells {
    expected: Vec<f64>,
    counts: Vec<u32>,
    total: Vec<u32>,
    samples: u32,
    each: Sum,
    /// Of the chi-square of one sample.
    mean: f64,
    variance: f64,
    /// Its variance when the counts are normal, as those of many samples together are.
    limit: f64,
}

impl Cells {
    pub fn new(expected: Vec<f64>, freedom: f64, mean: f64, variance: f64) -> Self {
        Cells {
            counts: vec![0; expected.len()],
            total: vec![0; expected.len()],
            expected,
            samples: 0,
            each: Sum::default(),
            mean,
            variance,
            limit: 2.0 * mean * mean / freedom,
        }
    }

    /// Differences modulo n fall into equal `bins`; `draws` of them in a sample, 0 among them or not.
    pub fn differences(n: u64, bins: u64, draws: u64, zero: bool) -> Self {
        let values = (n - u64::from(!zero)) as f64;
        let below = |bin: u64| (bin * n).div_ceil(bins);
        let width = |bin: u64| below(bin + 1) - below(bin) - u64::from(bin == 0 && !zero);
        let expected: Vec<f64> = (0..bins)
            .map(|bin| draws as f64 * width(bin) as f64 / values)
            .collect();
        let freedom = expected.iter().filter(|&&e| e > 0.0).count() as f64 - 1.0;
        // Differences of a permutation repel or attract each other by one in n: exact for the finest bins.
        let excess = if zero { 1.0 } else { draws as f64 / values };
        let mean = freedom * (1.0 + excess / (values - 1.0));
        let variance = 2.0 * freedom * (1.0 - 1.0 / draws as f64);
        Cells::new(expected, freedom, mean, variance)
    }

    pub fn hit(&mut self, cell: usize) {
        self.counts[cell] += 1;
    }

    /// Ends a sample.
    pub fn close(&mut self) {
        self.samples += 1;
        for (total, count) in self.total.iter_mut().zip(&self.counts) {
            *total += count;
        }
        let observed = self.chi_square(&self.counts, 1.0);
        self.each.add(observed, self.mean, self.variance);
        self.counts.fill(0);
    }

    fn chi_square(&self, counts: &[u32], samples: f64) -> f64 {
        let mut sum = 0.0;
        for (&count, &expected) in counts.iter().zip(&self.expected) {
            let expected = expected * samples;
            if expected > 0.0 {
                sum += (f64::from(count) - expected).powi(2) / expected;
            } else if count > 0 {
                return f64::INFINITY;
            }
        }
        sum
    }

    pub fn scores(&self, what: &str) -> Vec<(String, f64)> {
        let samples = f64::from(self.samples);
        let together = Sum {
            observed: self.chi_square(&self.total, samples),
            mean: self.mean,
            variance: self.limit + (self.variance - self.limit) / samples,
        };
        let mut scores = vec![(format!("{what}, together"), together.score())];
        // With as many rows and columns as elements each sample has the same chi-square.
        if self.variance > 1e-6 {
            scores.push((format!("{what}, each"), self.each.score()));
        }
        scores
    }
}
