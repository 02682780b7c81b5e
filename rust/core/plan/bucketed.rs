//! The plan `bucketed`: batches of records of like input and target length.
//!
//! 1. [`snake`] lines the records up so that neighbours are alike on both sides: strips by target length, each
//!    sorted by input length, every other one backwards.
//! 2. [`classes`] cuts the line into classes of a few batches each. Without weights a class is whole batches.
//!    Which of equally long records are in one class has nothing to do with their places in the store.
//! 3. [`runs`] cuts the draws of all classes, in the order of the line, into batches. Where a class does not
//!    end with a batch, the batch goes on with the next class, so that only the last one can be short.

use serde::{Deserialize, Serialize};

use crate::order::Permutation;

/// What a batch may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BatchLimit {
    /// So many rows.
    Rows(u32),
    /// So many places of the padded input and labels together.
    Tokens(u32),
}

impl BatchLimit {
    /// Rows of a batch whose longest row has these sides; at least 1.
    pub fn rows(self, edges: [u64; 2]) -> u64 {
        match self {
            BatchLimit::Rows(rows) => rows.into(),
            BatchLimit::Tokens(tokens) => (u64::from(tokens) / (edges[0] + edges[1]).max(1)).max(1),
        }
    }
}

/// A class has at least so many batches, that a record meets others in each epoch.
const FEWEST_BATCHES: u64 = 4;

/// How large classes are.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    limit: BatchLimit,
    /// Batches of a class: growing with the root of all batches, so that both padding and the share of
    /// records that meet again shrink as the data grows.
    batches: u64,
    /// Draws of a class; about, where the rows of batches differ.
    pub draws: u64,
}

impl Sizes {
    /// For a plan of so many draws with so many places in all.
    pub fn new(limit: BatchLimit, draws: u64, tokens: u64) -> Self {
        let all = match limit {
            BatchLimit::Rows(rows) => draws.div_ceil(rows.into()),
            BatchLimit::Tokens(most) => tokens.div_ceil(most.into()),
        };
        let batches = (all.isqrt() / 6).max(FEWEST_BATCHES);
        let draws = match limit {
            BatchLimit::Rows(rows) => batches * u64::from(rows),
            BatchLimit::Tokens(_) => (draws * batches).div_ceil(all.max(1)),
        };
        Sizes {
            limit,
            batches,
            draws: draws.max(1),
        }
    }
}

/// Positions of `sides` (input and target length), lined up for classes of about `class` records. Neighbours that
/// are `alike` stand in one strip; those of equal sides stay in their order.
pub fn snake(
    positions: Vec<u32>,
    sides: &[[u32; 2]],
    class: u64,
    alike: impl Fn(u32, u32) -> bool,
) -> Vec<u32> {
    // Among those cut to the same target length, by input length.
    let by_target = sorted_by(sides, 1, sorted_by(sides, 0, positions));
    let flat = sides.iter().all(|side| side[1] == sides[0][1]);
    let classes = (sides.len() as u64).div_ceil(class).max(1);
    let strips = if flat { 1 } else { (4 * classes).isqrt() };
    let strip = (classes.div_ceil(strips) * class) as usize;
    let mut line = Vec::with_capacity(sides.len());
    let (mut begin, mut backwards) = (0, false);
    while begin < by_target.len() {
        let mut end = by_target.len().min(begin + strip);
        while end < by_target.len() && alike(by_target[end - 1], by_target[end]) {
            end += 1;
        }
        let mut part = sorted_by(sides, 0, by_target[begin..end].to_vec());
        if backwards {
            part.reverse();
        }
        line.extend(part);
        (begin, backwards) = (end, !backwards);
    }
    line
}

/// Positions sorted by one side, by counting; equal ones stay as they stand.
pub fn sorted_by(sides: &[[u32; 2]], side: usize, positions: Vec<u32>) -> Vec<u32> {
    let length = |&position: &u32| sides[position as usize][side] as usize;
    let (Some(low), Some(high)) = (
        positions.iter().map(length).min(),
        positions.iter().map(length).max(),
    ) else {
        return positions;
    };
    let mut starts = vec![0_usize; high - low + 2];
    for position in &positions {
        starts[length(position) - low + 1] += 1;
    }
    for place in 1..starts.len() {
        starts[place] += starts[place - 1];
    }
    let mut sorted = vec![0; positions.len()];
    for position in &positions {
        let place = &mut starts[length(position) - low];
        sorted[*place] = *position;
        *place += 1;
    }
    sorted
}

