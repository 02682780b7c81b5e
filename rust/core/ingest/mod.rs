//! Ingest: raw files to records, one at a time.
//!
//! 1. [`expand`] turns globs into paths, and [`detect`] says what stands at a path (`source`): a file, a directory, an
//!    archive; `detect` tells a file's format by its name and its first bytes.
//! 2. [`read`] opens it (`open`: decompression, by magic bytes), and hands its bytes to the
//!    reader of its format (`jsonl`, `array`, `document`, `csv`, `parquet`) through a `window`, which knows the
//!    line and keeps no more than about one record in memory. They only cut: each gives [`Raw`] records.
//! 3. [`Raw::parse`], on any thread, makes a [`Record`](crate::recipe::Record) of what the file spells, or says why
//!    not: `json` and `value` read the fields that `names` knows, `items` the lists in them (`entry`: objects; those spelt as text by `spelling` and `literal`), `record` puts them together.
//!
//! A record that cannot be read is given to the caller as a bad one, with its place and the reason,
//! and the next one follows. Only what makes the rest of a file unreadable (a broken archive, a
//! syntax error inside a JSON array) is an error.

mod array;
mod blocks;
mod csv;
mod detect;
mod document;
mod entry;
mod headings;
mod inline;
mod items;
mod json;
mod jsonl;
mod literal;
mod markdown;
mod names;
mod numbers;
mod open;
mod parquet;
mod raw;
mod record;
mod source;
mod spelling;
mod value;
mod window;

use std::fmt;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};
use crate::recipe::{BadRecord, Place, Position, Read};
use array::Shape;
use detect::Family;
use source::Kind;
use window::Window;

pub use markdown::{page, whole_page};
pub use names::Names;
pub use raw::Raw;
pub use source::{Source, detect, expand};

/// A record that was cut out of its file, or why it could not be.
pub type Cut = std::result::Result<Raw, BadRecord>;

/// Where the readers of one file give what they cut out.
type Sink<'a> = dyn FnMut(Position, Cut) -> Result<()> + 'a;

/// How the records of a file are written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Format {
    /// One JSON object a line.
    JsonLines,
    /// One JSON array of objects.
    JsonArray,
    /// One JSON object with a record under each key.
    JsonObject,
    /// One JSON object that is a record, or a JSON-LD document.
    JsonDocument,
    /// A table whose cells end with this byte.
    Csv(u8),
    Parquet,
    Markdown,
    Tar,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::JsonLines => "JSON Lines",
            Format::JsonArray => "JSON array",
            Format::JsonObject => "JSON object of records",
            Format::JsonDocument => "JSON document",
            Format::Csv(b'\t') => "TSV",
            Format::Csv(b';') => "CSV with semicolons",
            Format::Csv(_) => "CSV",
            Format::Parquet => "Parquet",
            Format::Markdown => "Markdown",
            Format::Tar => "tar",
        })
    }
}

/// How the bytes of a file are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Compression {
    None,
    Gzip,
    Zstd,
    Xz,
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Compression::None => "uncompressed",
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
            Compression::Xz => "xz",
        })
    }
}

/// A file of which is counted what was read.
struct Watched<'a> {
    file: File,
    seen: &'a AtomicU64,
}

impl io::Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.file.read(buffer)?;
        self.seen.fetch_add(bytes as u64, Ordering::Relaxed);
        Ok(bytes)
    }
}

/// Gives every record of `source` to `sink`, in the source's order, with its place: cut out and not parsed, or bad
/// where it could not even be cut. One pass; memory is bounded by one record (at most 64 MiB, longer ones are bad).
///
/// # Errors
/// The first error of `sink`, unchanged; `Error::NotFound` and `Error::Io` of the file;
/// `Error::Source` where nothing after a place can be read: a
/// damaged or cut-off archive, a syntax error inside a JSON array, a CSV header without the columns.
pub fn read(
    source: &Source,
    names: &Names,
    sink: &mut dyn FnMut(Place, Cut) -> Result<()>,
) -> Result<()> {
    read_watched(source, names, &AtomicU64::new(0), sink)
}

