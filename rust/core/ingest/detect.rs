//! What a file is: compression by its magic bytes, format by its name and its first bytes.

use std::path::Path;

use crate::error::Result;

use super::Format;
use super::array::Scan;
use super::json::{self, Line};
use super::names::{Names, Part};
use super::window::{MAX_RECORD, Window};

pub(super) const SUPPORTED: &str = "supported are JSON Lines (.jsonl, .ndjson), JSON (.json, .jsonld), CSV and TSV (.csv, .tsv, .tab), \
     Parquet (.parquet), Markdown (.md, .markdown), directories of these, and tar of the text formats, \
     each plain or packed with gzip, zstd or xz (.gz, .zst, .xz)";

/// How much of a JSON object is looked at to tell what it is.
const LOOK: usize = 1 << 20;

/// What a file's name tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Family {
    JsonLines,
    Json,
    Csv,
    Tsv,
    Parquet,
    Markdown,
    Tar,
}

impl Family {
    /// What it is called where only the name was looked at.
    pub(super) fn name(self) -> &'static str {
        match self {
            Family::JsonLines => "JSON Lines",
            Family::Json => "JSON",
            Family::Csv => "CSV",
            Family::Tsv => "TSV",
            Family::Parquet => "Parquet",
            Family::Markdown => "Markdown",
            Family::Tar => "tar",
        }
    }
}

/// What the name of a file tells: `None` for an extension that is none of ours, or for none at all.
pub(super) fn family(name: &Path) -> Option<Family> {
    Some(match extension(name)?.as_str() {
        "jsonl" | "ndjson" => Family::JsonLines,
        "json" | "jsonld" => Family::Json,
        "csv" => Family::Csv,
        "tsv" | "tab" => Family::Tsv,
        "parquet" | "pq" => Family::Parquet,
        "md" | "markdown" => Family::Markdown,
        "tar" | "tgz" | "txz" | "tzst" => Family::Tar,
        _ => return None,
    })
}

/// The extension that tells the format, in lower case: the last, or the one before a
/// compression's. `None` where there is none.
fn extension(name: &Path) -> Option<String> {
    let lower = |name: &Path| {
        name.extension()
            .map(|extension| extension.to_string_lossy().to_ascii_lowercase())
    };
    let last = lower(name)?;
    if matches!(last.as_str(), "gz" | "gzip" | "zst" | "zstd" | "xz") {
        return lower(Path::new(name.file_stem()?));
    }
    Some(last)
}

/// The format of what `window` begins with, in a file of this name. Nothing of it is consumed.
///
/// # Errors
/// `Error::Source`: it is empty, of an unknown format, or damaged where it begins.
pub(super) fn format(window: &mut Window, name: &Path, names: &Names) -> Result<Format> {
    let first = first_byte(window)?;
    if window.bytes().starts_with(b"\xff\xfe") || window.bytes().starts_with(b"\xfe\xff") {
        return Err(window.error("it is UTF-16: save it as UTF-8"));
    }
    let Some((at, first)) = first else {
        return Err(window.error("it is empty: name a file with recipes in it"));
    };
    let family = family(name);
    if !matches!(family, Some(Family::Parquet | Family::Tar)) && !is_tar(window)? {
        refuse_spelling(window, family)?;
    }
    match family {
        Some(Family::JsonLines) => Ok(Format::JsonLines),
        Some(Family::Csv) => csv_format(window),
        Some(Family::Tsv) => Ok(Format::Csv(b'\t')),
        Some(Family::Markdown) => Ok(Format::Markdown),
        Some(Family::Parquet) => Ok(Format::Parquet),
        Some(Family::Tar) => Ok(Format::Tar),
        None if is_tar(window)? => Ok(Format::Tar),
        None if let Some(other) = extension(name) => {
            Err(window.error(format!("unknown format `.{other}`: {SUPPORTED}")))
        }
        Some(Family::Json) | None => match first {
            b'[' => Ok(Format::JsonArray),
            b'{' => object_format(window, at, names),
            _ => Err(window.error(format!(
                "unknown format: it begins with neither `[` nor `{{`: {SUPPORTED}"
            ))),
        },
    }
}

/// # Errors
/// `Error::Source` for text that is no UTF-8 from its first byte on, whose lines nobody ends, or whose header is none.
fn refuse_spelling(window: &mut Window, family: Option<Family>) -> Result<()> {
    window.fill(1 << 16)?;
    let bytes = window.bytes();
    let is_of_lines = matches!(family, Some(Family::JsonLines | Family::Csv | Family::Tsv));
    let begin = &bytes[..bytes.len().min(64)];
    let reason = if 4 * memchr::memchr_iter(0, begin).count() >= begin.len() {
        "it is UTF-16 or UTF-32 (it is full of NUL bytes): save it as UTF-8"
    } else if is_of_lines
        && memchr::memchr(b'\n', bytes).is_none()
        && memchr::memchr(b'\r', bytes.trim_ascii()).is_some()
    {
        "its lines end with a carriage return alone: save it with line feeds (`\\n`)"
    } else if family == Some(Family::Csv) && bytes.starts_with(b"sep=") {
        "its first line `sep=` is no header: take that line out"
    } else {
        return Ok(());
    };
    Err(window.error(reason))
}

