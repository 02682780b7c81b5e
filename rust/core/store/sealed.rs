//! JSON files that carry their own checksum as their last field.

use std::fs;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::fingerprint::Fingerprint;

const FIELD: &str = ",\n  \"blake3\": \"";

/// The text of `value` (an object) with its checksum as the last field `blake3`, and the fingerprint of everything
/// before that field. `path` is for errors.
pub fn seal<T: Serialize>(path: &Path, value: &T) -> Result<(String, Fingerprint)> {
    let text = serde_json::to_string_pretty(value).map_err(|e| Error::damaged(path, e))?;
    let body = text.strip_suffix("\n}").ok_or_else(|| {
        Error::damaged(path, "only an object with at least one field can be sealed")
    })?;
    let fingerprint = Fingerprint::of(body.as_bytes());
    let sealed = format!("{body}{FIELD}{fingerprint}\"\n}}\n");
    Ok((sealed, fingerprint))
}

/// Reads what [`seal`] made. Errors: the file is missing, or its content is not what was written.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<(T, Fingerprint)> {
    let text = fs::read_to_string(path).map_err(|e| match e.kind() {
        std::io::ErrorKind::InvalidData => Error::damaged(path, "it is not UTF-8 text"),
        _ => Error::io(path, "read", e),
    })?;
    let (body, seal) = text
        .rfind(FIELD)
        .map(|at| (&text[..at], &text[at + FIELD.len()..]))
        .ok_or_else(|| Error::damaged(path, "its last field is not its checksum"))?;
    let fingerprint = Fingerprint::of(body.as_bytes());
    if seal != format!("{fingerprint}\"\n}}\n") {
        return Err(Error::damaged(
            path,
            "its content does not match its checksum",
        ));
    }
    let value = serde_json::from_str(&format!("{body}\n}}"))
        .map_err(|e| Error::damaged(path, format!("it is of another version ({e})")))?;
    Ok((value, fingerprint))
}
