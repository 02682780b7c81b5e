//! The size of a packed row: the one that the classes' templates leave the least of empty.

use std::panic::resume_unwind;
use std::thread;

use super::templates::{Capacity, Cell, fit, rows, tokens};

/// What a search tries while capacities are compared: an eighth of what it tries later.
const TRIES_OF_A_TRIAL: usize = 16;
/// Capacities are multiples of this, so that rows suit vector units.
const GRAIN: u64 = 8;

/// The capacity of which the templates leave the least empty. Target: one and a half times or twice the longest.
/// Input: by the ratio of the sums, or up to 24 above that, never below the longest. Both are rounded up to
/// multiples of 8; a causal plan (`longest.input` is 0) has input 0.
///
/// Equal sizes go to the smaller row. Costs at most eight [`best_fit`]s with an eighth of the search,
/// side by side.
pub fn choose_capacity(cells: &[Cell], longest: Capacity) -> Capacity {
    let (inputs, targets) = (tokens(cells, |c| c.input), tokens(cells, |c| c.target));
    let steps = if longest.input == 0 { 1 } else { 4 };
    let candidates = [3, 4].into_iter().flat_map(|halves| {
        let target = grain(u128::from(longest.target) * halves / 2);
        let ideal = (inputs * u128::from(target)).div_ceil(targets.max(1));
        let least = grain(ideal.max(longest.input.into()));
        let input = move |step| least.saturating_add(step * GRAIN as u32);
        (0..steps).map(move |step| Capacity {
            input: input(step),
            target,
        })
    });
    let size = |c: Capacity| {
        let packs = rows(&fit(cells, c, TRIES_OF_A_TRIAL, 1));
        u128::from(packs) * (u128::from(c.input) + u128::from(c.target))
    };
    thread::scope(|scope| {
        let trials: Vec<_> = candidates
            .map(|c| (scope.spawn(move || size(c)), c))
            .collect();
        let join = |trial: thread::ScopedJoinHandle<'_, u128>| {
            trial.join().unwrap_or_else(|e| resume_unwind(e))
        };
        let sized = trials.into_iter().map(|(trial, c)| (join(trial), c));
        sized
            .min_by_key(|&(size, _)| size)
            .map_or(longest, |(_, c)| c)
    })
}

/// The next multiple of [`GRAIN`].
fn grain(length: u128) -> u32 {
    u32::try_from(length.next_multiple_of(GRAIN.into())).unwrap_or(u32::MAX)
}
