//! Files to a store: every record is accounted for, nothing is done twice, and errors name their place.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use chefgenius::prepare::{Progress, Report, Request, Stage, prepare};
use chefgenius::store::{Counts, Filtered, TokenStore};
use chefgenius::text::Template;
use chefgenius::{Error, Result};

fn bundled_tokenizer() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("python/chefgenius/cookbook/tokenizer.json")
}

fn lines(range: std::ops::Range<u32>) -> String {
    range
        .map(|n| {
            format!(
                "{{\"title\": \"Rice {n}\", \"ingredients\": [\"{n} cups rice\", \"1 lemon\"], \"directions\": [\"Cook the rice for {n} minutes.\", \"Serve.\"]}}\n"
            )
        })
        .collect()
}

struct Kitchen(tempfile::TempDir);

impl Kitchen {
    fn new() -> Self {
        Kitchen(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn out(&self) -> PathBuf {
        self.0.path().join("out")
    }

    fn request(&self, sources: &[&PathBuf], max_bad: Option<u64>) -> Request {
        let sources = sources.iter().map(|&p| p.clone()).collect();
        Request {
            max_bad,
            ..Request::new(sources, bundled_tokenizer(), self.out())
        }
    }

    fn prepare(&self, sources: &[&PathBuf], max_bad: Option<u64>) -> Result<(TokenStore, Report)> {
        prepare(&self.request(sources, max_bad), &mut |_| Ok(()))
    }
}

#[test]
fn every_record_is_kept_filtered_or_bad() {
    let kitchen = Kitchen::new();
    let text = lines(0..10)
        + "{\"title\": \"Nothing\", \"ingredients\": [], \"directions\": []}\n{broken\n\n"
        + &lines(5..20);
    let source = kitchen.file("a.jsonl", &text);
    let (store, report) = kitchen.prepare(&[&source], Some(1)).unwrap();
    assert_eq!(store.len(), 20);
    let making = &report.making;
    let filtered = Filtered {
        empty: 1,
        duplicate: 5,
        ..Filtered::default()
    };
    let counts = Counts {
        kept: 20,
        filtered,
        bad: 1,
    };
    assert_eq!(making.counts, counts);
    assert_eq!(report.sources[0].counts, counts);
    assert_eq!(making.counts.total(), 27);
    let [error] = making.first_errors.as_slice() else {
        panic!("{:?}", making.first_errors);
    };
    assert!(error.source.ends_with("a.jsonl"));
    assert_eq!(error.line, Some(12));
    assert_eq!(error.byte, text.find("{broken").map(|at| at as u64));
    assert!(error.reason.contains("JSON"), "{}", error.reason);
    assert_eq!(store.info(19).unwrap().ordinal, 26);
    assert_eq!(making.fidelity.records, 20);
    assert_eq!(making.fidelity.records_same, 20);
    // `n cups`, `1 lemon`, `n minutes`, and the number in the title.
    assert_eq!(
        (making.fidelity.quantities, making.fidelity.quantities_same),
        (80, 80)
    );
    assert_eq!(making.fidelity.worst, []);
    assert_eq!(
        making.target_lengths.max as usize,
        (0..20).map(|r| store.lengths(r).unwrap().1).max().unwrap()
    );
    let json = fs::read_to_string(kitchen.out().join("report.json")).unwrap();
    let written: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(written["counts"]["kept"], 20);
    assert_eq!(written, serde_json::to_value(&report).unwrap());
}

#[test]
fn other_numbers_are_no_duplicate() {
    let kitchen = Kitchen::new();
    let one = |rice: &str, heat: &str| {
        format!(
            "{{\"title\": \"Rice\", \"ingredients\": [\"{rice} rice\"], \"directions\": [\"Cook {heat} minutes.\"]}}\n"
        )
    };
    let text = [
        one("1.5 kg", "10-12"),
        one("15 kg", "10-12"),
        one("15 kg", "1012"),
        one("1.5 KG", "10 - 12"),
        one("1½ kg", "5"),
        one("1 1/2 kg", "5"),
        one("11/2 kg", "5"),
    ];
    let source = kitchen.file("a.jsonl", text.concat());
    let (store, report) = kitchen.prepare(&[&source], None).unwrap();
    assert_eq!(
        (store.len(), report.making.counts.filtered.duplicate),
        (5, 2)
    );
    let keys: Vec<u64> = (0..5)
        .map(|record| store.info(record).unwrap().split_key)
        .collect();
    assert!(
        keys[..2].iter().all(|key| *key == keys[0]),
        "one body, one side of the split"
    );
}

#[test]
fn a_recipe_is_empty_where_neither_list_has_a_letter_or_digit() {
    let kitchen = Kitchen::new();
    let one = |ingredients: &str, directions: &str| {
        format!(
            "{{\"title\": \"Rice\", \"ingredients\": [{ingredients}], \"directions\": [{directions}]}}\n"
        )
    };
    let text = [
        one("\"🍚\"", "\"🔥 !\""),
        one("", ""),
        one("\"1 cup rice\"", ""),
        one("", "\"Cook it.\""),
    ];
    let source = kitchen.file("a.jsonl", text.concat());
    let (store, report) = kitchen.prepare(&[&source], None).unwrap();
    assert_eq!((store.len(), report.making.counts.filtered.empty), (2, 2));
}

#[test]
fn the_policy_decides_over_bad_records() {
    let kitchen = Kitchen::new();
    let source = kitchen.file("a.jsonl", lines(0..3) + "no\nno\n" + &lines(3..6));
    match kitchen.prepare(&[&source], None) {
        Err(Error::BadRecord { place, .. }) => {
            assert!(place.contains("a.jsonl, line 4, byte"), "{place}")
        }
        other => panic!("{:?}", other.map(|(_, r)| r)),
    }
    assert!(matches!(
        kitchen.prepare(&[&source], Some(1)),
        Err(Error::TooManyBad { cap: 1, .. })
    ));
    assert!(matches!(
        TokenStore::open(&kitchen.out()),
        Err(Error::NotFound { .. })
    ));
    assert_eq!(kitchen.prepare(&[&source], Some(2)).unwrap().0.len(), 6);
    // A store that was allowed two bad records is not the answer to a request that allows none.
    assert!(matches!(
        kitchen.prepare(&[&source], None),
        Err(Error::BadRecord { .. })
    ));
    let hopeless = kitchen.file("b.jsonl", "no\nno\n");
    assert!(matches!(
        kitchen.prepare(&[&hopeless], Some(9)),
        Err(Error::Source { .. })
    ));
    assert_eq!(
        TokenStore::open(&kitchen.out()).unwrap().len(),
        6,
        "the former store stays"
    );
}

#[test]
fn a_second_call_does_nothing_and_a_change_tokenizes_only_what_is_new() {
    let kitchen = Kitchen::new();
    let (b, a) = (
        kitchen.file("b.jsonl", lines(0..30)),
        kitchen.file("a.jsonl", lines(30..40)),
    );
    let (first, report) = kitchen.prepare(&[&b, &a], None).unwrap();
    assert!(report.built && report.making.reused == 0);
    // The order in which sources are named does not matter: they are read in the order of their names.
    let (again, report) = kitchen.prepare(&[&a, &b], None).unwrap();
    assert!(!report.built);
    assert_eq!(first.fingerprint(), again.fingerprint());
    assert!(first.origin().sources[0].name.ends_with("a.jsonl"));

    fs::write(&a, lines(30..45)).unwrap();
    let (grown, report) = kitchen.prepare(&[&a, &b], None).unwrap();
    assert_eq!(
        (report.built, report.making.reused, grown.len()),
        (true, 40, 45)
    );
    // What was taken over is what would have been made.
    let elsewhere = Kitchen::new();
    let request = Request {
        out: elsewhere.out(),
        ..kitchen.request(&[&a, &b], None)
    };
    let (fresh, report) = prepare(&request, &mut |_| Ok(())).unwrap();
    assert_eq!(report.making.reused, 0);
    assert_eq!(fresh.fingerprint(), grown.fingerprint());
}

#[test]
fn another_template_is_another_store() {
    let kitchen = Kitchen::new();
    let source = kitchen.file("a.jsonl", lines(0..5));
    let (first, _) = kitchen.prepare(&[&source], None).unwrap();
    let mut request = kitchen.request(&[&source], None);
    request.template = Template::new("cook {title}", "{directions}").unwrap();
    let (second, report) = prepare(&request, &mut |_| Ok(())).unwrap();
    assert!(report.built);
    assert_ne!(first.fingerprint(), second.fingerprint());
    assert_eq!(second.manifest().text.prompt, "cook {title}");
    // The body decides the split, whatever the template.
    assert_eq!(
        first.info(3).unwrap().split_key,
        second.info(3).unwrap().split_key
    );
}

#[test]
fn a_stop_leaves_the_former_store_and_no_half_one() {
    let kitchen = Kitchen::new();
    let source = kitchen.file("a.jsonl", lines(0..5));
    kitchen.prepare(&[&source], None).unwrap();
    fs::write(&source, lines(0..5000)).unwrap();
    let mut calls = 0;
    let stopped = prepare(&kitchen.request(&[&source], None), &mut |_: Progress| {
        calls += 1;
        if calls == 3 {
            Err(Error::Interrupted)
        } else {
            Ok(())
        }
    });
    assert!(matches!(stopped, Err(Error::Interrupted)));
    assert_eq!(TokenStore::open(&kitchen.out()).unwrap().len(), 5);
    assert!(!kitchen.out().join(".building").exists());
}

#[test]
fn progress_tells_the_bytes_of_the_files_as_they_are() {
    let kitchen = Kitchen::new();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(lines(0..3000).as_bytes()).unwrap();
    let sources = [
        kitchen.file("a.jsonl", lines(3000..3100)),
        kitchen.file("b.jsonl.gz", packed.finish().unwrap()),
    ];
    let total = sources
        .iter()
        .map(|path| fs::metadata(path).unwrap().len())
        .sum();
    let mut told = Vec::new();
    let request = kitchen.request(&sources.iter().collect::<Vec<_>>(), None);
    prepare(&request, &mut |now| {
        told.push(now);
        Ok(())
    })
    .unwrap();
    assert!(
        told.iter()
            .all(|now| now.total == total && now.done <= total)
    );
    for stage in [Stage::Hash, Stage::Read] {
        let of_stage: Vec<&Progress> = told.iter().filter(|now| now.stage == stage).collect();
        assert!(of_stage.is_sorted_by_key(|now| (now.done, now.records)));
        assert!(!of_stage.is_empty());
    }
    let last = told.last().unwrap();
    assert_eq!(
        (last.stage, last.done, last.records),
        (Stage::Write, total, 3100)
    );
}

#[test]
fn two_at_once_do_no_harm() {
    let kitchen = Kitchen::new();
    let source = kitchen.file("a.jsonl", lines(0..2000));
    std::thread::scope(|scope| {
        let one = scope.spawn(|| {
            kitchen
                .prepare(&[&source], None)
                .map(|(store, _)| store.len())
        });
        let two = scope.spawn(|| {
            kitchen
                .prepare(&[&source], None)
                .map(|(store, _)| store.len())
        });
        assert_eq!(one.join().unwrap().unwrap(), 2000);
        assert_eq!(two.join().unwrap().unwrap(), 2000);
    });
    TokenStore::open(&kitchen.out()).unwrap().verify().unwrap();
}

#[test]
fn what_cannot_be_used_is_named() {
    let kitchen = Kitchen::new();
    let good = kitchen.file("a.jsonl", lines(0..5));
    let missing = kitchen.0.path().join("none.jsonl");
    assert!(
        matches!(kitchen.prepare(&[&missing], None), Err(Error::NotFound { path, .. }) if path == missing)
    );
    let empty = kitchen.file("empty.jsonl", "");
    assert!(
        matches!(kitchen.prepare(&[&empty], None), Err(Error::Source { path, .. }) if path == empty)
    );
    let blank = kitchen.file("blank.jsonl", "\n \n");
    assert!(
        matches!(kitchen.prepare(&[&blank], None), Err(Error::Source { path, .. }) if path == blank)
    );
    assert!(matches!(
        kitchen.prepare(&[], None),
        Err(Error::Argument {
            name: "sources",
            ..
        })
    ));
    assert!(matches!(
        kitchen.prepare(&[&good, &good], None),
        Err(Error::Argument {
            name: "sources",
            ..
        })
    ));
    let with_tokenizer = |path: PathBuf| {
        let request = Request {
            tokenizer: path,
            ..kitchen.request(&[&good], None)
        };
        prepare(&request, &mut |_| Ok(())).map(|_| ()).unwrap_err()
    };
    assert!(matches!(
        with_tokenizer(missing.clone()),
        Error::NotFound { .. }
    ));
    assert!(matches!(
        with_tokenizer(kitchen.0.path().to_owned()),
        Error::NotFound { .. }
    ));
    assert!(matches!(
        with_tokenizer(kitchen.file("bad.json", "{\"a\": 1}")),
        Error::Tokenizer { .. }
    ));
    assert!(matches!(
        Template::new("{titel}", "{recipe}"),
        Err(Error::Template(_))
    ));
    let nowhere = Request {
        out: PathBuf::new(),
        ..kitchen.request(&[&good], None)
    };
    assert!(matches!(
        prepare(&nowhere, &mut |_| Ok(())),
        Err(Error::Argument { name: "out", .. })
    ));
    let pipe = kitchen.0.path().join("pipe.jsonl");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();
    assert!(
        matches!(kitchen.prepare(&[&pipe], None), Err(Error::Source { path, .. }) if path == pipe)
    );
    let file = kitchen.file("plain", "");
    let request = Request {
        out: file,
        ..kitchen.request(&[&good], None)
    };
    assert!(matches!(
        prepare(&request, &mut |_| Ok(())),
        Err(Error::Io { .. })
    ));
}
