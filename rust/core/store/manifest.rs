//! What a store says of itself: `manifest.json` (its identity) and `origin.json` (where it came from).

use serde::{Deserialize, Serialize};

use crate::fingerprint::Fingerprint;

/// Of the layout that this code reads and writes.
pub const SCHEMA: &str = "chefgenius.store/1";

/// The identity of a store: all that decides what its records are. Its fingerprint names the store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`SCHEMA`].
    pub schema: String,
    /// How many records it holds.
    pub records: u64,
    /// How many token ids, prompts and targets together.
    pub tokens: u64,
    /// How many of them are the tokenizer's unknown token.
    pub unknown_tokens: u64,
    /// Who made the ids.
    pub tokenizer: TokenizerPart,
    /// What made the text.
    pub text: TextPart,
    /// The files with the records, in order.
    pub shards: Vec<ShardPart>,
    /// BLAKE3 of `blocks.bin`, the checksums of the shards' blocks.
    pub blocks: Fingerprint,
}

/// The tokenizer of a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenizerPart {
    /// Of the bytes of its `tokenizer.json`.
    pub fingerprint: Fingerprint,
    /// One more than the largest id.
    pub vocab_size: u32,
    /// The id that ends a text.
    pub eos_id: u32,
    /// The id that fills a row.
    pub pad_id: u32,
}

/// The text of a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextPart {
    /// The version of the normalisation rules.
    pub normalisation: u32,
    /// The template of the prompt.
    pub prompt: String,
    /// The template of the target.
    pub target: String,
}

/// One shard file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShardPart {
    /// Its name within the store.
    pub file: String,
    /// Its size.
    pub bytes: u64,
    /// How many records it holds.
    pub records: u64,
    /// Of its bytes.
    pub blake3: Fingerprint,
}

/// Where a store came from. Outside its fingerprint: the same records from another place are the same store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// `chefgenius.origin/1`.
    pub schema: String,
    /// The sources in the order of their numbers.
    pub sources: Vec<SourcePart>,
    /// What became of their records.
    pub counts: Counts,
    /// How well the text survives the tokenizer.
    pub fidelity: Fidelity,
}

/// One source file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourcePart {
    /// Its path as the caller spelt it.
    pub name: String,
    /// Format and compression, in words.
    pub format: String,
    /// Its size.
    pub bytes: u64,
    /// Its last change, in seconds since 1970.
    pub modified: u64,
    /// Of its bytes.
    pub blake3: Fingerprint,
    /// What became of its records.
    pub counts: Counts,
}

/// What became of records: every one of them is in exactly one field.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// In the store.
    pub kept: u64,
    /// Left out since prompt or target were empty.
    pub empty: u64,
    /// Left out since they could not be read.
    pub bad: u64,
}

impl Counts {
    /// All records that were seen.
    pub fn total(&self) -> u64 {
        self.kept + self.empty + self.bad
    }

    /// Adds another's counts to these.
    pub fn add(&mut self, other: &Counts) {
        self.kept += other.kept;
        self.empty += other.empty;
        self.bad += other.bad;
    }
}

/// Round-trip fidelity: which targets can be read back from `decode(encode(target))`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fidelity {
    /// How many targets were tried: the first 256, then one in 32.
    pub checked: u64,
    /// How many came back with the same title, ingredients and steps.
    pub faithful: u64,
    /// The first target that did not, and what came back.
    pub example: Option<(String, String)>,
}
