//! The classes of the plan `packed`: which records count as equally long.
//!
//! A k-d tree over the distinct pairs of lengths. Of all nodes the one is cut next whose cut takes away the
//! most slack (edges minus lengths); integers and fixed ties only. Classes are large enough that a record has
//! others to change places with in each epoch.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;

use crate::plan::templates::Cell;

/// Records with this pair of lengths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pair {
    /// Length of the input; 0 in a causal plan.
    pub input: u32,
    /// Length of the target.
    pub target: u32,
    /// How many records.
    pub records: u64,
}

/// How much dearer a target token of slack is than an input token: targets fill a row first.
const TARGET_WEIGHT: u128 = 4;

/// How many classes there are at most, and how many members each has at least.
#[derive(Debug, Clone, Copy)]
pub struct Fineness {
    classes: usize,
    least: u64,
}

impl Fineness {
    /// What suits so many records. Where only one side has lengths, nearly every length is a class.
    pub fn of(records: u64, one_side: bool) -> Self {
        if one_side {
            return Fineness {
                classes: 4096,
                least: 4,
            };
        }
        let classes = (records / 8).clamp(1, 4096);
        Fineness {
            classes: classes as usize,
            least: (records / classes / 2).max(6),
        }
    }
}

struct Cut {
    side: usize,
    at: u32,
}

/// The classes, and the class of each pair. `pairs` are distinct and ascending.
///
/// Costs O(pairs x log classes + classes x the range of lengths).
pub fn classes(pairs: &[Pair], fineness: Fineness) -> (Vec<Cell>, Vec<u32>) {
    let mut order: Vec<u32> = (0..pairs.len() as u32).collect();
    let mut nodes: Vec<Range<usize>> = Vec::new();
    nodes.push(0..pairs.len());
    let mut heap = BinaryHeap::new();
    let mut cuts: Vec<Option<Cut>> = vec![None];
    let look = |node: usize, members: &[u32], heap: &mut BinaryHeap<_>| {
        let (gain, cut) = best_cut(pairs, members, fineness.least)?;
        heap.push((gain, Reverse(node)));
        Some(cut)
    };
    cuts[0] = look(0, &order, &mut heap);
    while nodes.len() < fineness.classes {
        let Some((_, Reverse(node))) = heap.pop() else {
            break;
        };
        let Some(cut) = cuts[node].take() else {
            continue;
        };
        let range = nodes[node].clone();
        let members = &mut order[range.clone()];
        // Stable: low part first, both in the order they had.
        members.sort_by_key(|&pair| side(&pairs[pair as usize], cut.side) > cut.at);
        let low = members.partition_point(|&pair| side(&pairs[pair as usize], cut.side) <= cut.at);
        let middle = range.start + low;
        nodes[node] = range.start..middle;
        nodes.push(middle..range.end);
        cuts.push(None);
        for part in [node, nodes.len() - 1] {
            cuts[part] = look(part, &order[nodes[part].clone()], &mut heap);
        }
    }
    let mut class_of = vec![0; pairs.len()];
    let mut cells = Vec::with_capacity(nodes.len());
    for range in nodes.into_iter().filter(|range| !range.is_empty()) {
        let mut cell = Cell {
            input: 0,
            target: 0,
            count: 0,
        };
        for &pair in &order[range] {
            let p = &pairs[pair as usize];
            cell.input = cell.input.max(p.input);
            cell.target = cell.target.max(p.target);
            cell.count += p.records;
            class_of[pair as usize] = cells.len() as u32;
        }
        cells.push(cell);
    }
    (cells, class_of)
}

fn side(pair: &Pair, side: usize) -> u32 {
    [pair.input, pair.target][side]
}

/// The cut that takes away the most slack: weight x records of the low part x (its former edge - its new one).
/// Equal ones: input before target, then the shorter length.
fn best_cut(pairs: &[Pair], members: &[u32], least: u64) -> Option<(u128, Cut)> {
    let of = |&pair: &u32| &pairs[pair as usize];
    let all: u64 = members.iter().map(|m| of(m).records).sum();
    if all / 2 < least {
        return None;
    }
    let mut best: Option<(u128, Cut)> = None;
    for (s, weight) in [(0, 1), (1, TARGET_WEIGHT)] {
        let lengths = || members.iter().map(|m| side(of(m), s));
        let (Some(from), Some(to)) = (lengths().min(), lengths().max()) else {
            continue;
        };
        // Counts by length; for ranges far wider than the members are many, sort (length, records) instead.
        let mut counts = vec![0; (to - from) as usize + 1];
        for m in members {
            counts[(side(of(m), s) - from) as usize] += of(m).records;
        }
        let mut low = 0;
        for at in from..to {
            let here = counts[(at - from) as usize];
            low += here;
            if all - low < least {
                break;
            }
            let gain = weight * u128::from(low) * u128::from(to - at);
            if here > 0 && low >= least && best.as_ref().is_none_or(|&(most, _)| gain > most) {
                best = Some((gain, Cut { side: s, at }));
            }
        }
    }
    best
}
