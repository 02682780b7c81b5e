//! Whatever decides the batches is changed, a thousand times and more: restoring notices each time, and says what
//! differs.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;
mod small;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use chefgenius::epoch::Position;
use chefgenius::fingerprint::Fingerprint;
use chefgenius::plan::{BatchLimit, Plan, PlanKind, PlanSpec};
use chefgenius::state::{Allowed, State};
use chefgenius::store::{NewRecord, TextPart, TokenStore, TokenizerPart};
use chefgenius::view::Split;
use common::{Random, begin, origin};
use small::{KINDS, Run, causal, field, record, spec, states, store, store_of, tombstones};

const RECORDS: u64 = 40;

fn text(state: &State) -> String {
    serde_json::to_string(state).unwrap()
}

/// Restores into one rank, at rest.
fn restore(run: &Run<'_>, state: &State) -> Result<&'static str, String> {
    field(run.epochs(0, 1).restore(&text(state), Allowed::default()))
}

/// One id of one record is another one, or one more or less is there, or two records change places: the store
/// has another name. With that forged, the witness still tells, since the record is in the next batch.
#[test]
fn a_changed_record_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let whole = store(dir.path(), RECORDS);
    let mut random = Random(1);
    let (mut names, mut witnesses) = (0, 0);
    for turn in 0..60 {
        let changed = random.below(RECORDS - 1);
        let mut records: Vec<NewRecord> = (0..RECORDS).map(record).collect();
        let ids = match turn % 2 {
            0 => &mut records[changed as usize].prompt,
            _ => &mut records[changed as usize].target,
        };
        let place = random.below(ids.len() as u64) as usize;
        match turn % 10 {
            // A longer or shorter text, or another place.
            7 => ids.push(3),
            8 if ids.len() > 1 => drop(ids.remove(place)),
            9 => records.swap(changed as usize, changed as usize + 1),
            _ => ids[place] = 3 + (ids[place] - 3 + 1 + random.below(996) as u32) % 997,
        }
        let other = tempfile::tempdir().unwrap();
        let other = store_of(other.path(), records);
        let kind = turn % KINDS;
        let run = Run::new(&whole, spec(kind, 4, 3), 7);
        let index = run.plan().when(1, changed as usize)[0];
        let state = run
            .epochs(0, 1)
            .state(Position { epoch: 1, index })
            .unwrap();
        let run = Run {
            store: &other,
            ..run
        };
        assert_eq!(restore(&run, &state), Ok("store"));
        names += 1;
        let forged = State {
            store: other.fingerprint().to_string(),
            ..state
        };
        assert_eq!(
            restore(&run, &forged),
            Ok("witness"),
            "{kind}, record {changed}"
        );
        witnesses += 1;
    }
    assert_eq!((names, witnesses), (60, 60));
}

/// What is known of records besides their ids decides which of them a plan holds.
#[test]
fn other_facts_of_a_record_make_another_store() {
    let dir = tempfile::tempdir().unwrap();
    let whole = store(dir.path(), RECORDS);
    let changes: [fn(&mut NewRecord); 6] = [
        |r| r.quality += 0.5,
        |r| r.split_key ^= 1,
        |r| r.text_digest[1] ^= 1,
        |r| r.survival.quantities += 1,
        |r| r.source = (r.source + 1) % 3,
        |r| r.ordinal += 1,
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut records: Vec<NewRecord> = (0..RECORDS).map(record).collect();
        change(&mut records[7 * number]);
        let dir = tempfile::tempdir().unwrap();
        let other = store_of(dir.path(), records);
        for (run, state) in states(&whole) {
            assert_eq!(
                restore(
                    &Run {
                        store: &other,
                        ..run
                    },
                    &state
                ),
                Ok("store")
            );
        }
    }
}

fn store_with(out: &Path, change: impl Fn(&mut TokenizerPart, &mut TextPart)) -> Arc<TokenStore> {
    let mut tokenizer = TokenizerPart {
        fingerprint: Fingerprint::of(b"synthetic"),
        vocab_size: small::VOCAB,
        eos_id: 1,
        pad_id: 0,
    };
    let mut text = TextPart {
        normalisation: 1,
        respell: true,
        prompt: "{title}".into(),
        target: "{recipe}".into(),
    };
    change(&mut tokenizer, &mut text);
    let mut writer = begin(out, tokenizer, text);
    (0..RECORDS).for_each(|r| writer.push(&record(r)).unwrap());
    let mut origin = origin(RECORDS);
    origin.sources.push(origin.sources[0].clone());
    Arc::new(writer.publish(&origin).unwrap())
}

#[test]
fn another_tokenizer_or_template_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let whole = store_with(dir.path(), |_, _| {});
    let mut caught = 0;
    let mut check = |name: &str, change: &dyn Fn(&mut TokenizerPart, &mut TextPart)| {
        let dir = tempfile::tempdir().unwrap();
        let other = store_with(dir.path(), change);
        for (run, state) in states(&whole) {
            let found = restore(
                &Run {
                    store: &other,
                    ..run
                },
                &state,
            );
            assert_eq!(found.as_deref(), Ok(name));
            caught += 1;
        }
    };
    for number in 0..10_u8 {
        check("tokenizer", &|t, _| {
            t.fingerprint = Fingerprint::of(&[number])
        });
    }
    check("store", &|t, _| t.vocab_size += 1);
    check("store", &|t, _| t.eos_id = 2);
    check("store", &|t, _| t.pad_id = 3);
    check("store", &|_, t| t.normalisation += 1);
    check("store", &|_, t| t.prompt.push(' '));
    check("store", &|_, t| t.target.insert(0, '\u{a0}'));
    assert_eq!(caught, 16 * KINDS);
}

