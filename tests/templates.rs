//! Templates hold every record once, nothing above capacity, and leave little of the rows empty.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;
#[path = "../rust/core/plan/capacity.rs"]
mod capacity;
#[path = "../rust/core/plan/templates.rs"]
mod templates;

use capacity::choose_capacity;
use common::Random;
use proptest::prelude::*;
use templates::{Capacity, Cell, Template, best_fit};

/// What the definition asks of templates; gives the number of packs.
fn assert_templates(cells: &[Cell], capacity: Capacity, templates: &[Template]) -> u64 {
    let mut held = vec![0; cells.len()];
    let (mut packs, mut longest_pack) = (0, 1);
    for template in templates {
        assert!(template.uses > 0 && !template.cells.is_empty());
        assert!(template.cells.is_sorted_by(|a, b| a.0 < b.0));
        let (mut input, mut target, mut members) = (0, 0, 0);
        for &(cell, times) in &template.cells {
            assert!(times > 0);
            let edges = cells[cell as usize];
            input += u64::from(edges.input) * u64::from(times);
            target += u64::from(edges.target) * u64::from(times);
            members += u64::from(times);
            held[cell as usize] += template.uses * u64::from(times);
        }
        let fits = input <= capacity.input.into() && target <= capacity.target.into();
        assert!(fits || members == 1, "{input}/{target} in {capacity:?}");
        longest_pack = longest_pack.max(members);
        packs += template.uses;
    }
    let counts: Vec<u64> = cells.iter().map(|c| c.count).collect();
    assert_eq!(held, counts, "each class its own number of times");
    let most = cells.len() * (10 + longest_pack.ilog2() as usize);
    assert!(templates.len() <= most, "{} templates", templates.len());
    packs
}

/// The naive twin: the longest record first, into the first row with room.
fn first_fit_decreasing(cells: &[Cell], capacity: Capacity) -> u64 {
    let share = |c: &Cell| {
        let of_input = u64::from(c.input) * u64::from(capacity.target);
        of_input.max(u64::from(c.target) * u64::from(capacity.input.max(1)))
    };
    let mut records: Vec<Cell> = Vec::new();
    for cell in cells {
        records.extend((0..cell.count).map(|_| *cell));
    }
    records.sort_by_key(|c| std::cmp::Reverse(share(c)));
    let mut rows: Vec<Capacity> = Vec::new();
    for c in records {
        let has_room = |row: &&mut Capacity| c.input <= row.input && c.target <= row.target;
        match rows.iter_mut().find(has_room) {
            Some(row) => {
                row.input -= c.input;
                row.target -= c.target;
            }
            None => rows.push(Capacity {
                input: capacity.input - c.input,
                target: capacity.target - c.target,
            }),
        }
    }
    rows.len() as u64
}

/// A number with the normal distribution.
fn normal(random: &mut Random) -> f64 {
    let mut uniform = || 1.0 - (random.next() >> 11) as f64 / 2f64.powi(53);
    let radius = (-2.0 * uniform().ln()).sqrt();
    radius * (std::f64::consts::TAU * uniform()).cos()
}

/// Lengths as recipes have them: log-normal targets, inputs that go with them, both cut.
fn lengths(records: usize) -> Vec<(u32, u32)> {
    let mut random = Random(11);
    let one = |_| {
        let target = (5.5 + 0.49 * normal(&mut random)).exp();
        let input = (18.0 + 0.17 * target) * (0.25 * normal(&mut random)).exp();
        ((input as u32).clamp(4, 256), (target as u32).clamp(4, 512))
    };
    (0..records).map(one).collect()
}

