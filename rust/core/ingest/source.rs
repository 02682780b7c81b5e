//! What the user named: a file, a directory of files, or an archive of them.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Result};

use super::detect::{self, Family, SUPPORTED};
use super::names::Names;
use super::window::Window;
use super::{Compression, Format};

/// A source of records, and what it is. Displays as `JSON Lines, xz`, `369 files: Markdown`, `Markdown in tar, xz`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    pub path: PathBuf,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    File {
        format: Format,
        compression: Compression,
    },
    Directory {
        /// In byte order of their names.
        files: Vec<Member>,
        /// Files that are hidden, of no known extension, or about the collection, and links to nothing.
        skipped: usize,
    },
    Tar {
        /// What its first file of a known extension is.
        holds: Family,
        compression: Compression,
    },
}

/// A file of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    /// Relative to the directory.
    pub(super) name: Arc<str>,
    pub(super) path: PathBuf,
    pub(super) family: Family,
}

impl Source {
    /// The files that it is read from: itself, or those of the directory, in the order of reading.
    #[must_use]
    pub fn files(&self) -> Vec<&Path> {
        match &self.kind {
            Kind::Directory { files, .. } => files.iter().map(|file| file.path.as_path()).collect(),
            _ => vec![&self.path],
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let packed = match &self.kind {
            Kind::File {
                format,
                compression,
            } => {
                write!(f, "{format}")?;
                compression
            }
            Kind::Directory { files, skipped } => {
                let families: BTreeSet<Family> = files.iter().map(|file| file.family).collect();
                let families: Vec<&str> = families.into_iter().map(Family::name).collect();
                let plural = if files.len() == 1 { "" } else { "s" };
                write!(f, "{} file{plural}: {}", files.len(), families.join(", "))?;
                if *skipped > 0 {
                    write!(f, " ({skipped} skipped)")?;
                }
                &Compression::None
            }
            Kind::Tar { holds, compression } => {
                write!(f, "{} in tar", holds.name())?;
                compression
            }
        };
        match packed {
            Compression::None => Ok(()),
            packed => write!(f, ", {packed}"),
        }
    }
}

/// Says what stands at `path`. Reads the beginning of a file, the names in a directory, and of a tar as much as
/// it takes to find its first file of a known extension.
///
/// The compression is what the magic bytes tell. The format is what the extension tells, after
/// the compression's was taken off; a `.json` file, or one without an extension, may be an array, an object or
/// JSON Lines, which its beginning decides.
///
/// # Errors
/// `Error::NotFound`; `Error::Io`; `Error::Source` for a file that is empty, of an unknown
/// format (the message names the supported ones), or damaged where it begins, and for a directory or archive
/// without a file of a known extension.
pub fn detect(path: &Path) -> Result<Source> {
    let bad = |reason: String| Error::Source {
        path: path.to_owned(),
        reason,
    };
    let found = std::fs::metadata(path).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => Error::NotFound {
            path: path.to_owned(),
            what: "source",
        },
        _ => Error::io(path, "open", e),
    })?;
    let kind = if found.is_dir() {
        directory(path)?
    } else if !found.is_file() {
        // A pipe would be waited for.
        return Err(bad("it is no plain file: save its content in one".into()));
    } else {
        let mut window = Window::open(path)?;
        let compression = window.compression();
        let format = detect::format(&mut window, path, &Names::default())?;
        match format {
            Format::Tar => Kind::Tar {
                holds: first_family(window)?,
                compression,
            },
            Format::Parquet if compression != Compression::None => {
                return Err(bad(format!(
                    "it is Parquet packed with {compression}, which cannot be read in pieces: unpack it"
                )));
            }
            format => Kind::File {
                format,
                compression,
            },
        }
    };
    Ok(Source {
        path: path.to_owned(),
        kind,
    })
}