/// One field of a plan, changed at random. All fields are met.
fn mutate(spec: &mut PlanSpec, number: u64, random: &mut Random) {
    let by = 1 + random.below(9) as u32;
    let layout = &mut spec.layout;
    let view = &mut spec.view;
    match number % 18 {
        0 => {
            spec.kind = if spec.kind == PlanKind::Fixed {
                PlanKind::Packed
            } else {
                PlanKind::Fixed
            }
        }
        1 => {
            spec.limit = match spec.limit {
                BatchLimit::Rows(rows) => BatchLimit::Rows(rows + by),
                BatchLimit::Tokens(tokens) => BatchLimit::Tokens(tokens + by),
            }
        }
        2 => spec.micro_batches_per_step += by,
        3 => drop(
            spec.weights
                .insert(random.below(3) as u32, f64::from(by) / 4.0),
        ),
        4 => {
            view.split = if by < 5 {
                Split::Train
            } else {
                Split::Validation
            }
        }
        5 => view.validation_fraction = 0.2 + f64::from(by) / 100.0,
        6 => drop(view.validation_sources.insert(random.below(3) as u32)),
        7 => view.split_seed += u64::from(by),
        8 => view.min_quality = Some(f32::from(by as u8) / 20.0),
        9 => *layout = causal(layout.clone()),
        10 => layout.max_input_length -= by,
        11 => layout.max_target_length -= by,
        12 => layout.eos_id += by,
        13 => layout.pad_id += by,
        14 => layout.bos_id = Some(10 + by),
        15 => layout.separator_ids.push(10 + by),
        16 => layout.loss_on_prompt = !layout.loss_on_prompt,
        _ => spec.limit = BatchLimit::Rows(20 + by),
    }
}

#[test]
fn any_other_plan_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let whole = store(dir.path(), RECORDS);
    let mut random = Random(4);
    let (mut caught, mut fields) = (0, BTreeMap::new());
    for number in 0..720 {
        let mut before = spec(number as usize % KINDS, 4, 3);
        before.view.validation_fraction = 0.5;
        if random.below(2) == 0 || (14..17).contains(&(number % 18)) {
            before.layout = causal(before.layout);
        }
        let mut after = before.clone();
        mutate(&mut after, number, &mut random);
        if after == before || Plan::new(&whole, after.clone(), 5).is_err() {
            continue;
        }
        let run = Run::new(&whole, before, 5);
        let index = random.below(run.plan().micro_batches());
        let state = run
            .epochs(0, 1)
            .state(Position { epoch: 2, index })
            .unwrap();
        let run = Run { spec: after, ..run };
        assert_eq!(restore(&run, &state), Ok("plan"), "field {}", number % 18);
        caught += 1;
        *fields.entry(number % 18).or_insert(0) += 1;
    }
    assert!(caught > 550, "{caught} plans");
    assert_eq!(fields.len(), 18, "{fields:?}");
}

/// Seeds, positions, versions and masked records, on either side.
#[test]
fn any_other_seed_position_version_or_mask_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let whole = store(dir.path(), RECORDS);
    let (mut random, mut caught) = (Random(5), 0);
    for (run, state) in states(&whole) {
        for turn in 0..64 {
            let seed = run.seed ^ (1 << turn);
            let other = Run {
                seed,
                ..run.clone()
            };
            assert_eq!(restore(&other, &state), Ok("seed"));
            // A forged seed makes another order, so another batch.
            let forged = State {
                seed,
                ..state.clone()
            };
            assert_eq!(restore(&run, &forged), Ok("seed"));
            assert_eq!(restore(&other, &forged), Ok("witness"));
            let order = state.order ^ (1 << (turn % 32));
            let forged = State {
                order,
                ..state.clone()
            };
            assert_eq!(restore(&run, &forged), Ok("order"));
            let epoch = state.epoch ^ (1 << (turn % 63));
            let forged = State {
                epoch,
                ..state.clone()
            };
            assert_eq!(restore(&run, &forged), Ok("witness"), "epoch {epoch}");
            let mut schema = state.schema.clone();
            schema.truncate(random.below(schema.len() as u64) as usize);
            let forged = State {
                schema,
                ..state.clone()
            };
            assert_eq!(restore(&run, &forged), Ok("schema"));
            let masked = Run {
                tombstones: tombstones(&whole, 4 + turn % 37),
                ..run.clone()
            };
            assert_eq!(restore(&masked, &state), Ok("tombstones"));
            caught += 7;
        }
        for index in (0..run.plan().micro_batches()).filter(|&index| index != state.index) {
            let forged = State {
                index,
                ..state.clone()
            };
            assert_eq!(restore(&run, &forged), Ok("witness"));
            caught += 1;
        }
    }
    assert!(caught > 1800, "{caught}");
}
