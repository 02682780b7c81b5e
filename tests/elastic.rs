//! A world of any size takes the same records into the same slots, and all its ranks save the same.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;
mod small;

use chefgenius::Error;
use chefgenius::epoch::Position;
use chefgenius::loader::Loader;
use chefgenius::state::Allowed;
use common::Random;
use small::{KINDS, Run, at, never, saved, spec, store, take_all};

const MOST_SLOTS: u32 = 12;

/// Step boundaries of the first `epochs` epochs, after the first.
fn boundaries(run: &Run<'_>, epochs: u64) -> Vec<Position> {
    let plan = run.plan();
    let (micro_batches, slots) = (
        plan.micro_batches(),
        u64::from(run.spec.micro_batches_per_step),
    );
    (0..epochs)
        .flat_map(|epoch| (1..=plan.steps()).map(move |step| (epoch, step)))
        .map(|(epoch, step)| {
            at(
                epoch * micro_batches + (step * slots).min(micro_batches),
                micro_batches,
            )
        })
        .collect()
}

/// Each step of two epochs, by each world from 1 to S: the union of the ranks is what was built alone, each slot
/// has one owner, and at each boundary all ranks save the bytes that one rank alone saves.
#[test]
fn every_world_delivers_the_same_steps() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path(), 45);
    let mut steps = 0;
    for kind in 0..KINDS {
        for slots in 1..=MOST_SLOTS {
            let run = Run::new(&store, spec(kind, 3, slots), 5);
            let (alone, expected) = (run.epochs(0, 1), run.expected(2));
            let micro_batches = alone.plan().micro_batches();
            for world in 1..=slots {
                let loaders = run.world(world, 2 * (world as usize % 2), 1);
                let mut begin = 0;
                let mut own = vec![0; world as usize];
                for to in boundaries(&run, 2) {
                    let end = (to.epoch * micro_batches + to.index) as usize;
                    let taken = take_all(&loaders, slots, to);
                    for batch in &taken {
                        own[(batch.index % u64::from(slots) % u64::from(world)) as usize] += 1;
                    }
                    assert_eq!(taken, expected[begin..end]);
                    let here = serde_json::to_string(&alone.state(to).unwrap()).unwrap();
                    for loader in &loaders {
                        assert_eq!(saved(loader), here);
                    }
                    begin = end;
                    steps += 1;
                }
                assert_eq!(begin, expected.len());
                for (loader, own) in loaders.iter().zip(own) {
                    let epochs = loader.epochs();
                    assert_eq!(epochs.own_batches(0) + epochs.own_batches(1), own);
                }
            }
        }
    }
    assert!(steps > 1500, "{steps} steps");
}

/// After any batch of any rank: where one rank is alone the place behind it, else the beginning of the step, or
/// its end where that was the rank's last of it.
#[test]
fn inside_a_step_the_state_is_its_beginning() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path(), 45);
    let mut inside = 0;
    for slots in 1..=7_u32 {
        let run = Run::new(&store, spec(1, 4, slots), 5);
        let alone = run.epochs(0, 1);
        let micro_batches = alone.plan().micro_batches();
        for world in 1..=slots {
            for loader in run.world(world, 1, 1) {
                let rank = loader.next(0, &mut never).unwrap().map(|batch| batch.index);
                let Some(rank) = rank else { continue };
                loader.reset().unwrap();
                while let Some(batch) = loader.next(0, &mut never).unwrap() {
                    let step = batch.index - batch.index % u64::from(slots);
                    let end = (step + u64::from(slots)).min(micro_batches);
                    let more = (batch.index + 1..end)
                        .any(|i| (i - step) % u64::from(world) == rank % u64::from(world));
                    let index = match (world, more) {
                        (1, _) => batch.index + 1,
                        (_, true) => step,
                        (_, false) => end,
                    };
                    inside += u64::from(world > 1 && more);
                    let here = alone.state(at(index, micro_batches)).unwrap();
                    assert_eq!(saved(&loader), serde_json::to_string(&here).unwrap());
                }
            }
        }
    }
    assert!(inside > 50, "{inside} states inside a step");
}

