//! Text to token ids and back, behind one trait, so that the library can change without anything else noticing.
//!
//! 1. [`load`] reads a `tokenizer.json` (or a directory that holds one) and finds its special tokens.
//! 2. [`Tokenizer::encode_batch`] gives the library's ids, on all cores, without special tokens:
//!    those belong to the plan.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::error::{Error, Result};
use crate::fingerprint::Fingerprint;

/// What a store must know of the tokenizer that filled it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenizerInfo {
    /// Of the bytes of `tokenizer.json`.
    pub fingerprint: Fingerprint,
    /// One more than the largest id, added tokens included.
    pub vocab_size: u32,
    /// The id that ends a text.
    pub eos_id: u32,
    /// The id that fills a row; the end's id where the tokenizer has no padding token.
    pub pad_id: u32,
    /// The id of an unknown piece, where the tokenizer has one.
    pub unk_id: Option<u32>,
}

/// Turns texts into ids and ids into text.
pub trait Tokenizer: Send + Sync {
    /// What is known of it.
    fn info(&self) -> &TokenizerInfo;
    /// The ids of each text, in order, without special tokens.
    fn encode_batch(&self, texts: &[&str]) -> Result<Vec<Vec<u32>>>;
    /// The text of these ids, special tokens left out.
    fn decode(&self, ids: &[u32]) -> Result<String>;
}

/// Loads `tokenizer.json`, given by its own path or by that of its directory.
///
/// The end-of-text and padding tokens are those that `tokenizer_config.json` beside it names, else the usual ones.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Tokenizer`] for a file of another kind or one without an end-of-text token.
pub fn load(path: &Path) -> Result<Box<dyn Tokenizer>> {
    let file = if path.is_dir() {
        path.join("tokenizer.json")
    } else {
        path.to_owned()
    };
    if !file.exists() {
        return Err(Error::NotFound {
            path: file,
            what: "tokenizer (a tokenizer.json or a directory that holds one)",
        });
    }
    Ok(Box::new(Library::load(&file)?))
}

/// The tokenizers crate.
struct Library {
    path: PathBuf,
    inner: tokenizers::Tokenizer,
    info: TokenizerInfo,
}

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

impl Library {
    fn load(path: &Path) -> Result<Self> {
        let refuse = |reason: String| Error::Tokenizer {
            path: path.to_owned(),
            reason,
        };
        let bytes = fs::read(path).map_err(|e| Error::io(path, "read", e))?;
        let mut inner = tokenizers::Tokenizer::from_bytes(&bytes).map_err(|e| {
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
        let largest = inner.get_vocab(true).into_values().max().unwrap_or(0);
        let info = TokenizerInfo {
            fingerprint: Fingerprint::of(&bytes),
            vocab_size: largest + 1,
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

    fn refuse(&self, e: impl std::fmt::Display) -> Error {
        Error::Tokenizer {
            path: self.path.clone(),
            reason: e.to_string(),
        }
    }
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

impl Tokenizer for Library {
    fn info(&self) -> &TokenizerInfo {
        &self.info
    }

    fn encode_batch(&self, texts: &[&str]) -> Result<Vec<Vec<u32>>> {
        let encodings = self
            .inner
            .encode_batch_fast(texts.to_vec(), false)
            .map_err(|e| self.refuse(e))?;
        Ok(encodings.iter().map(|e| e.get_ids().to_vec()).collect())
    }

    fn decode(&self, ids: &[u32]) -> Result<String> {
        self.inner.decode(ids, true).map_err(|e| self.refuse(e))
    }
}
