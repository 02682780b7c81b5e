//! What a second `prepare` saves itself, what it does not trust, and how it waits.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use chefgenius::prepare::{Progress, Report, Request, Stage, prepare};
use chefgenius::store::{Choice, Lock, TokenStore};
use chefgenius::text::Template;
use chefgenius::{Error, Result};

fn lines(range: std::ops::Range<u32>) -> String {
    range
        .map(|n| {
            format!(
                "{{\"title\": \"Rice {n}\", \"ingredients\": [\"{n} cups rice\"], \"directions\": [\"Cook for {n} minutes.\"]}}\n"
            )
        })
        .collect()
}

struct Kitchen {
    dir: tempfile::TempDir,
    source: PathBuf,
}

impl Kitchen {
    fn new(text: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let source = dir.path().join("a.jsonl");
        fs::write(&source, text).unwrap();
        Kitchen { dir, source }
    }

    fn out(&self) -> PathBuf {
        self.dir.path().join("out")
    }

    fn request(&self) -> Request {
        let tokenizer =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("python/chefgenius/cookbook/tokenizer.json");
        Request::new(vec![self.source.clone()], tokenizer, self.out())
    }

    fn prepare(&self) -> Result<(TokenStore, Report)> {
        prepare(&self.request(), &mut |_| Ok(()))
    }

    /// Prepares; whether a source was read to name it.
    fn is_hashed(&self) -> bool {
        let mut is_hashed = false;
        let mut tell = |now: Progress| {
            is_hashed |= now.stage == Stage::Hash && now.done > 0;
            Ok(())
        };
        let (_, report) = prepare(&self.request(), &mut tell).unwrap();
        assert!(!report.built);
        is_hashed
    }
}

#[test]
fn a_source_that_settled_is_not_read_again_unless_something_of_it_changed() {
    let kitchen = Kitchen::new(&lines(0..20));
    let settle = || thread::sleep(Duration::from_millis(2100));
    kitchen.prepare().unwrap();
    assert!(
        kitchen.is_hashed(),
        "it changed just now: another change might not show"
    );
    settle();
    assert!(kitchen.is_hashed(), "the store was made before it settled");
    fs::remove_dir_all(kitchen.out()).unwrap();
    kitchen.prepare().unwrap();
    assert!(!kitchen.is_hashed());

    // Other bytes of the same length, under the old time: the entry's own time tells.
    let modified = fs::metadata(&kitchen.source).unwrap().modified().unwrap();
    let other = lines(0..20).replace("Rice 7", "Corn 7");
    fs::write(&kitchen.source, &other).unwrap();
    File::open(&kitchen.source)
        .unwrap()
        .set_modified(modified)
        .unwrap();
    settle();
    let (store, report) = kitchen.prepare().unwrap();
    assert!(report.built);
    assert_eq!(report.making.reused, 19);
    let (prompt, _) = store.ids(7).unwrap();
    assert!(store.decode(&prompt.to_vec()).unwrap().contains("Corn 7"));
    assert!(!kitchen.is_hashed());

    // Another file under the name, as old and as long.
    let beside = kitchen.dir.path().join("b.jsonl");
    fs::copy(&kitchen.source, &beside).unwrap();
    File::open(&beside).unwrap().set_modified(modified).unwrap();
    fs::rename(&beside, &kitchen.source).unwrap();
    assert!(kitchen.is_hashed());
}

#[test]
fn every_option_that_decides_what_is_kept_counts_as_a_change() {
    let kitchen = Kitchen::new(&lines(0..20));
    kitchen.prepare().unwrap();
    let all = [
        Choice {
            min_quality: Some(0.5),
            ..Choice::default()
        },
        Choice {
            min_tokens: 2,
            ..Choice::default()
        },
        Choice {
            max_tokens: Some(1000),
            ..Choice::default()
        },
        Choice {
            keep_duplicates: true,
            ..Choice::default()
        },
        Choice {
            score_quality: true,
            ..Choice::default()
        },
        Choice {
            map: vec![("title".into(), "title".into())],
            ..Choice::default()
        },
    ];
    for choice in all {
        let request = Request {
            choice: choice.clone(),
            ..kitchen.request()
        };
        assert!(
            prepare(&request, &mut |_| Ok(())).unwrap().1.built,
            "{choice:?}"
        );
        assert!(
            !prepare(&request, &mut |_| Ok(())).unwrap().1.built,
            "{choice:?}"
        );
    }
    let other = Request {
        respell: false,
        ..kitchen.request()
    };
    assert!(prepare(&other, &mut |_| Ok(())).unwrap().1.built);
    let template = Template::new("{title}", "{recipe}").unwrap();
    let other = Request {
        template,
        ..kitchen.request()
    };
    assert!(prepare(&other, &mut |_| Ok(())).unwrap().1.built);
    // The number of threads decides nothing.
    kitchen.prepare().unwrap();
    let other = Request {
        threads: Some(3),
        ..kitchen.request()
    };
    assert!(!prepare(&other, &mut |_| Ok(())).unwrap().1.built);
}

