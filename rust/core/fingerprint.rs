//! Names for content: `b3:` and the first 128 bits of a BLAKE3 hash in hex.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// A content's name, `b3:` and 32 hex digits. Equal contents have equal names wherever they lie.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// The name of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self::of_hash(&blake3::hash(bytes))
    }

    /// The name of a file's bytes; reads it with all cores. Errors: the file cannot be read.
    pub fn of_file(path: &Path) -> Result<Self> {
        let mut hasher = blake3::Hasher::new();
        hasher
            .update_mmap_rayon(path)
            .map_err(|e| Error::io(path, "read", e))?;
        Ok(Self::of_hash(&hasher.finalize()))
    }

    /// The name of the bytes with this hash.
    pub fn of_hash(hash: &blake3::Hash) -> Self {
        Fingerprint(format!("b3:{}", &hash.to_hex()[..32]))
    }

    /// The name that `text` is; `None` where it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("b3:")?;
        let hex = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
        (digits.len() == 32 && digits.bytes().all(hex)).then(|| Fingerprint(text.to_owned()))
    }

    /// The text form, `b3:` and 32 hex digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The hex digits alone.
    pub fn hex(&self) -> &str {
        &self.0[3..]
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
