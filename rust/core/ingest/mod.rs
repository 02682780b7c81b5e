//! Ingest: raw files to records, one at a time.
//!
//! 1. [`detect`] looks at a file's first bytes and its name and says what it is.
//! 2. [`read`] opens it (`open`: decompression, by magic bytes), and hands its bytes to the
//!    reader of its format (`jsonl`, `array`, `csv`) through a `window`, which knows the
//!    line and keeps no more than about one record in memory.
//! 3. `json`, `value` and `record` make a [`Record`](crate::recipe::Record) of what the file spells, or says why not.
//!
//! A record that cannot be read is given to the caller as a bad one, with its line and the reason,
//! and the next one follows. Only what makes the rest of a file unreadable (a broken archive, a
//! syntax error inside a JSON array) is an error.

mod array;
mod csv;
mod detect;
mod json;
mod jsonl;
mod open;
mod record;
mod value;
mod window;

use std::fmt;
use std::path::PathBuf;

use crate::error::Result;
use crate::recipe::Read;
use window::Window;

pub use detect::detect;

/// How the records of a file are written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// One JSON object a line.
    JsonLines,
    /// One JSON array of objects.
    JsonArray,
    /// Comma-separated values in `RecipeNLG`'s columns.
    Csv,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::JsonLines => "JSON Lines",
            Format::JsonArray => "JSON array",
            Format::Csv => "CSV",
        })
    }
}

/// How the bytes of a file are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
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

/// A file of recipes, and what it is. Displays as `JSON Lines, xz`, or `CSV` where it is plain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    pub path: PathBuf,
    pub format: Format,
    pub compression: Compression,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.compression {
            Compression::None => write!(f, "{}", self.format),
            packed => write!(f, "{}, {packed}", self.format),
        }
    }
}

/// Gives every record of `source` to `sink`, in the file's order, good or bad, with its line
/// (from 1). One pass; memory is bounded by one record (at most 64 MiB, longer ones are bad).
///
/// # Errors
/// The first error of `sink`, unchanged; `Error::NotFound` and `Error::Io` of the file;
/// `Error::Source` where nothing after a place can be read: a
/// damaged or cut-off archive, a syntax error inside a JSON array, a CSV header without the columns.
pub fn read(source: &Source, sink: &mut dyn FnMut(Read) -> Result<()>) -> Result<()> {
    let mut window = Window::open(&source.path, source.compression)?;
    match source.format {
        Format::JsonLines => jsonl::read(&mut window, sink),
        Format::JsonArray => array::read(&mut window, sink),
        Format::Csv => csv::read(&mut window, sink),
    }
}
