//! Packing by templates: which classes of lengths share a row, and how often.
//!
//! Packs are made of classes, not of records, so that each epoch can deal the members of every class anew
//! to the places that the templates hold for it:
//!
//! 1. [`best_fit`] builds one [`Template`] at a time: the hardest class that is left goes in first; then, while
//!    the room is wide, classes that give the pack the mix of what is left to pack (`mixing`), so that no side
//!    runs out before the other; last the two classes that leave the least of the room (`closing`).
//! 2. The template is used for a fair share of what its classes still hold, and the next templates around the
//!    same class take others, so that the members of two classes do not always meet.
//!
//! All arithmetic is on integers and every tie has a rule, so the templates are a function of the arguments
//! on every machine.

use std::{cmp::Reverse, iter};

/// A class of records that count as equally long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    /// The longest input among the members; 0 in a causal plan.
    pub input: u32,
    /// The longest target among the members; in a causal plan the longest whole sequence.
    pub target: u32,
    /// How many members.
    pub count: u64,
}

/// The size of a row: what the inputs and the targets of a pack may sum to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Capacity {
    /// Token ids of all inputs of a pack; 0 in a causal plan.
    pub input: u32,
    /// Token ids of all targets of a pack.
    pub target: u32,
}

/// The classes of a pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// Packs of an epoch that are made this way; at least 1.
    pub uses: u64,
    /// Classes by number, ascending, with how many members of each stand in one pack.
    pub cells: Vec<(u32, u32)>,
}

/// Classes that are tried as the next, or as the first of the last two.
const TRIES: usize = 128;
/// Shelves that a search looks at once it has something in hand.
const REACH: usize = 64;
/// Mean records of room, in halves, from which on a pack is mixed and not yet closed.
const WIDE: u128 = 5;
/// Templates over which the members of a class are dealt at least, where that costs next to nothing.
const SPREAD: u64 = 4;
/// The share of the rows that spreading may cost.
const COST_OF_SPREAD: u64 = 400;
/// One, in the fixed-point numbers of the prices.
const ONE: u64 = 1 << 16;

/// Templates that hold every class exactly `count` times (uses times multiplicity, summed), with the edges of
/// each pack within `capacity` on both sides, in the order in which they were made: hardest first. There
/// are at most `cells.len()` x (10 + log2 of the most members of a pack) of them, as a rule twice the classes.
///
/// A class that is itself above `capacity` stands alone in its packs. Never more than a 400th above what first fit,
/// longest first, needs. Counts may sum to 2^40. Costs about 128 searches for each template, each O(log classes)
/// as a rule; three times that where rows stay emptier than a 400th.
pub fn best_fit(cells: &[Cell], capacity: Capacity) -> Vec<Template> {
    let near = |rows: u64| rows.saturating_add(rows / COST_OF_SPREAD);
    let of_inputs = tokens(cells, |c| c.input).div_ceil(capacity.input.max(1).into());
    let of_targets = tokens(cells, |c| c.target).div_ceil(capacity.target.max(1).into());
    let bound = u64::try_from(of_inputs.max(of_targets)).unwrap_or(u64::MAX);
    let spread = fit(cells, capacity, TRIES, SPREAD);
    if rows(&spread) <= near(bound) {
        return spread;
    }
    let others = [(TRIES, 1), (0, 1)].map(|(tries, spread)| fit(cells, capacity, tries, spread));
    match others.into_iter().min_by_key(|way| rows(way)) {
        Some(best) if rows(&spread) > near(rows(&best)) => best,
        _ => spread,
    }
}

/// The packs of an epoch.
pub fn rows(templates: &[Template]) -> u64 {
    templates.iter().map(|template| template.uses).sum()
}

/// All tokens of one side.
pub fn tokens(cells: &[Cell], side: fn(&Cell) -> u32) -> u128 {
    let of_class = |c: &Cell| u128::from(side(c)) * u128::from(c.count);
    cells.iter().map(of_class).sum()
}

/// The templates with so many `tries` and so much `spread`. With no tries at all it is first fit, longest first: what
/// is hardest of all that fits goes in next.
pub fn fit(cells: &[Cell], capacity: Capacity, tries: usize, spread: u64) -> Vec<Template> {
    let mut stock = Stock::new(cells, capacity, tries, spread);
    let mut templates = Vec::new();
    let mut members = Vec::new();
    while let Some(&seed) = stock.active.first() {
        members.clear();
        members.push(seed);
        stock.seed = seed;
        let prices = stock.prices();
        let mut room = stock.take(seed, capacity);
        while let Some(cell) = stock.mixing(room) {
            room = stock.take(cell, room);
            members.push(cell);
        }
        while let Some((first, second)) = stock.closing(room, prices) {
            for cell in iter::once(first).chain(second) {
                room = stock.take(cell, room);
                members.push(cell);
            }
        }
        members.sort_unstable();
        templates.push(stock.repeat(&members));
    }
    templates
}

