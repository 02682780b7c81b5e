//! A view holds the records that split and filter leave, and no body stands on two sides.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::collections::HashSet;
use std::fs;

use chefgenius::plan::Plan;
use chefgenius::split::is_validation;
use chefgenius::store::TokenStore;
use chefgenius::view::{Split, ViewSpec};
use common::{record, spec, store};

/// The records of a plan, which keeps them beside the store.
fn view(store: &TokenStore, view: &ViewSpec) -> Vec<usize> {
    let mut spec = spec(1, 1);
    spec.view = view.clone();
    Plan::new(store, spec, 0).unwrap().first_records(usize::MAX)
}

fn with(change: impl FnOnce(&mut ViewSpec)) -> ViewSpec {
    let mut view = spec(1, 1).view;
    change(&mut view);
    view
}

#[test]
fn a_view_is_what_a_loop_over_the_records_finds() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path(), 500, 1000);
    for (split, fraction, seed, least) in [
        (Split::Train, 0.2, 0, None),
        (Split::Validation, 0.2, 0, None),
        (Split::Validation, 0.2, 5, Some(0.5)),
        (Split::Train, 0.01, 7, Some(0.3)),
        (Split::All, 0.5, 0, Some(0.9)),
    ] {
        let spec = with(|s| {
            (s.split, s.validation_fraction, s.split_seed, s.min_quality) =
                (split, fraction, seed, least);
        });
        let naive: Vec<usize> = (0..500)
            .filter(|&r| {
                let record = record(r as u64, 1000);
                let held_out = is_validation(record.split_key, seed, fraction);
                let side = match split {
                    Split::All => true,
                    Split::Validation => held_out,
                    Split::Train => !held_out,
                };
                // A record without a score (NaN) stays.
                side && least.is_none_or(|least| record.quality.is_nan() || record.quality >= least)
            })
            .collect();
        assert!(!naive.is_empty());
        // Built, then read from beside the store.
        assert_eq!(view(&store, &spec), naive);
        assert_eq!(view(&store, &spec), naive);
    }
}

#[test]
fn a_held_out_source_is_one_side_and_its_bodies_are_nowhere_else() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = common::writer(dir.path(), 1000);
    for r in 0..100 {
        let mut record = record(r, 1000);
        // Every fourth body stands in both sources.
        if r % 4 == 1 {
            record.split_key = common::record(r - 1, 1000).split_key;
        }
        writer.push(&record).unwrap();
    }
    let store = writer.publish(&common::origin(100)).unwrap();
    let side = |split| {
        view(
            &store,
            &with(|s| {
                (s.split, s.validation_sources) = (
                    split,
                    [store.source_number("odd", "validation_sources").unwrap()].into(),
                )
            }),
        )
    };
    let (train, validation) = (side(Split::Train), side(Split::Validation));
    assert_eq!(validation, (1..100).step_by(2).collect::<Vec<_>>());
    assert_eq!(train, (2..100).step_by(4).collect::<Vec<_>>());
    let body = |r: &usize| store.info(*r).unwrap().split_key;
    let bodies: HashSet<u64> = validation.iter().map(body).collect();
    assert!(train.iter().all(|r| !bodies.contains(&body(r))));
}

#[test]
fn a_damaged_or_missing_cache_is_built_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path(), 100, 1000);
    let spec = with(|s| s.split = Split::Train);
    let expected = view(&store, &spec);
    let files: Vec<_> = fs::read_dir(store.path().join("views")).unwrap().collect();
    assert_eq!(files.len(), 1);
    let file = files[0].as_ref().unwrap().path();
    let good = fs::read(&file).unwrap();
    for at in (0..good.len()).step_by(5) {
        let mut bad = good.clone();
        bad[at] ^= 4;
        fs::write(&file, &bad).unwrap();
        assert_eq!(view(&store, &spec), expected, "byte {at}");
    }
    fs::remove_dir_all(store.path().join("views")).unwrap();
    assert_eq!(view(&store, &spec), expected);
}
