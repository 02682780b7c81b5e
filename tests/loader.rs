//! The loader delivers what `build` says, resumes anywhere, and its threads end.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chefgenius::batch::Batch;
use chefgenius::epoch::{Epochs, Position};
use chefgenius::loader::Loader;
use chefgenius::plan::{BatchLimit, Plan};
use chefgenius::state::Allowed;
use chefgenius::store::TokenStore;
use chefgenius::tombstones::Tombstones;
use chefgenius::{Error, Result};
use common::{delivery, epochs, spec, store};

fn never() -> Result<()> {
    Ok(())
}

fn loader(store: &Arc<TokenStore>, depth: usize, threads: usize) -> Loader {
    Loader::new(epochs(store, spec(4, 3), 42, 0, 1), depth, threads).unwrap()
}

fn rest_of_epoch(loader: &Loader) -> Vec<Batch> {
    let epoch = loader.begin().unwrap();
    std::iter::from_fn(|| loader.next(epoch, &mut never).unwrap()).collect()
}

#[test]
fn an_epoch_is_what_build_gives_and_every_record_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(store(dir.path(), 45, 1000));
    for (depth, threads) in [(0, 1), (1, 2), (8, 1), (8, 3)] {
        let loader = loader(&store, depth, threads);
        for epoch in 0..3 {
            let batches = rest_of_epoch(&loader);
            assert_eq!(batches.len() as u64, loader.epochs().plan().micro_batches());
            let mut seen = HashSet::new();
            for (index, batch) in batches.iter().enumerate() {
                let index = index as u64;
                assert_eq!(
                    *batch,
                    loader.epochs().build(Position { epoch, index }).unwrap()
                );
                seen.extend(batch.record_ids.iter().copied());
            }
            assert_eq!(seen.len(), 45);
        }
    }
}

/// Cut at every index of two epochs, restore into a loader of another depth, cut that one again
/// somewhere in its rest, restore once more: everything that follows is the same.
#[test]
fn a_cut_anywhere_twice_in_a_row_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(store(dir.path(), 45, 1000));
    let whole = loader(&store, 0, 1);
    let expected: Vec<Batch> = (0..3).flat_map(|_| rest_of_epoch(&whole)).collect();
    let take = |loader: &Loader, n: usize| -> Vec<Batch> {
        let mut taken = Vec::new();
        while taken.len() < n {
            let epoch = loader.begin().unwrap();
            while taken.len() < n
                && let Some(batch) = loader.next(epoch, &mut never).unwrap()
            {
                taken.push(batch);
            }
        }
        taken
    };
    let mut cuts = 0;
    for (depth, threads) in [(0, 1), (1, 1), (8, 1), (8, 3)] {
        for cut in 0..24 {
            let first = loader(&store, depth, threads);
            assert_eq!(take(&first, cut), expected[..cut]);
            let saved = serde_json::to_string(&first.state().unwrap()).unwrap();
            assert!(saved.len() <= 512, "{} bytes", saved.len());
            let second = loader(&store, 8 - depth, 4 - threads);
            second.restore(&saved, Allowed::default()).unwrap();
            let more = 1 + cut % 7;
            assert_eq!(take(&second, more), expected[cut..cut + more]);
            let saved = serde_json::to_string(&second.state().unwrap()).unwrap();
            let third = loader(&store, depth, threads);
            third.restore(&saved, Allowed::default()).unwrap();
            let rest = expected.len() - cut - more;
            assert_eq!(take(&third, rest), expected[cut + more..]);
            cuts += 1;
        }
    }
    assert_eq!(cuts, 96);
}

#[test]
fn the_state_is_a_function_of_the_position() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(store(dir.path(), 45, 1000));
    let loader = loader(&store, 2, 2);
    while let Some(batch) = loader.next(0, &mut never).unwrap() {
        let at = Position {
            epoch: batch.epoch,
            index: batch.index,
        };
        assert_eq!(loader.state().unwrap(), loader.state_after(at).unwrap());
    }
    assert_eq!(loader.position().unwrap(), Position { epoch: 1, index: 0 });
}

#[test]
fn leaving_and_entering_again_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(store(dir.path(), 45, 1000));
    let loader = loader(&store, 2, 2);
    for _ in 0..5 {
        loader
            .next(loader.begin().unwrap(), &mut never)
            .unwrap()
            .unwrap();
    }
    assert_eq!(rest_of_epoch(&loader).len(), 7);
    loader.set_epoch(1).unwrap();
    assert_eq!(loader.position().unwrap(), Position { epoch: 1, index: 0 });
    loader.next(1, &mut never).unwrap().unwrap();
    loader.set_epoch(1).unwrap();
    assert_eq!(loader.position().unwrap(), Position { epoch: 1, index: 1 });
    loader.reset().unwrap();
    assert_eq!(loader.position().unwrap(), Position { epoch: 1, index: 0 });
    loader.set_epoch(7).unwrap();
    assert_eq!(rest_of_epoch(&loader)[0].epoch, 7);
}