/// What a token that is left empty costs, on either side.
#[derive(Clone, Copy)]
struct Prices {
    input: u64,
    target: u64,
}

/// The cells of one length of the leading side: (length of the other side, cell), ascending.
struct Shelf {
    length: u32,
    cells: Vec<(u32, u32)>,
}

/// What is not packed yet.
struct Stock<'a> {
    cells: &'a [Cell],
    capacity: Capacity,
    tries: usize,
    spread: u64,
    /// Members of each cell that are left.
    left: Vec<u64>,
    /// Cells with members left, hardest first.
    active: Vec<u32>,
    /// Active cells by target, then input.
    by_target: Vec<Shelf>,
    /// Active cells by input, then target.
    by_input: Vec<Shelf>,
    /// Input tokens, target tokens and members that are left.
    inputs: u128,
    targets: u128,
    members: u128,
    /// The cell around which a template is being built.
    seed: u32,
    /// The seed of the last template that each cell was in.
    met: Vec<Option<u32>>,
}

impl<'a> Stock<'a> {
    fn new(cells: &'a [Cell], capacity: Capacity, tries: usize, spread: u64) -> Self {
        let mut active: Vec<u32> = (0..cells.len() as u32).collect();
        active.retain(|&cell| cells[cell as usize].count > 0);
        let by_target = shelves(cells, &active, |c| c.target, |c| c.input);
        let by_input = shelves(cells, &active, |c| c.input, |c| c.target);
        // Hard is what fills much of a row on its fuller side; the sort is stable.
        active.sort_by_key(|&cell| {
            let Cell { input, target, .. } = cells[cell as usize];
            let of_input = u64::from(input) * u64::from(capacity.target.max(1));
            let of_target = u64::from(target) * u64::from(capacity.input.max(1));
            Reverse(of_input.max(of_target))
        });
        Stock {
            cells,
            capacity,
            tries,
            spread,
            left: cells.iter().map(|c| c.count).collect(),
            active,
            by_target,
            by_input,
            inputs: tokens(cells, |c| c.input),
            targets: tokens(cells, |c| c.target),
            members: cells.iter().map(|c| u128::from(c.count)).sum(),
            seed: 0,
            met: vec![None; cells.len()],
        }
    }

    /// Takes one member of a cell into a pack; gives the room after it, none where the cell is above it.
    fn take(&mut self, cell: u32, room: Capacity) -> Capacity {
        self.left[cell as usize] -= 1;
        self.after(cell, room).unwrap_or_default()
    }

    /// The room that a cell would leave, if it fits.
    fn after(&self, cell: u32, room: Capacity) -> Option<Capacity> {
        let edges = &self.cells[cell as usize];
        Some(Capacity {
            input: room.input.checked_sub(edges.input)?,
            target: room.target.checked_sub(edges.target)?,
        })
    }

    /// Whether more than `spoken_for` members are left of a cell that has not met the seed yet.
    fn free(&self, cell: u32, spoken_for: u64) -> bool {
        let met = self.spread > 1 && self.met[cell as usize] == Some(self.seed);
        !met && self.left[cell as usize] > spoken_for
    }

    /// Evenly spaced active cells that fit, hardest first, with the room that each would leave.
    fn candidates(&self, room: Capacity) -> impl Iterator<Item = (u32, Capacity)> {
        let stride = self.active.len().checked_div(self.tries).unwrap_or(1);
        self.active
            .iter()
            .step_by(stride.max(1))
            .filter(|&&cell| self.free(cell, 0))
            .filter_map(move |&cell| Some((cell, self.after(cell, room)?)))
    }

    /// The side of which more rows are still to be filled is the dear one: the ratio to the 32nd power, so
    /// that the other side is little more than a tie-break, until they are level.
    fn prices(&self) -> Prices {
        let of_input = self.inputs * u128::from(self.capacity.target);
        let of_target = (self.targets * u128::from(self.capacity.input)).max(1);
        let ratio = (of_input * u128::from(ONE) / of_target).min(u128::from(ONE + ONE / 4)) as u64;
        let power = (0..5).fold(ratio, |x, _| x * x / ONE);
        let level = u64::from(self.capacity.target) / u64::from(self.capacity.input.max(1));
        Prices {
            input: (power * level.max(1)).clamp(1, 1 << 30),
            target: ONE,
        }
    }

    /// While `room` is wide: the cell with which the pack comes nearest to the ratio of inputs to targets of all
    /// that is left. Equal ones: the hardest.
    fn mixing(&self, room: Capacity) -> Option<u32> {
        let wide = |room: u32, left: u128| 2 * u128::from(room) * self.members >= WIDE * left;
        if self.tries == 0 || !wide(room.input, self.inputs) || !wide(room.target, self.targets) {
            return None;
        }
        let off = |rest: Capacity| {
            let input = u128::from(self.capacity.input - rest.input) * self.targets;
            let target = u128::from(self.capacity.target - rest.target) * self.inputs;
            input.abs_diff(target)
        };
        let nearest = self.candidates(room).min_by_key(|&(_, rest)| off(rest))?;
        Some(nearest.0)
    }

