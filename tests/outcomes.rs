//! Every record of any input ends in exactly one of kept, filtered and bad, and the store holds those that were kept,
//! whatever the number of threads.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use chefgenius::prepare::{Report, Request, prepare};
use chefgenius::store::{Choice, Counts, TokenStore};
use chefgenius::{Error, Result};
use proptest::prelude::*;

fn tokenizer() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("python/chefgenius/cookbook/tokenizer.json")
}

/// What a line of a file is meant to be.
#[derive(Debug, Clone)]
enum Line {
    /// A recipe with this body, this many steps, and this score.
    Recipe(u8, usize, Option<u8>),
    Empty,
    Broken,
    /// Not a record, and not counted.
    Blank,
}

impl Line {
    fn write(&self, number: usize) -> String {
        match self {
            Line::Recipe(body, steps, quality) => {
                let steps = vec![format!("Stir the rice for {body} minutes."); *steps];
                let mut record = serde_json::json!({
                    "title": format!("Rice {number}"),
                    "ingredients": [format!("{body} cups rice"), "1 lemon"],
                    "directions": steps,
                });
                if let Some(quality) = quality {
                    record["quality_score"] = (f64::from(*quality) / 10.0).into();
                }
                record.to_string()
            }
            Line::Empty => r#"{"title": "Nothing", "ingredients": [], "directions": []}"#.into(),
            Line::Broken => "{broken".into(),
            Line::Blank => String::new(),
        }
    }
}

fn lines() -> impl Strategy<Value = Vec<Line>> {
    let recipe = (0u8..30, 1usize..30, prop::option::of(0u8..10))
        .prop_map(|(body, steps, quality)| Line::Recipe(body, steps, quality));
    let line = prop_oneof![12 => recipe, 1 => Just(Line::Empty), 1 => Just(Line::Broken), 1 => Just(Line::Blank)];
    prop::collection::vec(line, 1..80)
}

fn choices() -> impl Strategy<Value = Choice> {
    (
        prop::option::of(0u8..10),
        1u32..120,
        prop::option::of(120u32..400),
        any::<bool>(),
    )
        .prop_map(|(least, min_tokens, max_tokens, keep_duplicates)| Choice {
            min_quality: least.map(|least| f32::from(least) / 10.0),
            min_tokens,
            max_tokens,
            keep_duplicates,
            ..Choice::default()
        })
}

/// Who is kept, said in the simplest words: `targets` has the length of every recipe's target.
fn twin(files: &[Vec<Line>], choice: &Choice, targets: &[Vec<usize>]) -> (Vec<(u32, u64)>, Counts) {
    let (mut kept, mut counts, mut bodies) = (Vec::new(), Counts::default(), HashSet::new());
    for (source, (lines, targets)) in files.iter().zip(targets).enumerate() {
        let mut targets = targets.iter();
        let mut ordinal = 0;
        for line in lines {
            match line {
                Line::Blank => continue,
                Line::Empty => counts.filtered.empty += 1,
                Line::Broken => counts.bad += 1,
                Line::Recipe(body, steps, quality) => {
                    let target = *targets.next().unwrap();
                    let quality = quality.map(|quality| f64::from(quality) as f32 / 10.0);
                    if quality
                        .zip(choice.min_quality)
                        .is_some_and(|(q, least)| q < least)
                    {
                        counts.filtered.quality += 1;
                    } else if target < choice.min_tokens as usize {
                        counts.filtered.short += 1;
                    } else if choice.max_tokens.is_some_and(|most| target > most as usize) {
                        counts.filtered.long += 1;
                    } else if !bodies.insert((*body, *steps)) && !choice.keep_duplicates {
                        counts.filtered.duplicate += 1;
                    } else {
                        counts.kept += 1;
                        kept.push((source as u32, ordinal));
                    }
                }
            }
            ordinal += 1;
        }
    }
    (kept, counts)
}

struct Files {
    dir: tempfile::TempDir,
    paths: Vec<PathBuf>,
}