#[test]
fn any_world_takes_the_same_records_into_the_same_slots() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(store(dir.path(), 61, 1000));
    let micro_batches = 16;
    for slots in [1u32, 2, 3, 5, 7] {
        for world in 1..=slots {
            let mut delivered = vec![None; micro_batches];
            let mut boundaries: Vec<Vec<String>> = Vec::new();
            for rank in 0..world {
                let loader =
                    Loader::new(epochs(&store, spec(4, slots), 9, rank, world), 2, 1).unwrap();
                let mut own = 0;
                let mut states = Vec::new();
                let mut step = None;
                while let Some(batch) = loader.next(0, &mut never).unwrap() {
                    assert_eq!(
                        (batch.index % u64::from(slots)) % u64::from(world),
                        u64::from(rank)
                    );
                    assert!(
                        delivered[batch.index as usize]
                            .replace(batch.record_ids)
                            .is_none()
                    );
                    own += 1;
                    let state = serde_json::to_string(&loader.state().unwrap()).unwrap();
                    let at = loader.state().unwrap().index / u64::from(slots);
                    if step != Some(at) {
                        step = Some(at);
                        states.push(state);
                    }
                }
                assert_eq!(own, loader.epochs().own_batches(0));
                boundaries.push(states);
            }
            for (index, records) in delivered.iter().enumerate() {
                let whole = epochs(&store, spec(4, slots), 9, 0, 1);
                let index = index as u64;
                let batch = whole.build(Position { epoch: 0, index }).unwrap();
                assert_eq!(records.as_ref(), Some(&batch.record_ids));
            }
            if world > 1 {
                // The states after each full step are the same bytes on every rank.
                let steps = micro_batches / slots as usize;
                let after = |rank: &Vec<String>| rank[rank.len().saturating_sub(steps)..].to_vec();
                let full = micro_batches.is_multiple_of(slots as usize);
                if full {
                    assert!(boundaries.iter().all(|b| after(b) == after(&boundaries[0])));
                }
            }
        }
    }
}

#[test]
fn what_differs_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(store(dir.path(), 45, 1000));
    let loader = loader(&store, 0, 1);
    loader.next(0, &mut never).unwrap();
    let saved = loader.state().unwrap();
    let mutate = |change: &dyn Fn(&mut chefgenius::state::State)| {
        let mut state = saved.clone();
        change(&mut state);
        loader
            .restore(&serde_json::to_string(&state).unwrap(), Allowed::default())
            .unwrap_err()
    };
    let mutations: [(&str, Error); 8] = [
        ("schema", mutate(&|s| s.schema.push('x'))),
        ("order", mutate(&|s| s.order += 1)),
        ("seed", mutate(&|s| s.seed += 1)),
        ("tokenizer", mutate(&|s| s.tokenizer.push('0'))),
        ("store", mutate(&|s| s.store.push('0'))),
        ("plan", mutate(&|s| s.plan.push('0'))),
        ("tombstones", mutate(&|s| s.tombstones.push('0'))),
        ("witness", mutate(&|s| s.index += 1)),
    ];
    for (expected, error) in mutations {
        match error {
            Error::StateMismatch { field, .. } => assert_eq!(field, expected),
            other => panic!("{expected}: {other}"),
        }
    }
    for text in ["", "{}", "[1]", "{\"schema\": 1}"] {
        assert!(
            matches!(
                loader.restore(text, Allowed::default()),
                Err(Error::State(_))
            ),
            "{text}"
        );
    }
    let mut past = saved;
    past.index = 12;
    let text = serde_json::to_string(&past).unwrap();
    assert!(matches!(
        loader.restore(&text, Allowed::default()),
        Err(Error::State(_))
    ));
    assert_eq!(
        loader.position().unwrap(),
        Position { epoch: 0, index: 1 },
        "a refusal moves nothing"
    );
}

