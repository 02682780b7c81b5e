//! Weighted sources in plans by length: blocks of records that count as equally long.
//!
//! A class gives each source the same whole number of draws in every epoch. Where a source has few records in a
//! class, that number is far from its weight, or 0. So the records of a source whose weight is no whole number are
//! taken together in blocks, large enough for a block's draws to be its weight times its records, or nearly so.
//! All records of a block have the block's lengths for the plan, and stand in one class.

use std::collections::BTreeMap;

use crate::plan::bucketed::snake;

/// A block has at least so many draws in an epoch.
const FEWEST_DRAWS: f64 = 8.0;
/// So many sizes are tried for one whose draws are a whole number.
const TRIES: usize = 100;

/// Whether records of this weight stand in blocks.
pub fn is_blocked(weight: f64) -> bool {
    weight.fract() != 0.0
}

/// The records of a block: the fewest whose draws are nearest to a whole number.
fn size(weight: f64) -> usize {
    let least = (FEWEST_DRAWS / weight).ceil().max(1.0) as usize;
    let error = |records: usize| {
        let draws = records as f64 * weight;
        // Below this, two sizes are as good as each other.
        ((draws - draws.round()).abs() / draws * 1e6).round() as u64
    };
    (least..least + TRIES)
        .min_by_key(|&records| error(records))
        .unwrap_or(least)
}

/// Gives all records of a block the longest sides among them. `sources` are those of the positions.
pub fn coarsen(sides: &mut [[u32; 2]], sources: &[u32], weights: &BTreeMap<u32, f64>) {
    for (&source, &weight) in weights.iter().filter(|(_, weight)| is_blocked(**weight)) {
        let positions: Vec<usize> = (0..sides.len())
            .filter(|&position| sources[position] == source)
            .collect();
        let own: Vec<[u32; 2]> = positions.iter().map(|&position| sides[position]).collect();
        let size = size(weight);
        let all = (0..own.len() as u32).collect();
        let mut rest = &*snake(all, &own, size as u64, |_, _| false);
        while !rest.is_empty() {
            // What is left of the last block goes with the one before.
            let end = if rest.len() < 2 * size {
                rest.len()
            } else {
                size
            };
            let (block, after) = rest.split_at(end);
            let longest = block.iter().fold([0, 0], |[input, target], &place| {
                let [a, b] = own[place as usize];
                [a.max(input), b.max(target)]
            });
            for &place in block {
                sides[positions[place as usize]] = longest;
            }
            rest = after;
        }
    }
}
