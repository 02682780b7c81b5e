//! Figures over all records that were kept, in memory that does not grow with their number.

use std::collections::BTreeMap;

use crate::store::{Lengths, Vocabulary};

/// How often each length occurs.
#[derive(Default)]
pub(super) struct Histogram(BTreeMap<u32, u64>);

impl Histogram {
    pub(super) fn add(&mut self, length: u32) {
        *self.0.entry(length).or_default() += 1;
    }

    /// Least, percentiles (the least length that so many percent do not exceed), greatest, mean; zeros where there is
    /// none.
    pub(super) fn lengths(&self) -> Lengths {
        let count: u64 = self.0.values().sum();
        let sum: u128 = self
            .0
            .iter()
            .map(|(&length, &n)| u128::from(length) * u128::from(n))
            .sum();
        let percentile = |percent: u64| {
            let rank = (count * percent).div_ceil(100).max(1);
            let mut seen = 0;
            let reached = self.0.iter().find(|&(_, &n)| {
                seen += n;
                seen >= rank
            });
            reached.map_or(0, |(&length, _)| length)
        };
        Lengths {
            min: percentile(0),
            p5: percentile(5),
            p50: percentile(50),
            p95: percentile(95),
            p99: percentile(99),
            max: percentile(100),
            mean: sum as f64 / count.max(1) as f64,
        }
    }
}

/// Which ids were seen.
pub(super) struct Used(Vec<u8>);

impl Used {
    pub(super) fn new(vocab_size: u32) -> Self {
        Used(vec![0; vocab_size as usize])
    }

    pub(super) fn add(&mut self, ids: &[u32]) {
        for &id in ids {
            // Every id is below the vocabulary's size.
            if let Some(seen) = self.0.get_mut(id as usize) {
                *seen = 1;
            }
        }
    }

    pub(super) fn vocabulary(&self) -> Vocabulary {
        let used = self.0.iter().map(|&seen| u32::from(seen)).sum();
        Vocabulary {
            size: self.0.len() as u32,
            used,
            share: f64::from(used) / self.0.len().max(1) as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_sorted_lengths() {
        for n in [1_u32, 2, 7, 100, 1003] {
            let mut sorted: Vec<u32> = (0..n)
                .map(|i| i.wrapping_mul(2_654_435_761) % 500)
                .collect();
            let mut histogram = Histogram::default();
            sorted.iter().for_each(|&length| histogram.add(length));
            sorted.sort_unstable();
            let at = |percent: usize| sorted[(sorted.len() * percent).div_ceil(100).max(1) - 1];
            let mean = sorted.iter().map(|&l| f64::from(l)).sum::<f64>() / f64::from(n);
            let expected = Lengths {
                min: sorted[0],
                p5: at(5),
                p50: at(50),
                p95: at(95),
                p99: at(99),
                max: at(100),
                mean,
            };
            let found = histogram.lengths();
            assert!((found.mean - mean).abs() < 1e-9);
            assert_eq!(Lengths { mean, ..found }, expected);
        }
        assert_eq!(Histogram::default().lengths(), Lengths::default());
    }

    #[test]
    fn an_id_is_counted_once() {
        let mut used = Used::new(10);
        used.add(&[3, 3, 9]);
        used.add(&[3]);
        let vocabulary = used.vocabulary();
        assert_eq!((vocabulary.size, vocabulary.used), (10, 2));
        assert!((vocabulary.share - 0.2).abs() < 1e-12);
    }
}
