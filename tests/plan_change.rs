//! Another plan in the middle of an epoch: refused, or the epoch is finished with the saved one first.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;
mod small;

use std::fs;

use chefgenius::Error;
use chefgenius::batch::Batch;
use chefgenius::epoch::Position;
use chefgenius::loader::Loader;
use chefgenius::plan::PlanSpec;
use chefgenius::state::Allowed;
use chefgenius::store::TokenStore;
use small::{KINDS, Run, causal, field, never, saved, spec, store, take, take_all, tombstones};

const ALLOWED: Allowed = Allowed {
    plan: true,
    tombstones: false,
};

/// Plans that differ in all ways, with their numbers of slots.
fn plans() -> Vec<PlanSpec> {
    let mut plans: Vec<PlanSpec> = (0..KINDS)
        .map(|kind| spec(kind, 3, 2 + kind as u32))
        .collect();
    plans.push(spec(0, 4, 2));
    plans.push(spec(0, 3, 5));
    let mut lengths = spec(1, 3, 3);
    lengths.layout = causal(lengths.layout);
    plans.push(lengths);
    let mut weighted = spec(2, 5, 3);
    weighted.weights.insert(1, 1.7);
    plans.push(weighted);
    plans
}

/// The next `count` batches, over the edges of epochs.
fn next(loader: &Loader, count: usize) -> Vec<Batch> {
    let mut taken = Vec::new();
    while taken.len() < count {
        let epoch = loader.begin().unwrap();
        taken.extend(loader.next(epoch, &mut never).unwrap());
    }
    taken
}

fn of_epoch(batches: Vec<Batch>, epoch: u64) -> Vec<Batch> {
    let own = |batch: &Batch| batch.epoch == epoch;
    batches.into_iter().filter(own).collect()
}

/// For each pair of plans: the rest of the epoch is the saved plan's, the next one is the new plan's, and states
/// on the way lead on in the same way, however often.
#[test]
fn the_epoch_is_finished_with_the_plan_it_was_begun_with() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path(), 41);
    let mut pairs = 0;
    for (a, before) in plans().into_iter().enumerate() {
        for (b, after) in plans().into_iter().enumerate().filter(|&(b, _)| b != a) {
            let masked = tombstones(&store, (a + b) % 4);
            let run = |spec: &PlanSpec| Run {
                tombstones: masked.clone(),
                ..Run::new(&store, spec.clone(), 8)
            };
            let old = of_epoch(run(&before).expected(2), 1);
            let cut = 1 + (a * 3 + b) % (old.len() - 1);
            let mut expected = old[cut..].iter().collect::<Vec<_>>();
            let new = of_epoch(run(&after).expected(3), 2);
            expected.extend(&new);

            let loader = run(&before).loader(2, 1);
            loader.set_epoch(1).unwrap();
            next(&loader, cut);
            let mut state = saved(&loader);
            let loader = run(&after).loader(1, 2);
            assert_eq!(
                field(loader.restore(&state, Allowed::default())),
                Ok("plan")
            );
            assert_eq!(loader.position().unwrap(), Position::start(0));
            // Three at a time, each time with the state that was saved on the way.
            for (part, wanted) in expected.chunks(3).enumerate() {
                let loader = run(&after).loader(part % 3, 1 + part % 2);
                loader.restore(&state, ALLOWED).unwrap();
                let taken = next(&loader, wanted.len());
                assert!(taken.iter().eq(wanted.iter().copied()));
                state = saved(&loader);
            }
            // In one go as well, with its sums and its own length.
            let loader = run(&before).loader(0, 1);
            loader.set_epoch(1).unwrap();
            next(&loader, cut);
            let state = saved(&loader);
            let loader = run(&after).loader(4, 2);
            loader.restore(&state, ALLOWED).unwrap();
            let epochs = loader.epochs();
            assert_eq!(
                epochs.plan_of(1).fingerprint(),
                run(&before).plan().fingerprint()
            );
            assert_eq!(
                epochs.plan_of(0).fingerprint(),
                run(&after).plan().fingerprint()
            );
            assert_eq!(epochs.own_batches(1), old.len() as u64);
            assert_eq!(epochs.own_batches(2), new.len() as u64);
            assert_eq!(
                epochs.step_info(1, 0).unwrap(),
                run(&before).epochs(0, 1).step_info(1, 0).unwrap()
            );
            for record in 0..store.len() {
                assert_eq!(
                    epochs.when(1, record),
                    run(&before).epochs(0, 1).when(1, record)
                );
                assert_eq!(
                    epochs.when(2, record),
                    run(&after).epochs(0, 1).when(2, record)
                );
            }
            let words = |epoch: u64| expected.iter().filter(move |b| b.epoch == epoch);
            let most = words(1).chain(words(2)).map(|b| b.bytes() / 8).max();
            assert!(most.is_some_and(|most| most <= epochs.most_words().unwrap()));
            let taken = next(&loader, expected.len());
            assert!(taken.iter().eq(expected));
            pairs += 1;
        }
    }
    assert_eq!(pairs, 8 * 7);
}

