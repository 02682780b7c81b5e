//! Files that outlive a power failure, names that are exchanged in one step, and the hash of every byte of a file.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{CWD, OFlags, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::error::{Error, Result};

/// Bytes that are hashed and written while they are in the cache.
const PIECE: usize = 1 << 20;
/// How many pieces go by between two calls of `check`.
const PIECES_A_CHECK: usize = 64;

/// Writes a file's content, or a directory's entries, through to the disk.
pub fn sync(path: &Path) -> Result<()> {
    File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(|e| Error::io(path, "sync", e))
}

/// Writes a file, through to the disk.
pub fn write_through(path: &Path, bytes: &[u8]) -> Result<()> {
    let write = |mut file: File| {
        file.write_all(bytes)?;
        file.sync_all()
    };
    File::create(path)
        .and_then(write)
        .map_err(|e| Error::io(path, "write", e))
}

/// Writes a file that was not there, through to the disk; its size in bytes and the hash of what was written.
///
/// `check` is called before the first and after every 64 MiB, and its error ends the work. Errors: that one, or the
/// system's, also when something stands there; a file that was begun stays.
pub fn write_new(
    path: &Path,
    chunks: &[&[u8]],
    mut check: impl FnMut() -> Result<()>,
) -> Result<(u64, blake3::Hash)> {
    let fail = |source| Error::Io {
        path: path.to_owned(),
        action: "write",
        source,
    };
    let new = OpenOptions::new().write(true).create_new(true).open(path);
    let mut file = new.map_err(fail)?;
    let (mut hasher, mut size) = (blake3::Hasher::new(), 0);
    let pieces = chunks.iter().flat_map(|chunk| chunk.chunks(PIECE));
    for (number, piece) in pieces.enumerate() {
        if number % PIECES_A_CHECK == 0 {
            check()?;
        }
        hasher.update(piece);
        file.write_all(piece).map_err(fail)?;
        size += piece.len() as u64;
    }
    file.sync_all().map_err(fail)?;
    Ok((size, hasher.finalize()))
}

/// Exchanges what two names on one file system stand for, in one step; false, with nothing done, where the file system
/// knows no such step.
///
/// Errors: the system's, also when one of them is missing.
pub fn exchange(one: &Path, other: &Path) -> Result<bool> {
    match renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE) {
        Ok(()) => Ok(true),
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => Ok(false),
        Err(e) => Err(Error::io(one, "rename", e.into())),
    }
}

/// The hash of a file's bytes up to its end, wherever that is by then. Follows no symbolic link and waits for no pipe.
///
/// `check` as for [`write_new`]. Errors: that one, or the system's.
pub fn hash_file(path: &Path, mut check: impl FnMut() -> Result<()>) -> Result<blake3::Hash> {
    let fail = |source| Error::Io {
        path: path.to_owned(),
        action: "read",
        source,
    };
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path);
    let mut file = opened.map_err(fail)?;
    let (mut hasher, mut buffer) = (blake3::Hasher::new(), vec![0; PIECE]);
    for number in 0.. {
        if number % PIECES_A_CHECK == 0 {
            check()?;
        }
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => {
                hasher.update(&buffer[..length]);
            }
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(fail(e)),
        }
    }
    Ok(hasher.finalize())
}