/// Classes of 6 to 11 records: halves of halves, along the side on which the lengths differ more.
fn classes(mut records: Vec<(u32, u32)>) -> Vec<Cell> {
    type Side = fn(&(u32, u32)) -> u32;
    let sides: [Side; 2] = [|r| r.0, |r| r.1];
    let most = sides.map(|side| records.iter().map(side).max().unwrap());
    let least = sides.map(|side| records.iter().map(side).min().unwrap());
    let spread = [most[0] - least[0], most[1] - least[1]];
    if records.len() < 12 || spread == [0, 0] {
        return vec![Cell {
            input: most[0],
            target: most[1],
            count: records.len() as u64,
        }];
    }
    records.sort_unstable_by_key(sides[usize::from(4 * spread[1] >= spread[0])]);
    let upper = records.split_off(records.len() / 2);
    [classes(records), classes(upper)].concat()
}

/// The share of all rows that holds no record's token.
fn padding(records: &[(u32, u32)], packs: u64, capacity: Capacity) -> f64 {
    let real: u64 = records.iter().map(|r| u64::from(r.0 + r.1)).sum();
    1.0 - real as f64 / (packs * u64::from(capacity.input + capacity.target)) as f64
}

#[test]
fn recipes_leave_four_hundredths_of_the_rows_empty_at_most() {
    let records = lengths(21_000);
    let cells = classes(records.clone());
    let longest = Capacity {
        input: 256,
        target: 512,
    };
    let capacity = choose_capacity(&cells, longest);
    assert!(capacity.input >= 256 && (512..=1024).contains(&capacity.target));
    assert!(
        capacity.input <= 320,
        "{capacity:?} is far from the ratio of the sums"
    );
    let templates = best_fit(&cells, capacity);
    let packs = assert_templates(&cells, capacity, &templates);
    let empty = padding(&records, packs, capacity);
    println!(
        "{} classes, {} templates, {capacity:?}: {:.2} % empty",
        cells.len(),
        templates.len(),
        100.0 * empty
    );
    assert!(empty < 0.04, "{empty}");
    assert!(templates.len() * 4 <= records.len());

    let twin = padding(&records, first_fit_decreasing(&cells, capacity), capacity);
    assert!(empty < twin, "{empty}, the naive twin {twin}");
}

#[test]
fn causal_recipes_leave_a_hundredth_of_the_rows_empty_at_most() {
    let records = lengths(21_000);
    let mut counts = vec![0; 769];
    for &(input, target) in &records {
        counts[(input + target) as usize] += 1;
    }
    let cell = |(length, &count): (usize, &u64)| Cell {
        input: 0,
        target: length as u32,
        count,
    };
    let cells: Vec<Cell> = counts
        .iter()
        .enumerate()
        .map(cell)
        .filter(|c| c.count > 0)
        .collect();
    let longest = Capacity {
        input: 0,
        target: cells.last().unwrap().target,
    };
    let chosen = choose_capacity(&cells, longest);
    assert!(chosen.input == 0 && chosen.target <= (2 * longest.target).next_multiple_of(8));
    for capacity in [
        chosen,
        Capacity {
            input: 0,
            target: 1024,
        },
    ] {
        let packs = assert_templates(&cells, capacity, &best_fit(&cells, capacity));
        let empty = padding(&records, packs, capacity);
        println!("{capacity:?}: {:.2} % empty", 100.0 * empty);
        assert!(empty < 0.01, "{empty} in {capacity:?}");
    }
}

#[test]
fn inputs_that_run_short_do_not_leave_the_targets_empty() {
    // Short targets have long inputs here, and both sides are scarce.
    let cells: Vec<Cell> = (0..200)
        .map(|i| Cell {
            input: 20 + (i * 7) % 90,
            target: 300 - (i * 7) % 90 - i,
            count: 10,
        })
        .collect();
    let sum = |side: fn(&Cell) -> u32| {
        cells
            .iter()
            .map(|c| u64::from(side(c)) * c.count)
            .sum::<u64>()
    };
    let target = 2048;
    let input = (sum(|c| c.input) * target).div_ceil(sum(|c| c.target)) as u32;
    let capacity = Capacity {
        input,
        target: target as u32,
    };
    let packs = assert_templates(&cells, capacity, &best_fit(&cells, capacity));
    let bound = sum(|c| c.target).div_ceil(target);
    assert!(packs <= bound + bound / 40, "{packs} packs for {bound}");
}

