//! The files that a store is made of, in the order of their numbers.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use crate::error::{Error, Result};
use crate::fingerprint::Fingerprint;
use crate::ingest::{self, Source};
use crate::store::{Counts, SourcePart};

/// What is known of each source before it is read, sorted by name.
pub(super) fn describe(paths: &[PathBuf]) -> Result<Vec<(Source, SourcePart)>> {
    if paths.is_empty() {
        return Err(Error::Argument {
            name: "sources",
            reason: "no file is named".into(),
        });
    }
    let mut names: Vec<(&Path, String)> = paths
        .iter()
        .map(|path| (path.as_path(), path.to_string_lossy().into_owned()))
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
            let source = ingest::detect(path)?;
            let metadata = fs::metadata(path).map_err(|e| Error::io(path, "read", e))?;
            let modified = metadata.modified().ok();
            let part = SourcePart {
                name,
                format: source.to_string(),
                bytes: metadata.len(),
                modified: modified
                    .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
                    .map_or(0, |age| age.as_secs()),
                blake3: Fingerprint::of_file(path)?,
                counts: Counts::default(),
            };
            Ok((source, part))
        })
        .collect()
}

/// Whether a store was made of these very files.
pub(super) fn same_sources(former: &[SourcePart], now: &[(Source, SourcePart)]) -> bool {
    former.len() == now.len()
        && former
            .iter()
            .zip(now)
            .all(|(a, (_, b))| a.name == b.name && a.format == b.format && a.blake3 == b.blake3)
}
