//! Of the text of a state every digit counts, and what is no state is an error and no panic.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;
mod small;

use chefgenius::Error;
use chefgenius::state::{Allowed, State};
use common::cases;
use proptest::prelude::*;
use proptest::sample::Index;
use small::{KINDS, field, states, store};

const RECORDS: u64 = 40;

fn text(state: &State) -> String {
    serde_json::to_string(state).unwrap()
}

/// Takes one name out of a state.
type Part = fn(&mut State) -> &mut String;

/// Each hex digit of each name, replaced by each other one.
#[test]
fn each_digit_of_each_name_counts() {
    let dir = tempfile::tempdir().unwrap();
    let whole = store(dir.path(), RECORDS);
    let mut caught = 0;
    for (run, state) in states(&whole) {
        let epochs = run.epochs(0, 1);
        let names: [(&str, Part); 5] = [
            ("store", |s| &mut s.store),
            ("tokenizer", |s| &mut s.tokenizer),
            ("plan", |s| &mut s.plan),
            ("tombstones", |s| &mut s.tombstones),
            ("witness", |s| &mut s.witness),
        ];
        for (name, part) in names {
            let whole = part(&mut state.clone()).clone();
            let digits = 3.min(whole.len())..whole.len();
            assert!(digits.len() == 32 || (name == "tombstones" && whole.is_empty()));
            for place in digits {
                for digit in "0123456789abcdefA".chars() {
                    let mut forged = state.clone();
                    part(&mut forged).replace_range(place..=place, &digit.to_string());
                    if forged == state {
                        continue;
                    }
                    for plan in [false, true] {
                        let allowed = Allowed {
                            plan,
                            ..Allowed::default()
                        };
                        assert_eq!(field(epochs.restore(&text(&forged), allowed)), Ok(name));
                        caught += 1;
                    }
                }
            }
        }
    }
    assert_eq!(caught, (2 * 5 + 2 * 4) * 32 * 16 * 2);
}

/// A value of another type, a missing, foreign or repeated key: no state, and no panic.
#[test]
fn other_json_is_no_state() {
    let dir = tempfile::tempdir().unwrap();
    let whole = store(dir.path(), RECORDS);
    let values = [
        "null",
        "true",
        "-1",
        "1.5",
        "1e3",
        "[]",
        "{}",
        "[0]",
        "18446744073709551616",
        "\"\\ud800\"",
    ];
    let mut refused = 0;
    for (run, state) in states(&whole) {
        let epochs = run.epochs(0, 1);
        let is_refused = |text: &str| {
            let error = epochs.restore(text, Allowed::default()).map(drop);
            assert!(matches!(error, Err(Error::State(_))), "{text}: {error:?}");
        };
        let serde_json::Value::Object(object) = serde_json::to_value(&state).unwrap() else {
            unreachable!("a state is an object")
        };
        for (key, value) in &object {
            let pair = format!("\"{key}\":{value}");
            let all = text(&state);
            assert!(all.contains(&pair));
            let other = if value.is_string() { "7" } else { "\"7\"" };
            for value in values.into_iter().chain([other]) {
                is_refused(&all.replace(&pair, &format!("\"{key}\":{value}")));
                refused += 1;
            }
            let mut less = object.clone();
            less.remove(key);
            is_refused(&serde_json::Value::Object(less).to_string());
            is_refused(&all.replace(&pair, &format!("{pair},{pair}")));
            is_refused(&all.replace(&pair, &format!("{pair},\"{key}s\":{value}")));
            refused += 3;
        }
        for index in [run.plan().micro_batches(), u64::MAX] {
            is_refused(&text(&State {
                index,
                ..state.clone()
            }));
        }
        for epoch in [1 << 63, u64::MAX] {
            is_refused(&text(&State {
                epoch,
                ..state.clone()
            }));
        }
    }
    assert_eq!(refused, KINDS * 10 * 14);
}

#[test]
fn garbage_never_panics() {
    let dir = tempfile::tempdir().unwrap();
    let whole = store(dir.path(), RECORDS);
    let states = states(&whole);
    let allowed = Allowed {
        plan: true,
        tombstones: true,
    };
    let strategy = (
        any::<Index>(),
        any::<bool>(),
        prop::collection::vec((any::<Index>(), 0_u8..128, 0..3_u8), 1..4),
        prop_oneof![".{0,64}", "[\\[\\]{}\":,0-9a-z]{0,64}"],
    );
    let ran = proptest::test_runner::TestRunner::new(cases(500)).run(
        &strategy,
        |(which, all, edits, garbage)| {
            let (run, state) = which.get(&states);
            let epochs = run.epochs(0, 1);
            let allowed = if all { allowed } else { Allowed::default() };
            prop_assert!(matches!(
                epochs.restore(&garbage, allowed),
                Err(Error::State(_))
            ));
            let mut bytes = text(state).into_bytes();
            for (place, byte, edit) in edits {
                let place = place.index(bytes.len());
                match edit {
                    0 => bytes[place] = byte,
                    1 => bytes.insert(place, byte),
                    _ => drop(bytes.remove(place)),
                }
            }
            let edited = String::from_utf8(bytes).unwrap();
            match epochs.restore(&edited, allowed) {
                Err(Error::State(_) | Error::StateMismatch { .. }) => {}
                Err(other) => prop_assert!(false, "{}: {}", edited, other),
                // Only space was added, or other masked records are allowed.
                Ok((_, at)) => {
                    let mut parsed: State = serde_json::from_str(&edited).unwrap();
                    prop_assert_eq!((at.epoch, at.index), (state.epoch, state.index));
                    if all {
                        parsed.tombstones.clone_from(&state.tombstones);
                    }
                    prop_assert_eq!(&parsed, state);
                }
            }
            Ok(())
        },
    );
    ran.unwrap();
}