#[test]
fn bad_arguments_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(store(dir.path(), 45, 1000));
    let named = |change: &dyn Fn(&mut chefgenius::plan::PlanSpec)| {
        let mut spec = spec(4, 1);
        change(&mut spec);
        match Plan::new(&store, spec, 0) {
            Err(Error::Argument { name, .. }) => name,
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("accepted"),
        }
    };
    assert_eq!(named(&|s| s.limit = BatchLimit::Rows(0)), "batch_size");
    assert_eq!(
        named(&|s| s.layout.max_input_length = 1),
        "max_input_length"
    );
    assert_eq!(
        named(&|s| s.layout.max_target_length = 0),
        "max_target_length"
    );
    assert_eq!(
        named(&|s| s.micro_batches_per_step = 0),
        "micro_batches_per_step"
    );
    assert_eq!(
        named(&|s| s.view.validation_fraction = 1.5),
        "validation_fraction"
    );
    let nobody = |s: &mut chefgenius::plan::PlanSpec| {
        s.view.split = chefgenius::view::Split::Validation;
        s.view.validation_fraction = 0.0;
    };
    assert_eq!(named(&nobody), "validation_fraction");
    assert!(matches!(
        store.source_number("none", "validation_sources"),
        Err(Error::Argument {
            name: "validation_sources",
            ..
        })
    ));
    let plan = || Plan::new(&store, spec(4, 2), 0).unwrap();
    let world = |rank, world| {
        Epochs::new(
            Arc::clone(&store),
            plan(),
            Tombstones::default(),
            delivery(),
            (rank, world),
        )
    };
    assert!(matches!(
        world(2, 2),
        Err(Error::Argument { name: "rank", .. })
    ));
    assert!(matches!(
        world(0, 3),
        Err(Error::Argument {
            name: "world_size",
            ..
        })
    ));
    assert!(matches!(
        Loader::new(world(0, 1).unwrap(), 1 << 40, 1),
        Err(Error::Argument {
            name: "prefetch",
            ..
        })
    ));
    for threads in [0, 65] {
        assert!(matches!(
            Loader::new(world(0, 1).unwrap(), 8, threads),
            Err(Error::Argument {
                name: "threads",
                ..
            })
        ));
    }
    let epochs = world(0, 1).unwrap();
    assert!(matches!(
        epochs.build(Position {
            epoch: 0,
            index: 12
        }),
        Err(Error::Argument { name: "index", .. })
    ));
    assert!(matches!(
        epochs.step_info(0, 6),
        Err(Error::Argument { name: "step", .. })
    ));
}

#[test]
fn step_info_is_what_the_batches_hold() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(store(dir.path(), 45, 1000));
    let epochs = epochs(&store, spec(4, 5), 1, 0, 1);
    for step in 0..epochs.plan().steps() {
        let info = epochs.step_info(0, step).unwrap();
        let batches: Vec<Batch> = epochs
            .plan()
            .step(step)
            .unwrap()
            .map(|index| epochs.build(Position { epoch: 0, index }).unwrap())
            .collect();
        assert_eq!(info.micro_batches as usize, batches.len());
        assert_eq!(
            info.samples as usize,
            batches.iter().map(|b| b.record_ids.len()).sum::<usize>()
        );
        let labels = batches
            .iter()
            .flat_map(|b| b.values("labels"))
            .filter(|&l| l != -100)
            .count();
        assert_eq!(info.target_tokens as usize, labels);
        let inputs: i64 = batches
            .iter()
            .flat_map(|b| b.values("attention_mask"))
            .sum();
        assert_eq!(info.input_tokens as i64, inputs);
    }
}

#[test]
fn threads_end_at_once_and_closed_loaders_say_so() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(store(dir.path(), 45, 1000));
    let threads = || std::fs::read_dir("/proc/self/task").unwrap().count();
    let before = threads();
    for _ in 0..200 {
        let loader = loader(&store, 8, 2);
        loader.next(0, &mut never).unwrap();
        let begin = Instant::now();
        loader.close();
        assert!(begin.elapsed() < Duration::from_millis(50));
        assert!(matches!(loader.next(0, &mut never), Err(Error::Loader(_))));
        loader.close();
    }
    // Other tests of this binary have threads of their own that come and go.
    assert!(threads() <= before + 16);
}

/// The names of this process's threads; no other test here has more than three for a loader.
fn names() -> HashSet<String> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let name = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("comm")).ok();
    tasks
        .filter_map(|task| Some(name(task.ok()?)?.trim().to_owned()))
        .collect()
}

#[test]
fn no_more_threads_start_than_there_are_places_and_none_before_the_first_batch() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(store(dir.path(), 45, 1000));
    let loader = loader(&store, 6, 64);
    assert!(!names().contains("chefgenius-5"));
    loader.next(0, &mut never).unwrap();
    let end = Instant::now() + Duration::from_secs(5);
    // A thread takes its name itself, a moment after its start.
    while !names().contains("chefgenius-5") && Instant::now() < end {
        std::thread::yield_now();
    }
    let names = names();
    assert!(names.contains("chefgenius-5") && !names.contains("chefgenius-6"));
    loader.close();
}
