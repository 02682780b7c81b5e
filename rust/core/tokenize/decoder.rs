//! Ids to text, where that is all that is wanted.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// A tokenizer that only reads: it needs no special tokens.
pub struct Decoder {
    path: PathBuf,
    inner: tokenizers::Tokenizer,
}

impl Decoder {
    /// Of the bytes of the `tokenizer.json` at `path`.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] for a file of another kind.
    pub fn of(path: &Path, json: &[u8]) -> Result<Self> {
        let inner = tokenizers::Tokenizer::from_bytes(json).map_err(|e| Error::Tokenizer {
            path: path.to_owned(),
            reason: format!("it is not a tokenizer.json of the tokenizers library ({e})"),
        })?;
        Ok(Decoder {
            path: path.to_owned(),
            inner,
        })
    }

    /// The text of these ids, special tokens left out.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] where the library refuses them.
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        self.inner.decode(ids, true).map_err(|e| Error::Tokenizer {
            path: self.path.clone(),
            reason: e.to_string(),
        })
    }
}
