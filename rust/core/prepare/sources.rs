//! The files that a store is made of, in the order of their numbers.
//!
//! 1. [`describe`] finds them and says what they are, without reading them through.
//! 2. [`hash`] names their content. A file of which name, size, times and inode are those of the former store's source
//!    has its content too, as git's index has it; all others are read.
//! 3. [`check_unchanged`], after they were read, finds the one that was written to meanwhile.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::error::{Error, Result};
use crate::fingerprint::Fingerprint;
use crate::ingest::{self, Source};
use crate::store::{Counts, SourcePart};

/// A file that changed more recently than this may change again without another time: some disks count in seconds.
const SETTLED: Duration = Duration::from_secs(2);
/// Read between two looks up.
const PIECE: usize = 4 << 20;

/// A source before it is read.
pub(super) struct Given {
    pub(super) source: Source,
    /// As the caller spelt it, or as a glob found it.
    pub(super) name: String,
    pub(super) bytes: u64,
    modified: u64,
    /// Names size, times and inode of every file.
    stamp: Fingerprint,
    is_settled: bool,
}

/// What is at these paths, sorted by name.
///
/// # Errors
/// [`Error::Argument`] where none is named, or one twice; those of `ingest::detect`.
pub(super) fn describe(paths: &[PathBuf]) -> Result<Vec<Given>> {
    if paths.is_empty() {
        return Err(Error::Argument {
            name: "sources",
            reason: "no file is named".into(),
        });
    }
    let mut names: Vec<(PathBuf, String)> = ingest::expand(paths)?
        .into_iter()
        .map(|path| {
            let name = path.to_string_lossy().into_owned();
            (path, name)
        })
        .collect();
    names.sort_by(|a, b| a.1.as_bytes().cmp(b.1.as_bytes()));
    let mut seen = HashSet::new();
    names
        .into_iter()
        .map(|(path, name)| {
            if !seen.insert(name.clone()) {
                return Err(Error::Argument {
                    name: "sources",
                    reason: format!("`{name}` is named twice"),
                });
            }
            let source = ingest::detect(&path)?;
            let look = Look::at(&source)?;
            Ok(Given {
                source,
                name,
                bytes: look.bytes,
                modified: nanoseconds(look.modified),
                stamp: look.stamp,
                is_settled: SystemTime::now()
                    .duration_since(look.modified)
                    .is_ok_and(|age| age > SETTLED),
            })
        })
        .collect()
}

/// What the directory entries of a source say.
struct Look {
    bytes: u64,
    /// The last change of content or entry.
    modified: SystemTime,
    stamp: Fingerprint,
}

impl Look {
    fn at(source: &Source) -> Result<Self> {
        let mut hasher = blake3::Hasher::new();
        let (mut bytes, mut modified) = (0, UNIX_EPOCH);
        for path in source.files() {
            let entry = fs::metadata(path).map_err(|e| Error::io(path, "read", e))?;
            bytes += entry.len();
            let changed = [
                (entry.mtime(), entry.mtime_nsec()),
                (entry.ctime(), entry.ctime_nsec()),
            ];
            for (seconds, nanoseconds) in changed {
                hasher.update(&seconds.to_le_bytes());
                hasher.update(&nanoseconds.to_le_bytes());
                let age = Duration::new(
                    u64::try_from(seconds).unwrap_or(0),
                    u32::try_from(nanoseconds).unwrap_or(0),
                );
                modified = modified.max(UNIX_EPOCH + age);
            }
            hasher.update(&entry.len().to_le_bytes());
            hasher.update(&entry.ino().to_le_bytes());
            name_of(path, &mut hasher);
        }
        Ok(Look {
            bytes,
            modified,
            stamp: Fingerprint::of_hash(&hasher.finalize()),
        })
    }
}

fn nanoseconds(time: SystemTime) -> u64 {
    let age = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(age.as_nanos()).unwrap_or(u64::MAX)
}

/// Adds a file's name, so that no two lists of names look the same.
fn name_of(path: &Path, hasher: &mut blake3::Hasher) {
    let name = path.as_os_str().as_encoded_bytes();
    hasher.update(&(name.len() as u64).to_le_bytes());
    hasher.update(name);
}

/// What the store is to say of each source. `read` is called now and then with the bytes read since the last time.
///
/// # Errors
/// A file cannot be read; what `read` says.
pub(super) fn hash(
    given: &[Given],
    former: &[SourcePart],
    read: &mut dyn FnMut(u64) -> Result<()>,
) -> Result<Vec<SourcePart>> {
    given
        .iter()
        .map(|given| {
            let format = given.source.to_string();
            let stamp = given.is_settled.then(|| given.stamp.clone());
            let known = former.iter().find(|part| {
                part.name == given.name
                    && part.format == format
                    && stamp.is_some()
                    && part.stamp == stamp
            });
            let blake3 = match known {
                Some(part) => part.blake3.clone(),
                None => content(&given.source, read)?,
            };
            Ok(SourcePart {
                name: given.name.clone(),
                format,
                bytes: given.bytes,
                modified: given.modified,
                stamp,
                blake3,
                counts: Counts::default(),
            })
        })
        .collect()
}

/// Names the bytes of a file, or the names and bytes of the files of a directory.
fn content(source: &Source, read: &mut dyn FnMut(u64) -> Result<()>) -> Result<Fingerprint> {
    let files = source.files();
    let mut hasher = blake3::Hasher::new();
    let mut piece = vec![0; PIECE];
    for path in &files {
        if *path != source.path {
            let name = path.strip_prefix(&source.path).unwrap_or(path);
            name_of(name, &mut hasher);
            let size = fs::metadata(path)
                .map_err(|e| Error::io(path, "read", e))?
                .len();
            hasher.update(&size.to_le_bytes());
        }
        let mut file = File::open(path).map_err(|e| Error::io(path, "open", e))?;
        loop {
            let bytes = file
                .read(&mut piece)
                .map_err(|e| Error::io(path, "read", e))?;
            if bytes == 0 {
                break;
            }
            hasher.update_rayon(&piece[..bytes]);
            read(bytes as u64)?;
        }
    }
    Ok(Fingerprint::of_hash(&hasher.finalize()))
}

/// Errors: the source was written to since [`describe`] looked at it.
pub(super) fn check_unchanged(given: &Given) -> Result<()> {
    if Look::at(&given.source)?.stamp == given.stamp {
        return Ok(());
    }
    Err(Error::Source {
        path: given.source.path.clone(),
        reason: "it was written to while it was read: run `prepare` again once that has ended"
            .into(),
    })
}

/// Whether `source` has the content that a store was made of: its files' names, sizes, times and inodes say so, or else
/// their bytes, which `read` is told of.
///
/// # Errors
/// A file cannot be read; what `read` says.
pub(super) fn is_still(
    part: &SourcePart,
    source: &Source,
    read: &mut dyn FnMut(u64) -> Result<()>,
) -> Result<bool> {
    let look = Look::at(source)?;
    if part.bytes != look.bytes || part.format != source.to_string() {
        return Ok(false);
    }
    Ok(part.stamp.as_ref() == Some(&look.stamp) || content(source, read)? == part.blake3)
}

/// Whether a store was made of these very files.
pub(super) fn are_same(former: &[SourcePart], now: &[SourcePart]) -> bool {
    former.len() == now.len()
        && former
            .iter()
            .zip(now)
            .all(|(a, b)| a.name == b.name && a.format == b.format && a.blake3 == b.blake3)
}