#[test]
fn members_of_two_classes_do_not_always_meet() {
    let cells = [400, 401, 402, 403, 597, 598, 599, 600];
    let cells = cells.map(|target| Cell {
        input: target / 4,
        target,
        count: 12,
    });
    let capacity = Capacity {
        input: 260,
        target: 1003,
    };
    let templates = best_fit(&cells, capacity);
    assert_templates(&cells, capacity, &templates);
    let most = templates.iter().map(|t| t.uses).max().unwrap();
    assert!(most <= 3, "{most} of 12 members in one kind of pack");
}

#[test]
fn a_class_above_the_capacity_stands_alone() {
    let cells = [
        Cell {
            input: 9,
            target: 2,
            count: 3,
        },
        Cell {
            input: 1,
            target: 1,
            count: 5,
        },
        Cell {
            input: 2,
            target: 90,
            count: 0,
        },
    ];
    let capacity = Capacity {
        input: 8,
        target: 8,
    };
    let templates = best_fit(&cells, capacity);
    assert_eq!(assert_templates(&cells, capacity, &templates), 4);
    assert!(best_fit(&[], capacity).is_empty());
    assert_eq!(
        choose_capacity(&[], capacity),
        Capacity {
            input: 8,
            target: 16
        }
    );
}

prop_compose! {
    fn any_cells(most: u64)(
        cells in prop::collection::vec((0u32..60, 1u32..90, 0..=most), 0..60),
    ) -> Vec<Cell> {
        let cell = |(input, target, count)| Cell { input, target, count };
        cells.into_iter().map(cell).collect()
    }
}

proptest! {
    #![proptest_config(common::cases(96))]

    #[test]
    fn every_record_has_one_place_and_no_pack_is_above_capacity(
        cells in any_cells(1_000_000),
        input in 1u32..400,
        target in 1u32..400,
        causal in any::<bool>(),
    ) {
        let mut cells = cells;
        let mut capacity = Capacity { input, target };
        if causal {
            capacity.input = 0;
            cells.iter_mut().for_each(|c| c.input = 0);
        }
        let templates = best_fit(&cells, capacity);
        assert_templates(&cells, capacity, &templates);
        prop_assert_eq!(templates, best_fit(&cells, capacity));
    }

    #[test]
    fn the_naive_twin_is_never_better_by_more_than_spreading_costs(
        cells in any_cells(30),
        input in 60u32..300,
        target in 90u32..400,
    ) {
        let capacity = Capacity { input, target };
        let packs = assert_templates(&cells, capacity, &best_fit(&cells, capacity));
        let twin = first_fit_decreasing(&cells, capacity);
        prop_assert!(packs <= twin + twin / 400, "{packs} packs, the twin {twin}");
    }

    #[test]
    fn the_chosen_capacity_holds_the_longest_and_is_sane(cells in any_cells(300)) {
        let most = |side: fn(&Cell) -> u32| cells.iter().map(side).max().unwrap_or(1);
        let longest = Capacity { input: most(|c| c.input).max(1), target: most(|c| c.target) };
        let chosen = choose_capacity(&cells, longest);
        prop_assert!(chosen.input >= longest.input && chosen.target >= longest.target);
        prop_assert!(chosen.target <= (2 * longest.target).next_multiple_of(8));
        prop_assert!(chosen.input.is_multiple_of(8) && chosen.target.is_multiple_of(8));
        prop_assert_eq!(chosen, choose_capacity(&cells, longest));
    }

    #[test]
    fn lengths_of_any_size_are_counted_without_overflow(
        cells in prop::collection::vec((any::<u32>(), any::<u32>(), 0..1u64 << 34), 0..12),
        input in 1u32..,
        target in 1u32..,
    ) {
        let cell = |(input, target, count)| Cell { input, target, count };
        let cells: Vec<Cell> = cells.into_iter().map(cell).collect();
        let capacity = Capacity { input, target };
        assert_templates(&cells, capacity, &best_fit(&cells, capacity));
    }
}