    /// The cell, or the two cells, that leave the least of `room`; none where nothing fits. Equal ones: one cell
    /// before two, then the harder first.
    fn closing(&self, room: Capacity, prices: Prices) -> Option<(u32, Option<u32>)> {
        if self.tries == 0 {
            return self.candidates(room).next().map(|(cell, _)| (cell, None));
        }
        let (mut cost, single) = self.nearest(room, prices, None, u64::MAX)?;
        let mut best = (single, None);
        for (first, rest) in self.candidates(room) {
            if cost == 0 {
                break;
            }
            if let Some((less, second)) = self.nearest(rest, prices, Some(first), cost) {
                cost = less;
                best = (first, Some(second));
            }
        }
        Some(best)
    }

    /// The cell that leaves the least of `room`, if that costs less than `below`; of `but` one member is
    /// spoken for. Walks down from the room on the dear side, so that the first shelves are the best ones.
    fn nearest(
        &self,
        room: Capacity,
        prices: Prices,
        but: Option<u32>,
        below: u64,
    ) -> Option<(u64, u32)> {
        let target_leads = prices.target >= prices.input;
        let (shelves, lead, other, lead_price, other_price) = if target_leads {
            (
                &self.by_target,
                room.target,
                room.input,
                prices.target,
                prices.input,
            )
        } else {
            (
                &self.by_input,
                room.input,
                room.target,
                prices.input,
                prices.target,
            )
        };
        let mut cost = below;
        let mut found = None;
        let end = shelves.partition_point(|shelf| shelf.length <= lead);
        for (looked_at, shelf) in shelves[..end].iter().rev().enumerate() {
            let base = u64::from(lead - shelf.length) * lead_price;
            if base >= cost || (looked_at >= REACH && cost < u64::MAX) {
                break;
            }
            let end = shelf.cells.partition_point(|&(length, _)| length <= other);
            for &(length, cell) in shelf.cells[..end].iter().rev() {
                let this = base + u64::from(other - length) * other_price;
                if this >= cost {
                    break;
                }
                if self.free(cell, u64::from(but == Some(cell))) {
                    cost = this;
                    found = Some((this, cell));
                    break;
                }
            }
        }
        found
    }

    /// The template of these members, ascending, one of each of which is taken already. It is used as often as
    /// there are members left for it, but for no more than one part in `spread` of a class.
    fn repeat(&mut self, members: &[u32]) -> Template {
        let cells: Vec<(u32, u32)> = members
            .chunk_by(|a, b| a == b)
            .map(|same| (same[0], same.len() as u32))
            .collect();
        let uses = cells.iter().map(|&(cell, times)| {
            let left = self.left[cell as usize] + u64::from(times);
            let share = self.cells[cell as usize].count.div_ceil(self.spread);
            (left / u64::from(times)).min((share / u64::from(times)).max(1))
        });
        let uses = uses.min().unwrap_or(1);
        for &(cell, times) in &cells {
            let edges = self.cells[cell as usize];
            let packed = uses * u64::from(times);
            self.left[cell as usize] -= packed - u64::from(times);
            self.inputs -= u128::from(edges.input) * u128::from(packed);
            self.targets -= u128::from(edges.target) * u128::from(packed);
            self.members -= u128::from(packed);
            self.met[cell as usize] = Some(self.seed);
            if self.left[cell as usize] == 0 {
                self.active.retain(|&other| other != cell);
                forget(&mut self.by_target, edges.target, cell);
                forget(&mut self.by_input, edges.input, cell);
            }
        }
        Template { uses, cells }
    }
}

/// The active cells by the length of the side `lead`, then by that of the other side.
fn shelves(
    cells: &[Cell],
    active: &[u32],
    lead: fn(&Cell) -> u32,
    other: fn(&Cell) -> u32,
) -> Vec<Shelf> {
    let edges = |&cell: &u32| {
        let c = &cells[cell as usize];
        (lead(c), other(c), cell)
    };
    let mut all: Vec<(u32, u32, u32)> = active.iter().map(edges).collect();
    all.sort_unstable();
    all.chunk_by(|a, b| a.0 == b.0)
        .map(|shelf| Shelf {
            length: shelf[0].0,
            cells: shelf
                .iter()
                .map(|&(_, other, cell)| (other, cell))
                .collect(),
        })
        .collect()
}

/// Takes an emptied cell off its shelf, and an emptied shelf away.
fn forget(shelves: &mut Vec<Shelf>, length: u32, cell: u32) {
    if let Ok(at) = shelves.binary_search_by_key(&length, |shelf| shelf.length) {
        shelves[at].cells.retain(|&(_, other)| other != cell);
        if shelves[at].cells.is_empty() {
            shelves.remove(at);
        }
    }
}
