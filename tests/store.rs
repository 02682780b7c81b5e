//! A store gives back what was put in, is named by its content, and notices every change on the disk.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::fs;
use std::path::Path;

use chefgenius::Error;
use chefgenius::fingerprint::Fingerprint;
use chefgenius::store::TokenStore;
use common::{origin, record, store, writer};
use proptest::prelude::*;

const FILES: [&str; 5] = [
    "manifest.json",
    "origin.json",
    "blocks.bin",
    "shard-00000.safetensors",
    "tokenizer.json",
];

/// Opens the store and reads all of it.
fn read_all(path: &Path) -> chefgenius::Result<()> {
    let store = TokenStore::open(path)?;
    (0..store.len()).try_for_each(|r| store.ids(r).map(drop))?;
    store.verify()
}

#[test]
fn records_come_back_as_they_went_in() {
    for vocab in [1000, 70_000] {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path(), 300, vocab);
        assert_eq!(store.len(), 300);
        for r in 0..300 {
            let expected = record(r as u64, vocab.into());
            let (prompt, target) = store.ids(r).unwrap();
            assert_eq!(prompt.to_vec(), expected.prompt);
            assert_eq!(target.to_vec(), expected.target);
            assert_eq!(store.lengths(r).unwrap(), (prompt.len(), target.len()));
            let info = store.info(r).unwrap();
            assert_eq!(info.quality.to_bits(), expected.quality.to_bits());
            assert_eq!(info.split_key, expected.split_key);
            assert_eq!(
                (info.source, info.ordinal),
                (expected.source, expected.ordinal)
            );
            assert_eq!(store.survival(r).unwrap(), expected.survival);
        }
        let mut digests = Vec::new();
        store
            .for_each_digest(|_, digest| digests.push(digest))
            .unwrap();
        assert_eq!(digests[7], record(7, vocab.into()).text_digest);
        store.verify().unwrap();
        assert!(matches!(
            store.ids(300),
            Err(Error::Argument {
                name: "record_id",
                ..
            })
        ));
    }
}

#[test]
fn the_same_content_has_the_same_name_wherever_it_lies() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (first, second) = (store(a.path(), 50, 1000), store(b.path(), 50, 1000));
    assert_eq!(first.fingerprint(), second.fingerprint());
    assert_eq!(first.path().file_name(), second.path().file_name());
    let other = store(b.path(), 51, 1000);
    assert_ne!(first.fingerprint(), other.fingerprint());
    // The newer one is in use, the older one still opens by its own path.
    assert_eq!(TokenStore::open(b.path()).unwrap().len(), 51);
    assert_eq!(TokenStore::open(second.path()).unwrap().len(), 50);
}

#[test]
fn a_build_that_is_dropped_or_killed_leaves_the_former_store() {
    let dir = tempfile::tempdir().unwrap();
    store(dir.path(), 50, 1000);
    let before = listing(dir.path());
    let mut build = writer(dir.path(), 1000);
    build.push(&record(1, 1000)).unwrap();
    drop(build);
    assert_eq!(listing(dir.path()), before);
    // What a killed writer leaves is taken away by the next one.
    fs::create_dir(dir.path().join(".building")).unwrap();
    fs::write(
        dir.path().join(".building/shard-00000.safetensors"),
        b"half",
    )
    .unwrap();
    store(dir.path(), 50, 1000);
    assert_eq!(listing(dir.path()), before);
    assert_eq!(TokenStore::open(dir.path()).unwrap().len(), 50);
}

fn listing(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn publishing_again_replaces_a_bad_store_and_keeps_a_good_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = store(dir.path(), 50, 1000).path().to_owned();
    let shard = path.join("shard-00000.safetensors");
    let good = fs::read(&shard).unwrap();
    let mut bad = good.clone();
    *bad.last_mut().unwrap() ^= 1;
    fs::write(&shard, &bad).unwrap();
    store(dir.path(), 50, 1000).verify().unwrap();
    assert_eq!(fs::read(&shard).unwrap(), good);
    let aside = path.with_extension("bad-1");
    assert_eq!(
        fs::read(aside.join("shard-00000.safetensors")).unwrap(),
        bad
    );
}

