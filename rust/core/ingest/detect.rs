//! What a file is: compression by its magic bytes, format by its name and its first byte.

use std::path::Path;

use crate::error::{Error, Result};

use super::json::Line;
use super::window::{MAX_RECORD, Window};
use super::{Format, Source, json, open};

const SUPPORTED: &str = "supported are JSON Lines (.jsonl, .ndjson), a JSON array (.json) and CSV in RecipeNLG's \
     columns (.csv), each plain or packed with gzip, zstd or xz (.gz, .zst, .xz)";

/// Says what the file at `path` is. Reads its beginning only.
///
/// The compression is what the magic bytes tell. The format is what the extension tells, after
/// the compression's was taken off; a `.json` file, or one without an extension, may be an array
/// or JSON Lines, which its first byte that is not white space decides.
///
/// # Errors
/// `Error::NotFound`; `Error::Io`; `Error::Source` for a file that is empty, of an unknown
/// format (the message names the supported ones), or damaged where it begins.
pub fn detect(path: &Path) -> Result<Source> {
    // A pipe would be waited for; a directory is told by its own error.
    if std::fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
        return Err(Error::Source {
            path: path.to_owned(),
            reason: "it is no plain file: save its content in one".into(),
        });
    }
    let compression = open::compression(path)?;
    let mut window = Window::open(path, compression)?;
    if window.bytes().starts_with(b"\xff\xfe") || window.bytes().starts_with(b"\xfe\xff") {
        return Err(window.error("it is UTF-16: save it as UTF-8"));
    }
    let Some(first) = next_byte(&mut window)? else {
        return Err(window.error("it is empty: name a file with recipes in it"));
    };
    let format = match extension(path).as_deref() {
        Some("jsonl" | "ndjson") => Format::JsonLines,
        Some("csv") => Format::Csv,
        Some("json") | None => json_format(&mut window, first)?,
        Some(other) => {
            return Err(window.error(format!("unknown format `.{other}`: {SUPPORTED}")));
        }
    };
    Ok(Source {
        path: path.to_owned(),
        format,
        compression,
    })
}

/// Moves `window` to the first byte that is not white space, and returns it; `None` at the end.
fn next_byte(window: &mut Window) -> Result<Option<u8>> {
    loop {
        let space = count_space(window.bytes());
        window.consume(space);
        if let Some(&byte) = window.bytes().first() {
            return Ok(Some(byte));
        }
        if !window.more()? {
            return Ok(None);
        }
    }
}

fn count_space(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .position(|byte| !byte.is_ascii_whitespace())
        .unwrap_or(bytes.len())
}

fn json_format(window: &mut Window, first: u8) -> Result<Format> {
    match first {
        b'[' => Ok(Format::JsonArray),
        b'{' => lines_or_object(window),
        _ => Err(window.error(format!(
            "unknown format: it begins with neither `[` nor `{{`: {SUPPORTED}"
        ))),
    }
}

/// A file that begins with `{` is JSON Lines, unless the object goes on over lines, or stands
/// alone and is no record: then it is one large object, which is not read.
fn lines_or_object(window: &mut Window) -> Result<Format> {
    let length = loop {
        match memchr::memchr(b'\n', window.bytes()) {
            Some(length) => break length,
            None if window.bytes().len() > MAX_RECORD => break window.bytes().len(),
            None if !window.more()? => break window.bytes().len(),
            None => {}
        }
    };
    let line = json::look(&window.bytes()[..length]);
    window.consume(length);
    match (line, next_byte(window)?) {
        (Line::Record | Line::Broken, _)
        | (_, Some(b'{'))
        | (Line::Other, Some(_))
        | (Line::Open, None) => Ok(Format::JsonLines),
        (Line::Other, None) | (Line::Open, Some(_)) => Err(window.error(
            "it is one JSON object, not a list of records: write it as JSON Lines or as a JSON array",
        )),
    }
}

/// The extension that tells the format, in lower case: the last, or the one before a
/// compression's. `None` where there is none.
fn extension(path: &Path) -> Option<String> {
    let lower = |path: &Path| {
        path.extension()
            .map(|extension| extension.to_string_lossy().to_ascii_lowercase())
    };
    let last = lower(path)?;
    if matches!(last.as_str(), "gz" | "gzip" | "zst" | "zstd" | "xz") {
        return lower(Path::new(path.file_stem()?));
    }
    Some(last)
}
