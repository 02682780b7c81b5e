//! The tokenizers crate: what every id is measured against.
//!
//! 1. [`Library::new`] takes the file's bytes and finds the special tokens.
//! 2. [`Whole`] is the encoder that gives it every text.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tokenizers::{Model, ModelWrapper, NormalizedString, Normalizer};

use super::{Counts, Encoder, TokenizerInfo};
use crate::error::{Error, Result};
use crate::fingerprint::Fingerprint;

const EOS_TOKENS: [&str; 6] = [
    "</s>",
    "<|endoftext|>",
    "<|im_end|>",
    "<|end_of_text|>",
    "<eos>",
    "[SEP]",
];
const PAD_TOKENS: [&str; 3] = ["<pad>", "[PAD]", "<|pad|>"];
const UNK_TOKENS: [&str; 2] = ["<unk>", "[UNK]"];

/// A tokenizer of the library, which neither cuts nor fills its texts.
pub(super) struct Library {
    path: PathBuf,
    inner: tokenizers::Tokenizer,
    info: TokenizerInfo,
}

impl Library {
    /// The tokenizer of these bytes, which `path` holds.
    pub(super) fn new(path: &Path, bytes: &[u8]) -> Result<Self> {
        let refuse = |reason: String| Error::Tokenizer {
            path: path.to_owned(),
            reason,
        };
        let mut inner = tokenizers::Tokenizer::from_bytes(bytes).map_err(|e| {
            refuse(format!(
                "it is not a tokenizer.json of the tokenizers library ({e}): save one with `save_pretrained`"
            ))
        })?;
        // A file may ask to cut or fill its texts; the store keeps them whole.
        inner
            .with_truncation(None)
            .map_err(|e| refuse(e.to_string()))?;
        inner.with_padding(None);

        let config = special_tokens_of(&path.with_file_name("tokenizer_config.json"))?;
        let find = |key: &str, usual: &[&str]| {
            let named = config
                .get(key)
                .and_then(|t| t.as_str().or_else(|| t.get("content")?.as_str()));
            named
                .into_iter()
                .chain(usual.iter().copied())
                .find_map(|token| inner.token_to_id(token))
        };
        let eos_id = find("eos_token", &EOS_TOKENS).ok_or_else(|| {
            refuse("it has no end-of-text token: name one as `eos_token` in tokenizer_config.json beside it".into())
        })?;
        let info = TokenizerInfo {
            fingerprint: Fingerprint::of(bytes),
            vocab_size: vocab_size(&inner),
            eos_id,
            pad_id: find("pad_token", &PAD_TOKENS).unwrap_or(eos_id),
            unk_id: find("unk_token", &UNK_TOKENS),
        };
        Ok(Library {
            path: path.to_owned(),
            inner,
            info,
        })
    }

    pub(super) fn info(&self) -> &TokenizerInfo {
        &self.info
    }

    /// The kind of its model, which a file need not name.
    pub(super) fn model(&self) -> &'static str {
        match self.inner.get_model() {
            ModelWrapper::BPE(_) => "BPE",
            ModelWrapper::Unigram(_) => "Unigram",
            ModelWrapper::WordPiece(_) => "WordPiece",
            ModelWrapper::WordLevel(_) => "WordLevel",
        }
    }

    /// Appends the ids of a text.
    pub(super) fn encode(&self, text: &str, ids: &mut Vec<u32>) -> Result<()> {
        let encoding = self
            .inner
            .encode_fast(text, false)
            .map_err(|e| self.refuse(e))?;
        ids.extend_from_slice(encoding.get_ids());
        Ok(())
    }

    /// The ids of a text.
    pub(super) fn ids(&self, text: &str) -> Result<Vec<u32>> {
        let mut ids = Vec::new();
        self.encode(text, &mut ids)?;
        Ok(ids)
    }

    pub(super) fn decode(&self, ids: &[u32]) -> Result<String> {
        self.inner.decode(ids, true).map_err(|e| self.refuse(e))
    }

    /// What its normalizer makes of a text without added tokens.
    pub(super) fn normalised(&self, text: &str) -> Result<String> {
        let mut string = NormalizedString::from(text);
        if let Some(normalizer) = self.inner.get_normalizer() {
            normalizer
                .normalize(&mut string)
                .map_err(|e| self.refuse(e))?;
        }
        Ok(string.get().to_owned())
    }

    /// The ids of all added tokens, sorted.
    pub(super) fn added_ids(&self) -> Vec<u32> {
        let mut ids: Vec<u32> = self.inner.get_added_tokens_decoder().into_keys().collect();
        ids.sort_unstable();
        ids
    }

    /// An error about this tokenizer.
    pub(super) fn refuse(&self, e: impl std::fmt::Display) -> Error {
        Error::Tokenizer {
            path: self.path.clone(),
            reason: e.to_string(),
        }
    }
}

/// One more than the largest id. Only a Unigram model's ids are known to have no gap, and need no copy of its words.
fn vocab_size(tokenizer: &tokenizers::Tokenizer) -> u32 {
    let largest = match tokenizer.get_model() {
        ModelWrapper::Unigram(model) => {
            let added = tokenizer.get_added_tokens_decoder().into_keys().max();
            return added
                .map_or(0, |id| id + 1)
                .max(model.get_vocab_size() as u32);
        }
        _ => tokenizer.get_vocab(true).into_values().max(),
    };
    largest.map_or(1, |id| id + 1)
}

/// `tokenizer_config.json` as JSON; an empty object where there is none.
fn special_tokens_of(path: &Path) -> Result<Value> {
    if !path.exists() {
        return Ok(Value::Object(serde_json::Map::new()));
    }
    let text = fs::read(path).map_err(|e| Error::io(path, "read", e))?;
    serde_json::from_slice(&text).map_err(|e| Error::Tokenizer {
        path: path.to_owned(),
        reason: format!("it is not JSON ({e}): mend it or take it away"),
    })
}

/// Gives every text to the library.
pub(super) struct Whole<'a> {
    reference: &'a Library,
    texts: u64,
}

impl<'a> Whole<'a> {
    pub(super) fn new(library: &'a Library) -> Self {
        Whole {
            reference: library,
            texts: 0,
        }
    }
}

impl Encoder for Whole<'_> {
    fn encode(&mut self, text: &str, ids: &mut Vec<u32>) -> Result<Option<bool>> {
        self.texts += 1;
        self.reference.encode(text, ids)?;
        Ok(None)
    }

    fn counts(&self) -> Counts {
        Counts {
            texts: self.texts,
            texts_by_library: self.texts,
            ..Counts::default()
        }
    }
}
