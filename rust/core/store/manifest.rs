//! What a store is: `manifest.json`, its identity. `origin` says where it came from.

use serde::{Deserialize, Serialize};

use crate::fingerprint::Fingerprint;

/// Of the layout that this code reads and writes.
pub const SCHEMA: &str = "chefgenius.store/2";

/// The schema of any store, also of one that this code cannot read.
#[derive(Deserialize)]
pub struct Head {
    pub schema: String,
}

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
    /// Of the bytes of its `tokenizer.json`, of which the store keeps a copy.
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
    /// Whether characters that the tokenizer cannot spell were written in others.
    pub respell: bool,
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
