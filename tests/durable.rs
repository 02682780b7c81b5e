//! Files through to the disk, and the hash of every byte.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;

use chefgenius::Error;
use chefgenius::durable::{exchange, hash_file, write_new};
use tempfile::TempDir;

fn go_on() -> chefgenius::Result<()> {
    Ok(())
}

#[test]
fn the_hash_is_that_of_all_chunks_in_turn() {
    let folder = TempDir::new().unwrap();
    let bytes: Vec<u8> = (0..3_000_001_u32).map(|n| (n % 251) as u8).collect();
    for (number, cut) in [0, 1, 1 << 20, 2_999_999, 3_000_001]
        .into_iter()
        .enumerate()
    {
        let path = folder.path().join(number.to_string());
        let (left, right) = bytes.split_at(cut);
        let (size, hash) = write_new(&path, &[left, &[], right], go_on).unwrap();
        assert_eq!((size, hash), (3_000_001, blake3::hash(&bytes)));
        assert!(fs::read(&path).unwrap() == bytes);
        assert_eq!(hash_file(&path, go_on).unwrap(), hash);
    }
}

#[test]
fn what_stands_there_is_left_alone() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a");
    fs::write(&path, "old").unwrap();
    let error = write_new(&path, &[b"new"], go_on).unwrap_err();
    assert!(
        matches!(error, Error::Io { source, .. } if source.kind() == io::ErrorKind::AlreadyExists)
    );
    assert_eq!(fs::read(&path).unwrap(), b"old");
}

#[test]
fn a_caller_who_asks_to_stop_is_heard() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a");
    let bytes = vec![7; 65 << 20];
    let mut calls = 0;
    let stopped = write_new(&path, &[&bytes], || {
        calls += 1;
        match calls {
            1 => Ok(()),
            _ => Err(Error::Interrupted),
        }
    });
    assert!(matches!(stopped, Err(Error::Interrupted)));
    assert_eq!(fs::metadata(&path).unwrap().len(), 64 << 20);
    let stopped = hash_file(&path, || Err(Error::Interrupted));
    assert!(matches!(stopped, Err(Error::Interrupted)));
}

#[test]
fn no_link_is_followed() {
    let folder = TempDir::new().unwrap();
    let (path, link) = (folder.path().join("a"), folder.path().join("link"));
    fs::write(&path, "x").unwrap();
    symlink(&path, &link).unwrap();
    assert!(hash_file(&path, go_on).is_ok());
    assert!(matches!(hash_file(&link, go_on), Err(Error::Io { .. })));
    assert!(hash_file(&folder.path().join("none"), go_on).is_err());
}

#[test]
fn two_names_are_exchanged_or_nothing_is_done() {
    let folder = TempDir::new().unwrap();
    let (one, other) = (folder.path().join("one"), folder.path().join("other"));
    fs::create_dir(&one).unwrap();
    fs::create_dir(&other).unwrap();
    fs::write(one.join("a"), "1").unwrap();
    assert!(exchange(&one, &other).unwrap(), "this file system cannot");
    assert!(!one.join("a").exists());
    assert_eq!(fs::read(other.join("a")).unwrap(), b"1");
    fs::remove_dir(&one).unwrap();
    let error = exchange(&other, &one).unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }));
    assert_eq!(fs::read(other.join("a")).unwrap(), b"1");
}