#[test]
fn what_is_taken_over_is_reported_like_what_is_made() {
    // The bundled tokenizer has no such letters, and respelling is off: some records are lost.
    let text = lines(0..30).replace("Rice 1", "Ñañ 汉 1");
    let kitchen = Kitchen::new(&text);
    let request = |out: &str| Request {
        respell: false,
        out: kitchen.dir.path().join(out),
        ..kitchen.request()
    };
    let first = prepare(&request("out"), &mut |_| Ok(())).unwrap().1;
    assert!(first.making.fidelity.records_same < first.making.fidelity.records);
    assert_eq!(first.making.fidelity.worst.len(), 5);
    fs::write(&kitchen.source, text + &lines(30..31)).unwrap();
    let (grown, second) = prepare(&request("out"), &mut |_| Ok(())).unwrap();
    assert_eq!(second.making.reused, 30);
    let (fresh, made) = prepare(&request("elsewhere"), &mut |_| Ok(())).unwrap();
    assert_eq!(made.making.reused, 0);
    assert_eq!(second.making.fidelity, made.making.fidelity);
    assert_eq!(grown.fingerprint(), fresh.fingerprint());
}

#[test]
fn a_damaged_store_is_not_trusted_and_not_built_upon() {
    for file in [
        "shard-00000.safetensors",
        "tokenizer.json",
        "origin.json",
        "manifest.json",
    ] {
        let kitchen = Kitchen::new(&lines(0..20));
        let (store, _) = kitchen.prepare().unwrap();
        let path = store.path().join(file);
        let mut bytes = fs::read(&path).unwrap();
        let at = bytes.len() - 20;
        bytes[at] ^= 4;
        fs::write(&path, &bytes).unwrap();
        let (store, report) = kitchen.prepare().unwrap();
        assert!(report.built, "{file}");
        assert_eq!(report.making.reused, 0, "{file}");
        store.verify().unwrap();
    }
}

#[test]
fn a_source_that_is_written_to_meanwhile_is_refused() {
    let kitchen = Kitchen::new(&lines(0..20));
    let mut is_changed = false;
    let outcome = prepare(&kitchen.request(), &mut |now: Progress| {
        if now.stage == Stage::Read && !is_changed {
            is_changed = true;
            fs::write(&kitchen.source, lines(0..21)).unwrap();
        }
        Ok(())
    });
    match outcome.map(|_| ()) {
        Err(Error::Source { path, reason }) => {
            assert_eq!(path, kitchen.source);
            assert!(reason.contains("written to while"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
    assert!(!kitchen.out().join(".building").exists());
    assert_eq!(kitchen.prepare().unwrap().0.len(), 21);
}

#[test]
fn it_waits_for_another_writer_and_says_so_and_can_be_stopped() {
    let kitchen = Kitchen::new(&lines(0..20));
    let lock = Lock::take(&kitchen.out(), &mut || Ok(())).unwrap();
    let begin = Instant::now();
    let mut waits = 0;
    let stopped = prepare(&kitchen.request(), &mut |now: Progress| {
        waits += u32::from(now.stage == Stage::Wait);
        match waits {
            5 => Err(Error::Interrupted),
            _ => Ok(()),
        }
    });
    assert!(matches!(stopped.map(|_| ()), Err(Error::Interrupted)));
    assert!(begin.elapsed() < Duration::from_secs(10));

    let (told, waiting) = mpsc::channel();
    thread::scope(|scope| {
        let second = scope.spawn(|| {
            prepare(&kitchen.request(), &mut |now: Progress| {
                if now.stage == Stage::Wait {
                    told.send(()).unwrap();
                }
                Ok(())
            })
            .map(|(store, report)| (store.len(), report.built))
        });
        waiting.recv_timeout(Duration::from_secs(20)).unwrap();
        drop(lock);
        assert_eq!(second.join().unwrap().unwrap(), (20, true));
    });
}

#[test]
fn a_call_that_builds_nothing_waits_for_nobody_and_reports() {
    let kitchen = Kitchen::new(&lines(0..20));
    kitchen.prepare().unwrap();
    let report = kitchen.out().join("report.json");
    let before = fs::metadata(&report).unwrap().modified().unwrap();
    let lock = Lock::take(&kitchen.out(), &mut || Ok(())).unwrap();
    // While another one writes, nothing is written here and nothing waits.
    assert!(!kitchen.prepare().unwrap().1.built);
    assert_eq!(fs::metadata(&report).unwrap().modified().unwrap(), before);
    drop(lock);
    assert!(!kitchen.prepare().unwrap().1.built);
    assert_eq!(fs::metadata(&report).unwrap().modified().unwrap(), before);
    // One that is lost or is about another store is written anew.
    for other in ["", "{}", "{\"store\": \"b3:0\"}"] {
        fs::write(&report, other).unwrap();
        assert!(!kitchen.prepare().unwrap().1.built);
        let written: serde_json::Value =
            serde_json::from_slice(&fs::read(&report).unwrap()).unwrap();
        assert_eq!(written["built"], false);
        assert_eq!(written["counts"]["kept"], 20);
    }
}