/// The world changes at random boundaries, five times in two epochs.
#[test]
fn a_world_that_changes_loses_and_repeats_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path(), 61);
    let mut random = Random(3);
    for slots in 2..=MOST_SLOTS {
        for kind in 0..KINDS {
            let run = Run::new(&store, spec(kind, 2, slots), 77);
            let expected = run.expected(2);
            let micro_batches = expected.len() as u64 / 2;
            let all = boundaries(&run, 2);
            let mut cuts: Vec<usize> = (0..5)
                .map(|_| random.below(all.len() as u64) as usize)
                .collect();
            cuts.sort_unstable();
            cuts.push(all.len() - 1);
            let (mut state, mut taken): (Option<String>, _) = (None, Vec::new());
            for cut in cuts {
                let world = 1 + random.below(slots.into()) as u32;
                let loaders = run.world(world, random.below(5) as usize, 1);
                if let Some(state) = &state {
                    let restore = |l: &Loader| l.restore(state, Allowed::default()).unwrap();
                    loaders.iter().for_each(restore);
                }
                taken.extend(take_all(&loaders, slots, all[cut]));
                let last = random.below(world.into()) as usize;
                state = Some(saved(&loaders[last]));
            }
            assert_eq!(taken.len() as u64, 2 * micro_batches);
            assert_eq!(taken, expected);
        }
    }
}

#[test]
fn a_world_larger_than_a_step_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path(), 20);
    for slots in 1..=MOST_SLOTS {
        let run = Run::new(&store, spec(0, 2, slots), 1);
        let tombstones = run.tombstones.clone();
        let epochs = chefgenius::epoch::Epochs::new(
            run.store.clone(),
            run.plan(),
            tombstones,
            common::delivery(),
            (0, slots + 1),
        );
        assert!(matches!(
            epochs,
            Err(Error::Argument {
                name: "world_size",
                ..
            })
        ));
    }
}

/// Skipping from any place is stepping on: to the beginning of the step so many after the current one.
#[test]
fn skipping_is_stepping() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path(), 45);
    let mut checked = 0;
    for kind in 0..KINDS {
        for slots in [1, 3, 4, 5] {
            let run = Run::new(&store, spec(kind, 4, slots), 5);
            let expected = run.expected(6);
            let micro_batches = expected.len() as u64 / 6;
            let mut steps = vec![Position::start(0)];
            steps.extend(boundaries(&run, 6));
            for from in 0..2 * micro_batches {
                let from = at(from, micro_batches);
                for skipped in 0..9 {
                    let loader = run.loader(from.index as usize % 3, 1);
                    let state = loader.epochs().state(from).unwrap();
                    let state = serde_json::to_string(&state).unwrap();
                    loader.restore(&state, Allowed::default()).unwrap();
                    // Something is being built ahead, of what is left out then.
                    let first = loader.next(from.epoch, &mut never).unwrap().unwrap();
                    assert_eq!((first.epoch, first.index), (from.epoch, from.index));
                    let now = loader.position().unwrap();
                    let begun = steps.partition_point(|&step| step <= now) - 1;
                    loader.skip(skipped).unwrap();
                    let Some(&to) = steps.get(begun + skipped as usize) else {
                        continue;
                    };
                    assert_eq!(loader.position().unwrap(), to);
                    let place = (to.epoch * micro_batches + to.index) as usize;
                    if let Some(batch) = expected.get(place) {
                        let next = loader.next(to.epoch, &mut never).unwrap();
                        assert_eq!(next.as_ref(), Some(batch));
                    }
                    checked += 1;
                }
            }
        }
    }
    assert!(checked > 2000, "{checked} skips");
}

/// All ranks of a world that stand at the same boundary skip to the same step.
#[test]
fn ranks_skip_alike() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path(), 45);
    for slots in 2..=7 {
        let run = Run::new(&store, spec(0, 4, slots), 5);
        let mut steps = vec![Position::start(0)];
        steps.extend(boundaries(&run, 4));
        for world in 1..=slots {
            for (place, &from) in steps.iter().enumerate().take(steps.len() / 2) {
                for skipped in 0..4 {
                    let loaders = run.world(world, 0, 1);
                    take_all(&loaders, slots, from);
                    for loader in &loaders {
                        loader.skip(skipped).unwrap();
                        let to = steps[place + skipped as usize];
                        assert_eq!(
                            loader.position().unwrap(),
                            to,
                            "{slots} slots, {world} ranks"
                        );
                    }
                }
            }
        }
    }
}
