//! Text to token ids and back, behind one trait, so that the library can change without anything else noticing.
//!
//! 1. [`load`] reads a `tokenizer.json` (or a directory that holds one) and finds its special tokens (`library`).
//! 2. `shape` says whether ids can be made word by word, and `probe` tries it. Where not, the library has every text.
//! 3. An [`Encoder`] belongs to one thread. The one of `words` remembers the ids of each word (`cut`, `gather`,
//!    `table`), makes those of new words itself where it can (`plain`, `unigram`), and asks the library else. Its ids
//!    are the library's.
//!
//! Special tokens are never added: those belong to the plan.

mod cut;
mod decoder;
mod gather;
mod library;
mod plain;
mod probe;
mod shape;
mod table;
mod unigram;
mod words;

use std::fs;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::thread;

pub use decoder::Decoder;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::fingerprint::Fingerprint;
use library::{Library, Whole};
use probe::Rules;
use shape::Shape;
use words::Words;

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
    /// An encoder for one thread, with a memory of its own.
    ///
    /// # Errors
    /// None at present; the library may come to have some.
    fn encoder(&self) -> Result<Box<dyn Encoder + '_>>;
    /// The text of these ids, special tokens left out.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] where the library refuses them.
    fn decode(&self, ids: &[u32]) -> Result<String>;
    /// How its encoders work: `word memo`, or `library: ` and why.
    fn method(&self) -> &str;
}

/// Turns texts into ids, on one thread.
pub trait Encoder: Send {
    /// Appends the ids of `text`. `Some(true)` says that decoding exactly these ids gives `text` back exactly;
    /// otherwise only `decode` can tell.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] where the library refuses the text, or where a text that was encoded twice for the
    /// audit got two kinds of ids; `ids` is then of no use.
    fn encode(&mut self, text: &str, ids: &mut Vec<u32>) -> Result<Option<bool>>;
    /// What it did so far.
    fn counts(&self) -> Counts;
}

/// What an encoder did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Texts in all.
    pub texts: u64,
    /// Words that were looked up.
    pub words: u64,
    /// Of these, how many were known.
    pub hits: u64,
    /// New words whose ids we made.
    pub own: u64,
    /// New words whose ids the library made.
    pub words_by_library: u64,
    /// Texts that the library had whole.
    pub texts_by_library: u64,
    /// Texts that were encoded both ways and compared.
    pub audited: u64,
}

impl Counts {
    /// Adds what another encoder did.
    pub fn add(&mut self, other: &Counts) {
        self.texts += other.texts;
        self.words += other.words;
        self.hits += other.hits;
        self.own += other.own;
        self.words_by_library += other.words_by_library;
        self.texts_by_library += other.texts_by_library;
        self.audited += other.audited;
    }
}

/// How ids are made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Method {
    /// Word by word where that gives the library's ids, else by the library.
    #[default]
    Auto,
    /// By the library, every text.
    Library,
}

/// The `tokenizer.json` that `path` is, or that the directory `path` holds.
#[must_use]
pub fn file_of(path: &Path) -> PathBuf {
    match path.is_dir() {
        true => path.join("tokenizer.json"),
        false => path.to_owned(),
    }
}

/// [`load_with`] the method `Auto`.
///
/// # Errors
/// Those of [`load_with`].
pub fn load(path: &Path) -> Result<Box<dyn Tokenizer>> {
    load_with(path, Method::Auto)
}

/// Loads `tokenizer.json`, given by its own path or by that of its directory.
///
/// The end-of-text and padding tokens are those that `tokenizer_config.json` beside it names, else the usual ones.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Tokenizer`] for a file of another kind or one without an end-of-text token.
pub fn load_with(path: &Path, method: Method) -> Result<Box<dyn Tokenizer>> {
    let file = file_of(path);
    if !file.exists() {
        return Err(Error::NotFound {
            path: file,
            what: "tokenizer (a tokenizer.json or a directory that holds one)",
        });
    }
    let bytes = fs::read(&file).map_err(|e| Error::io(&file, "read", e))?;
    // The library takes its time to load; what we make of the file ourselves is made beside it.
    let (library, shape) = thread::scope(|scope| {
        let shape = scope.spawn(|| match method {
            Method::Auto => Shape::read(&bytes),
            Method::Library => Err("it was asked for".to_owned()),
        });
        (Library::new(&file, &bytes), shape.join())
    });
    let library = library?;
    let rules = match shape.unwrap_or_else(|panic| resume_unwind(panic)) {
        Ok(shape) => Rules::of(&library, shape)?,
        Err(reason) => Err(reason),
    };
    let (rules, method) = match rules {
        Ok(rules) => (Some(rules), "word memo".to_owned()),
        Err(reason) => (None, format!("library: {reason}")),
    };
    Ok(Box::new(Loaded {
        reference: library,
        rules,
        method,
    }))
}

/// A tokenizer, and the rules by which its words stand alone where they do.
struct Loaded {
    reference: Library,
    rules: Option<Rules>,
    method: String,
}

impl Tokenizer for Loaded {
    fn info(&self) -> &TokenizerInfo {
        self.reference.info()
    }

    fn encoder(&self) -> Result<Box<dyn Encoder + '_>> {
        Ok(match &self.rules {
            Some(rules) => Box::new(Words::new(&self.reference, rules)),
            None => Box::new(Whole::new(&self.reference)),
        })
    }

    fn decode(&self, ids: &[u32]) -> Result<String> {
        self.reference.decode(ids)
    }

    fn method(&self) -> &str {
        &self.method
    }
}