impl Files {
    fn of(files: &[Vec<Line>]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let write = |(number, lines): (usize, &Vec<Line>)| {
            let path = dir.path().join(format!("{number}.jsonl"));
            let text: Vec<String> = lines
                .iter()
                .enumerate()
                .map(|(n, line)| line.write(n))
                .collect();
            fs::write(&path, text.join("\n")).unwrap();
            path
        };
        let paths = files.iter().enumerate().map(write).collect();
        Files { dir, paths }
    }

    fn prepare(&self, out: &str, choice: &Choice, threads: usize) -> Result<(TokenStore, Report)> {
        let request = Request {
            choice: choice.clone(),
            max_bad: Some(1000),
            threads: Some(threads),
            ..Request::new(self.paths.clone(), tokenizer(), self.dir.path().join(out))
        };
        prepare(&request, &mut |_| Ok(()))
    }
}

proptest! {
    #![proptest_config(common::cases(12))]

    #[test]
    fn outcomes_add_up_and_are_those_of_the_twin(
        files in prop::collection::vec(lines(), 1..4),
        choice in choices(),
    ) {
        let files: Vec<Vec<Line>> = files
            .into_iter()
            .map(|mut lines| {
                // A file with nothing in it is an error of its own.
                lines.push(Line::Recipe(200, 3, None));
                lines
            })
            .collect();
        let written = Files::of(&files);
        // With everything kept, the store has every target's length.
        let all = Choice { keep_duplicates: true, ..Choice::default() };
        let (store, _) = written.prepare("all", &all, 2).unwrap();
        let mut targets = vec![Vec::new(); files.len()];
        for record in 0..store.len() {
            let source = store.info(record).unwrap().source as usize;
            targets[source].push(store.lengths(record).unwrap().1);
        }
        let (kept, counts) = twin(&files, &choice, &targets);
        let read: usize = files.iter().flatten().filter(|line| !matches!(line, Line::Blank)).count();
        match written.prepare("out", &choice, 3) {
            Ok((store, report)) => {
                prop_assert_eq!(report.making.counts, counts);
                prop_assert_eq!(counts.total(), read as u64);
                let mut sum = Counts::default();
                report.sources.iter().for_each(|part| sum.add(&part.counts));
                prop_assert_eq!(sum, counts);
                let infos = (0..store.len()).map(|record| store.info(record).unwrap());
                let found: Vec<(u32, u64)> = infos.map(|info| (info.source, info.ordinal)).collect();
                prop_assert_eq!(found, kept);
                prop_assert_eq!(report.making.fidelity.records, counts.kept);
            }
            Err(Error::Source { reason, .. }) => {
                prop_assert_eq!(counts.kept, 0);
                let said = format!("none of its {read} records");
                prop_assert!(reason.contains(&said), "{}", reason);
            }
            Err(e) => prop_assert!(false, "{}", e),
        }
    }
}

#[test]
fn the_store_does_not_depend_on_the_number_of_threads() {
    let lines = |seed: usize| {
        let line = move |n: usize| match (n * 7 + seed) % 40 {
            0 => Line::Empty,
            1 => Line::Broken,
            at => Line::Recipe(
                (n * seed % 251) as u8,
                1 + (n * n + seed) % 40,
                Some(at as u8),
            ),
        };
        (0..3000).map(line).collect::<Vec<Line>>()
    };
    let files = Files::of(&[lines(1), lines(2), lines(3)]);
    let made: Vec<(String, Counts)> = [1, 2, 5]
        .iter()
        .map(|&threads| {
            let (store, report) = files
                .prepare(&format!("out-{threads}"), &Choice::default(), threads)
                .unwrap();
            assert!(report.making.counts.filtered.duplicate > 100);
            (store.fingerprint().to_string(), report.making.counts)
        })
        .collect();
    assert!(made.iter().all(|one| *one == made[0]), "{made:?}");
    // And so is the error where the first bad record ends it.
    for threads in [1, 2, 5] {
        let request = Request {
            threads: Some(threads),
            ..Request::new(
                files.paths.clone(),
                tokenizer(),
                files.dir.path().join("none"),
            )
        };
        match prepare(&request, &mut |_| Ok(())) {
            Err(Error::BadRecord { place, .. }) => {
                assert!(place.contains("0.jsonl, line 1,"), "{place}")
            }
            other => panic!("{:?}", other.map(|_| ())),
        }
    }
}