/// With several ranks, of another number than before.
#[test]
fn every_rank_finishes_the_epoch_alike() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path(), 41);
    let before = Run::new(&store, spec(1, 3, 4), 8);
    for kind in 0..KINDS {
        let after = Run::new(&store, spec(kind, 5, 3), 8);
        for (first, second) in [(1, 3), (2, 1), (4, 2), (3, 3)] {
            let old = before.expected(1);
            let loaders = before.world(first, 1, 1);
            take_all(&loaders, 4, Position { epoch: 0, index: 4 });
            let state = saved(&loaders[0]);
            let loaders = after.world(second, 2, 1);
            for loader in &loaders {
                loader.restore(&state, ALLOWED).unwrap();
            }
            let boundary = Position { epoch: 0, index: 8 };
            let mut taken = take_all(&loaders, 4, boundary);
            assert!(loaders.iter().all(|l| saved(l) == saved(&loaders[0])));
            taken.extend(take_all(&loaders, 4, Position::start(1)));
            assert_eq!(taken, old[4..]);
            let all = after.expected(2);
            let new = take_all(&loaders, 3, Position::start(2));
            assert_eq!(new, of_epoch(all, 1));
        }
    }
}

/// Nothing of the epoch was seen yet: it is the new plan's at once.
#[test]
fn at_the_beginning_of_an_epoch_the_new_plan_comes_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path(), 41);
    for before in plans() {
        let old = Run::new(&store, before.clone(), 3);
        let loader = old.loader(2, 1);
        take(&loader, Position::start(1));
        let state = saved(&loader);
        for after in plans().into_iter().filter(|after| *after != before) {
            let run = Run::new(&store, after, 3);
            let loader = run.loader(2, 1);
            assert_eq!(
                field(loader.restore(&state, Allowed::default())),
                Ok("plan")
            );
            loader.restore(&state, ALLOWED).unwrap();
            assert_eq!(loader.position().unwrap(), Position::start(1));
            let here = loader.state().unwrap();
            assert_eq!(here.plan, run.plan().fingerprint().as_str());
            let taken = take(&loader, Position::start(2));
            assert_eq!(taken, of_epoch(run.expected(2), 1));
        }
    }
}

/// Skipping goes through the rest of the begun epoch by its own steps.
#[test]
fn skipping_counts_the_steps_of_the_plan_begun() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path(), 41);
    let (before, after) = (
        Run::new(&store, spec(0, 3, 2), 8),
        Run::new(&store, spec(1, 4, 3), 8),
    );
    let loader = before.loader(0, 1);
    next(&loader, 5);
    let state = saved(&loader);
    let here = before.plan().steps();
    let there = after.plan().steps();
    for skipped in 0..here + 2 * there {
        let loader = after.loader(1, 1);
        loader.restore(&state, ALLOWED).unwrap();
        loader.skip(skipped).unwrap();
        let step = 2 + skipped;
        let expected = match step.checked_sub(here) {
            None => Position {
                epoch: 0,
                index: 2 * step,
            },
            Some(step) => Position {
                epoch: 1 + step / there,
                index: 3 * (step % there),
            },
        };
        assert_eq!(loader.position().unwrap(), expected);
        let run = if expected.epoch == 0 { &before } else { &after };
        let alone = run.epochs(0, 1).build(expected).unwrap();
        assert_eq!(next(&loader, 1), [alone]);
    }
}

/// What a refusal names and advises; nothing where it is another error, or none.
fn remedy<T>(result: chefgenius::Result<T>) -> Option<(&'static str, &'static str)> {
    match result {
        Err(Error::StateMismatch { field, remedy, .. }) => Some((field, remedy)),
        _ => None,
    }
}

fn forget(store: &TokenStore) {
    fs::remove_dir_all(store.path().join("views")).unwrap();
}

#[test]
fn a_plan_that_is_not_kept_any_more_is_refused_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path(), 41);
    for kind in 0..KINDS {
        let (before, after) = (
            Run::new(&store, spec(kind, 3, 2), 8),
            Run::new(&store, spec(kind, 4, 2), 8),
        );
        let loader = before.loader(1, 1);
        next(&loader, 3);
        let state = saved(&loader);
        let other = after.loader(1, 1);
        let (name, text) = remedy(other.restore(&state, Allowed::default())).unwrap();
        assert_eq!(name, "plan");
        assert!(text.contains("on_plan_change"), "{text}");
        forget(&store);
        let (name, text) = remedy(other.restore(&state, ALLOWED)).unwrap();
        assert_eq!(name, "plan");
        assert!(
            text.contains("not kept") && text.contains("finish the epoch"),
            "{text}"
        );
        assert_eq!(other.position().unwrap(), Position::start(0));
        // The plan itself needs nothing that was kept, and making it again keeps it again.
        let same = before.loader(1, 1);
        same.restore(&state, Allowed::default()).unwrap();
        assert_eq!(next(&same, 2), before.expected(1)[3..5]);
        other.restore(&state, ALLOWED).unwrap();
        assert_eq!(next(&other, 2), before.expected(1)[3..5]);
    }
}

/// A step of the saved plan that is too small for the world cannot be finished by it.
#[test]
fn a_begun_step_smaller_than_the_world_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path(), 41);
    for kind in 0..KINDS {
        let before = Run::new(&store, spec(kind, 3, 2), 8);
        let after = Run::new(&store, spec(kind, 3, 5), 8);
        let loader = before.loader(1, 1);
        next(&loader, 2);
        let state = saved(&loader);
        for world in 1..=5 {
            for loader in after.world(world, 0, 1) {
                let refused = loader.restore(&state, ALLOWED);
                if world <= 2 {
                    refused.unwrap();
                    continue;
                }
                let named = matches!(
                    &refused,
                    Err(Error::Argument {
                        name: "world_size",
                        ..
                    })
                );
                assert!(named, "{refused:?}");
                assert_eq!(loader.position().unwrap(), Position::start(0));
            }
        }
        // Between epochs it is not needed.
        take(&loader, Position::start(1));
        let state = saved(&loader);
        for loader in after.world(5, 0, 1) {
            loader.restore(&state, ALLOWED).unwrap();
            assert_eq!(loader.position().unwrap(), Position::start(1));
        }
    }
}