fn is_tar(window: &mut Window) -> Result<bool> {
    window.fill(262)?;
    Ok(window.bytes().get(257..262) == Some(b"ustar"))
}

/// Offset and value of the first byte that is not white space. So much white space that no record
/// can follow is nothing.
fn first_byte(window: &mut Window) -> Result<Option<(usize, u8)>> {
    loop {
        let bytes = window.bytes();
        let at = bytes.iter().position(|byte| !byte.is_ascii_whitespace());
        if let Some(at) = at {
            return Ok(Some((at, bytes[at])));
        }
        if bytes.len() > MAX_RECORD || !window.more()? {
            return Ok(None);
        }
    }
}

/// A table with the delimiter that the header line of a `.csv` file has most of.
fn csv_format(window: &mut Window) -> Result<Format> {
    let end = line_end(window, 0)?;
    let header = &window.bytes()[..end];
    let count = |byte: &u8| memchr::memchr_iter(*byte, header).count();
    // Of equal counts the last: the comma.
    let delimiter = [b';', b'\t', b','].into_iter().max_by_key(count);
    Ok(Format::Csv(delimiter.unwrap_or(b',')))
}

/// The offset of the line end after `from`, or of the end; at most about [`MAX_RECORD`].
fn line_end(window: &mut Window, from: usize) -> Result<usize> {
    let mut searched = from;
    loop {
        if let Some(at) = memchr::memchr(b'\n', &window.bytes()[searched..]) {
            return Ok(searched + at);
        }
        searched = window.bytes().len();
        if searched > MAX_RECORD || !window.more()? {
            return Ok(searched);
        }
    }
}

/// A file that begins with `{` is JSON Lines, unless the object goes on over lines, or stands
/// alone and is no record: then it is one document, or records by their keys.
fn object_format(window: &mut Window, at: usize, names: &Names) -> Result<Format> {
    let end = line_end(window, at)?;
    let line = json::look(&window.bytes()[at..end], names);
    let is_halted = is_halted(&window.bytes()[at..end]);
    if line == Line::Record {
        return Ok(Format::JsonLines);
    }
    let next = loop {
        let rest = window.bytes()[end..].trim_ascii_start();
        if let Some(byte) = rest.first() {
            break Some(*byte);
        }
        if window.bytes().len() > MAX_RECORD || !window.more()? {
            break None;
        }
    };
    match (line, next) {
        (Line::Open, Some(b'{')) if is_halted => keyed_or_document(window, at, names),
        (Line::Broken, _) | (_, Some(b'{')) | (Line::Other, Some(_)) | (Line::Open, None) => {
            Ok(Format::JsonLines)
        }
        (Line::Other | Line::Record, None) | (Line::Open | Line::Record, Some(_)) => {
            keyed_or_document(window, at, names)
        }
    }
}

/// Whether a line of JSON ends where a value or a key must follow: one that was cut off rarely does.
fn is_halted(line: &[u8]) -> bool {
    let mut scan = Scan::new(b'}');
    scan.step(line.get(1..).unwrap_or_default());
    !scan.in_string()
        && matches!(
            line.trim_ascii_end().last(),
            Some(b'[' | b'{' | b',' | b':')
        )
}

/// An object whose own fields are a recipe's is a document. Else it holds a record under each key when
/// its first value is an object.
fn keyed_or_document(window: &mut Window, at: usize, names: &Names) -> Result<Format> {
    window.fill(at + LOOK)?;
    let mut rest = &window.bytes()[at + 1..];
    let mut is_keyed = None;
    while let Some((key, value)) = split_key(rest) {
        let first = value.first().copied();
        let is_text = matches!(first, Some(b'"'));
        let names_it = names.find(&key).is_some_and(|name| {
            is_text && matches!(names.part(name), Part::Title | Part::Input | Part::Output)
        });
        if names_it || key.starts_with('@') {
            return Ok(Format::JsonDocument);
        }
        is_keyed.get_or_insert(first == Some(b'{'));
        match Scan::new(b'}').step(value) {
            Some(end) if value[end] == b',' => rest = &value[end + 1..],
            _ => break,
        }
    }
    match is_keyed {
        Some(false) => Ok(Format::JsonDocument),
        _ => Ok(Format::JsonObject),
    }
}

/// The key that `rest` begins with, and what follows its colon.
fn split_key(rest: &[u8]) -> Option<(String, &[u8])> {
    let mut keys = serde_json::Deserializer::from_slice(rest).into_iter::<String>();
    let key = keys.next()?.ok()?;
    let value = rest[keys.byte_offset()..].trim_ascii_start();
    Some((key, value.strip_prefix(b":")?.trim_ascii_start()))
}