/// The files in and under a directory. Links are followed, but not in a circle.
fn directory(path: &Path) -> Result<Kind> {
    let mut files = Vec::new();
    let mut skipped = 0;
    for entry in walkdir::WalkDir::new(path).follow_links(true) {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) if error.loop_ancestor().is_some() || is_dangling(&error) => {
                skipped += 1;
                continue;
            }
            Err(error) => {
                let at = error.path().unwrap_or(path).to_owned();
                return Err(match error.into_io_error() {
                    Some(source) => Error::io(&at, "read", source),
                    None => Error::Source {
                        path: at,
                        reason: "it cannot be walked through: name its files".into(),
                    },
                });
            }
        };
        if !entry.file_type().is_file() {
            continue;
        }
        let name = entry.path().strip_prefix(path).unwrap_or(entry.path());
        match member_family(name) {
            Some(family) => files.push(Member {
                name: name.to_string_lossy().into(),
                path: entry.path().to_owned(),
                family,
            }),
            None => skipped += 1,
        }
    }
    files.sort_by(|a, b| {
        let bytes = |member: &Member| member.path.as_os_str().as_encoded_bytes().to_vec();
        bytes(a).cmp(&bytes(b))
    });
    match files.is_empty() {
        false => Ok(Kind::Directory { files, skipped }),
        true => Err(Error::Source {
            path: path.to_owned(),
            reason: format!(
                "the directory holds no file of a known extension ({skipped} others): {SUPPORTED}"
            ),
        }),
    }
}

/// Whether a walk met a link below its root whose target is not there.
fn is_dangling(error: &walkdir::Error) -> bool {
    let is_absent = |io: &std::io::Error| io.kind() == std::io::ErrorKind::NotFound;
    error.depth() > 0
        && error.io_error().is_some_and(is_absent)
        && error.path().is_some_and(Path::is_symlink)
}

/// Markdown files that tell of the collection.
const ABOUT: [&str; 5] = ["license", "licence", "copying", "contributing", "changelog"];

/// What a file of a directory or archive is; `None` where it is to be left out: hidden, of no known extension, or
/// about the collection (`LICENSE.md`).
pub(super) fn member_family(name: &Path) -> Option<Family> {
    let is_hidden = |part: std::path::Component| matches!(part, std::path::Component::Normal(part) if part.as_encoded_bytes().starts_with(b"."));
    let stem = name.file_stem().map(|stem| stem.to_ascii_lowercase());
    let is_about = stem.is_some_and(|stem| ABOUT.iter().any(|about| stem == *about));
    match detect::family(name) {
        Some(Family::Tar) | None => None,
        Some(Family::Markdown) if is_about => None,
        Some(_) if name.components().any(is_hidden) => None,
        known => known,
    }
}

/// The family of the first file in a tar that is one of ours.
fn first_family(window: Window) -> Result<Family> {
    let path = window.path().to_owned();
    let mut archive = tar::Archive::new(window.into_reader());
    let bad = |e| super::archive_error(&path, &e);
    for entry in archive.entries().map_err(bad)? {
        let entry = entry.map_err(bad)?;
        let name = entry.path().map_err(bad)?;
        if entry.header().entry_type().is_file()
            && let Some(family) = member_family(&name)
            && family != Family::Parquet
        {
            return Ok(family);
        }
    }
    Err(Error::Source {
        path,
        reason: format!("the archive holds no file of a known extension: {SUPPORTED}"),
    })
}

/// The paths that were named, with globs (`*`, `?`, `[`, `**`) in place of which their matches stand, in byte order.
/// A path that exists is itself, whatever it is spelt like.
///
/// # Errors
/// `Error::NotFound` for a glob without a match; `Error::Argument` of `sources` for one that is malformed;
/// `Error::Io`. A plain path that does not exist is [`detect`]'s matter.
pub fn expand(given: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::with_capacity(given.len());
    for path in given {
        let pattern = match path.to_str() {
            Some(text) if text.contains(['*', '?', '[']) && !path.exists() => text,
            _ => {
                paths.push(path.clone());
                continue;
            }
        };
        let options = glob::MatchOptions {
            require_literal_leading_dot: true,
            ..glob::MatchOptions::default()
        };
        let matches = glob::glob_with(pattern, options).map_err(|e| Error::Argument {
            name: "sources",
            reason: format!(
                "`{pattern}` is no pattern: {}: quote a bracket as `[[]`",
                e.msg
            ),
        })?;
        let before = paths.len();
        for found in matches {
            let found = found.map_err(|e| {
                let path = e.path().to_owned();
                Error::io(&path, "read", e.into())
            })?;
            paths.push(found);
        }
        if paths.len() == before {
            return Err(Error::NotFound {
                path: path.clone(),
                what: "pattern",
            });
        }
        paths[before..].sort_by(|a, b| {
            a.as_os_str()
                .as_encoded_bytes()
                .cmp(b.as_os_str().as_encoded_bytes())
        });
    }
    Ok(paths)
}