#[test]
fn one_flipped_bit_anywhere_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let path = store(dir.path(), 40, 1000).path().to_owned();
    let mut flips = 0;
    for file in FILES {
        let file = path.join(file);
        let good = fs::read(&file).unwrap();
        let stride = (good.len() / 170).max(1);
        for at in (0..good.len()).step_by(stride) {
            let mut bad = good.clone();
            bad[at] ^= 1 << (at % 8);
            fs::write(&file, &bad).unwrap();
            let error = read_all(dir.path()).unwrap_err();
            assert!(
                matches!(error, Error::Store { .. }),
                "{}: {error}",
                file.display()
            );
            flips += 1;
        }
        fs::write(&file, &good).unwrap();
    }
    read_all(dir.path()).unwrap();
    assert!(flips >= 500, "{flips}");
}

#[test]
fn a_block_is_checked_when_it_is_first_touched() {
    let dir = tempfile::tempdir().unwrap();
    let path = store(dir.path(), 2000, 1000).path().to_owned();
    let shard = path.join("shard-00000.safetensors");
    let mut bytes = fs::read(&shard).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&shard, &bytes).unwrap();
    let store = TokenStore::open(&path).unwrap();
    store.ids(0).unwrap();
    assert!(matches!(store.ids(1999), Err(Error::Store { .. })));
    store.ids(0).unwrap();
}

#[test]
fn what_is_no_store_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(
        TokenStore::open(dir.path()),
        Err(Error::NotFound { .. })
    ));
    assert!(matches!(
        TokenStore::open(&dir.path().join("none")),
        Err(Error::NotFound { .. })
    ));
    fs::write(dir.path().join("current"), "../elsewhere\n").unwrap();
    assert!(matches!(
        TokenStore::open(dir.path()),
        Err(Error::Store { .. })
    ));
    fs::write(dir.path().join("current"), "store-0123456789abcdef\n").unwrap();
    assert!(matches!(
        TokenStore::open(dir.path()),
        Err(Error::Store { .. })
    ));
    fs::write(dir.path().join("manifest.json"), "{}").unwrap();
    assert!(matches!(
        TokenStore::open(dir.path()),
        Err(Error::Store { .. })
    ));
    let real = tempfile::tempdir().unwrap();
    let path = store(real.path(), 5, 1000).path().to_owned();
    let shard = path.join("shard-00000.safetensors");
    let bytes = fs::read(&shard).unwrap();
    for cut in [0, 7, bytes.len() / 2, bytes.len() - 1] {
        fs::write(&shard, &bytes[..cut]).unwrap();
        assert!(
            matches!(TokenStore::open(&path), Err(Error::Store { .. })),
            "{cut}"
        );
    }
    fs::remove_file(&shard).unwrap();
    assert!(matches!(TokenStore::open(&path), Err(Error::Store { .. })));
}

#[test]
fn a_store_of_another_version_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let path = store(dir.path(), 5, 1000).path().join("manifest.json");
    let text = fs::read_to_string(&path).unwrap();
    let (body, _) = text.rsplit_once(",\n  \"blake3\"").unwrap();
    // As the first version had it: without `respell`.
    let body = body.replace("chefgenius.store/2", "chefgenius.store/1");
    let body = body.replace("    \"respell\": true,\n", "");
    let name = Fingerprint::of(body.as_bytes());
    fs::write(&path, format!("{body},\n  \"blake3\": \"{name}\"\n}}\n")).unwrap();
    match TokenStore::open(dir.path()).map(|_| ()) {
        Err(Error::Store { reason, .. }) => {
            assert!(reason.contains("`chefgenius.store/1`"), "{reason}");
            assert!(reason.contains("run `prepare` again"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_empty_store_opens_and_is_empty() {
    let dir = tempfile::tempdir().unwrap();
    let store = writer(dir.path(), 1000).publish(&origin(0)).unwrap();
    assert!(store.is_empty());
    store.verify().unwrap();
}

proptest! {
    #![proptest_config(common::cases(200))]

    /// A stranger's files crash nothing: any bytes in place of any file are an error or the same store.
    #[test]
    fn any_bytes_are_refused_without_a_panic(which in 0usize..5, bytes: Vec<u8>) {
        let dir = tempfile::tempdir().unwrap();
        let path = store(dir.path(), 3, 1000).path().to_owned();
        let file = FILES[which];
        fs::write(path.join(file), bytes).unwrap();
        prop_assert!(read_all(&path).is_err());
    }
}