/// [`read`], which adds to `seen` how many bytes of the files, packed as they are, it has read. Of a Parquet file, which
/// is not read from its beginning to its end, it adds none.
///
/// # Errors
/// Those of [`read`].
pub fn read_watched(
    source: &Source,
    names: &Names,
    seen: &AtomicU64,
    sink: &mut dyn FnMut(Place, Cut) -> Result<()>,
) -> Result<()> {
    let watched = |path| open::file(path).map(|file| Watched { file, seen });
    match &source.kind {
        Kind::File { format, .. } => {
            let mut sink = placed(None, sink);
            match format {
                Format::Parquet => {
                    parquet::read(&source.path, open::file(&source.path)?, names, &mut sink)
                }
                format => {
                    let window = Window::unpacking(&source.path, watched(&source.path)?)?;
                    read_window(window, *format, names, &mut sink)
                }
            }
        }
        Kind::Directory { files, .. } => files.iter().try_for_each(|member| match member.family {
            Family::Parquet => {
                let mut sink = placed(Some(&member.name), sink);
                parquet::read(&member.path, open::file(&member.path)?, names, &mut sink)
            }
            _ => {
                let window = Window::unpacking(&member.path, watched(&member.path)?)?;
                read_member(window, &member.name, names, sink)
            }
        }),
        Kind::Tar { .. } => {
            let window = Window::unpacking(&source.path, watched(&source.path)?)?;
            let mut archive = tar::Archive::new(window.into_reader());
            let bad = |e| archive_error(&source.path, &e);
            for entry in archive.entries().map_err(bad)? {
                let entry = entry.map_err(bad)?;
                let name = entry.path().map_err(bad)?.into_owned();
                if !entry.header().entry_type().is_file()
                    || matches!(source::member_family(&name), None | Some(Family::Parquet))
                {
                    continue;
                }
                let window = Window::unpacking(&source.path.join(&name), entry)?;
                read_member(window, &name.to_string_lossy().into(), names, sink)?;
            }
            Ok(())
        }
    }
}

/// [`read`], parsed at once.
///
/// # Errors
/// As [`read`].
pub fn records(
    source: &Source,
    names: &Names,
    sink: &mut dyn FnMut(Read) -> Result<()>,
) -> Result<()> {
    read(source, names, &mut |place, cut| {
        sink((place, cut.and_then(|raw| raw.parse(names))))
    })
}

/// [`records`] of a file that is in memory; its name tells what it is, as for a file of an archive.
///
/// # Errors
/// As [`detect`] and [`read`], with `name` as the path.
pub fn records_of_bytes(
    name: &Path,
    bytes: &[u8],
    names: &Names,
    sink: &mut dyn FnMut(Read) -> Result<()>,
) -> Result<()> {
    let mut window = Window::unpacking(name, bytes)?;
    let format = detect::format(&mut window, name, names)?;
    let mut sink = |place, cut: Cut| sink((place, cut.and_then(|raw| raw.parse(names))));
    read_window(window, format, names, &mut placed(None, &mut sink))
}

/// `sink` for the records of one file.
fn placed<'a>(
    file: Option<&'a Arc<str>>,
    sink: &'a mut dyn FnMut(Place, Cut) -> Result<()>,
) -> impl FnMut(Position, Cut) -> Result<()> + 'a {
    move |position, cut| {
        let file = file.cloned();
        sink(Place { file, position }, cut)
    }
}

/// Reads a file of a directory or archive. One that is no use as a whole is a bad record.
fn read_member(
    mut window: Window,
    name: &Arc<str>,
    names: &Names,
    sink: &mut dyn FnMut(Place, Cut) -> Result<()>,
) -> Result<()> {
    let mut sink = placed(Some(name), sink);
    let path = window.path().to_owned();
    match detect::format(&mut window, &path, names) {
        Ok(format) => read_window(window, format, names, &mut sink),
        Err(Error::Source { reason, .. }) => sink(window.position(0), Err(BadRecord { reason })),
        Err(error) => Err(error),
    }
}

fn read_window(mut window: Window, format: Format, names: &Names, sink: &mut Sink) -> Result<()> {
    match format {
        Format::JsonLines => jsonl::read(&mut window, sink),
        Format::JsonArray => array::read(&mut window, Shape::Array, sink),
        Format::JsonObject => array::read(&mut window, Shape::Object, sink),
        Format::JsonDocument => document::read_json(&mut window, names, sink),
        Format::Markdown => document::read_page(&mut window, sink),
        Format::Csv(delimiter) => csv::read(&mut window, delimiter, names, sink),
        Format::Parquet | Format::Tar => Err(window.error(format!(
            "{format} cannot be read inside a packed file or an archive: unpack it"
        ))),
    }
}

/// An error of the tar at `path`, or of the bytes it lies in.
fn archive_error(path: &Path, error: &io::Error) -> Error {
    Error::Source {
        path: path.to_owned(),
        reason: format!("the archive cannot be read: {error}: fetch or pack it again"),
    }
}