/// One class on the line.
pub struct LineClass {
    /// The records from the end of the class before.
    pub records: usize,
    /// The longest on both sides.
    pub edges: [u64; 2],
}

/// Cuts the line into classes of about as many draws as `sizes` says; a record has `weight` of them.
///
/// Neighbours that are `alike` are of equal sides and weight. Those of a block stay in one class. Elsewhere a class
/// may end among them; then they are mixed first, or those that are neighbours in the store, often of one book,
/// would make a class of their own.
pub fn classes(
    line: &mut [u32],
    sides: &[[u32; 2]],
    weight: impl Fn(u32) -> f64,
    alike: impl Fn(u32, u32) -> bool,
    is_blocked: impl Fn(u32) -> bool,
    sizes: Sizes,
) -> Vec<LineClass> {
    let mut classes = Vec::new();
    let (mut begin, mut mixed) = (0, 0);
    while begin < line.len() {
        let (mut end, mut edges, mut draws) = (begin, [0, 0], 0.0);
        let apart = |end: usize| !alike(line[end - 1], line[end]);
        while end < line.len()
            && (draws < (sizes.batches * sizes.limit.rows(edges)) as f64
                || (is_blocked(line[end]) && !apart(end)))
        {
            let [input, target] = sides[line[end] as usize];
            edges = [edges[0].max(input.into()), edges[1].max(target.into())];
            draws += weight(line[end]);
            end += 1;
        }
        if end < line.len() && end >= mixed && !apart(end) {
            let first = (begin + 1..end).rev().find(|&place| apart(place));
            let after = (end..line.len()).find(|&place| apart(place));
            let part = first.unwrap_or(begin)..after.unwrap_or(line.len());
            mixed = part.end;
            mix(&mut line[part]);
        }
        classes.push(LineClass {
            records: end - begin,
            edges,
        });
        begin = end;
    }
    classes
}

/// In an order of their own, the same for every seed.
fn mix(positions: &mut [u32]) {
    let mut order = vec![0; positions.len()];
    Permutation::new(order.len() as u64, 0, 0, "alike").fill(0, &mut order);
    let before = positions.to_vec();
    for (position, place) in positions.iter_mut().zip(order) {
        *position = before[place as usize];
    }
}

/// Batches of the same number of rows that follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The first of them among all batches.
    pub first_batch: u64,
    /// The first draw of the first of them.
    pub first_draw: u64,
    /// Rows of each.
    pub rows: u64,
    /// How many there are.
    pub batches: u64,
}

/// Cuts the draws of all classes (their number and the longest sides of each) into batches.
pub fn runs(classes: &[(u64, [u64; 2])], limit: BatchLimit) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut push = |rows: u64, batches: u64| {
        if rows == 0 || batches == 0 {
            return;
        }
        match runs.last_mut() {
            Some(last) if last.rows == rows => last.batches += batches,
            last => {
                let (first_batch, first_draw) = last.map_or((0, 0), |run| {
                    (
                        run.first_batch + run.batches,
                        run.first_draw + run.rows * run.batches,
                    )
                });
                runs.push(Run {
                    first_batch,
                    first_draw,
                    rows,
                    batches,
                });
            }
        }
    };
    // Draws of earlier classes that fill no batch, and the longest sides among them.
    let (mut left, mut edges) = (0, [0, 0]);
    for &(draws, sides) in classes {
        let mut draws = draws;
        if left > 0 && draws > 0 {
            edges = [edges[0].max(sides[0]), edges[1].max(sides[1])];
            let rows = limit.rows(edges);
            push(rows, left / rows);
            left %= rows;
            if left > 0 && left + draws < rows {
                left += draws;
                continue;
            }
            if left > 0 {
                push(rows, 1);
                draws -= rows - left;
            }
        }
        let rows = limit.rows(sides);
        push(rows, draws / rows);
        if draws > 0 {
            (left, edges) = (draws % rows, sides);
        }
    }
    push(left, u64::from(left > 0));
    runs
}
