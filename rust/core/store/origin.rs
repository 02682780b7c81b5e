//! Where a store came from and what its making found out: `origin.json`. Outside of the fingerprint: the same
//! records from another place are the same store.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::fingerprint::Fingerprint;
use crate::tokenize;

/// Of the layout that this code reads and writes.
pub const SCHEMA: &str = "chefgenius.origin/2";

/// Where a store came from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// [`SCHEMA`].
    pub schema: String,
    /// The sources in the order of their numbers.
    pub sources: Vec<SourcePart>,
    /// Which of their records were wanted.
    pub choice: Choice,
    /// What became of them.
    pub making: Making,
}

/// One source: a file, a directory of files, or an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourcePart {
    /// Its path as the caller spelt it.
    pub name: String,
    /// Format and compression, in words.
    pub format: String,
    /// Its size; of all its files together.
    pub bytes: u64,
    /// Its last change, in nanoseconds since 1970.
    pub modified: u64,
    /// Names size, times and inode of its files: while it is the same, so is the content. `None` where a file had
    /// changed so shortly before that another change might not show.
    pub stamp: Option<Fingerprint>,
    /// Of its bytes; of a directory: of its files' names and bytes.
    pub blake3: Fingerprint,
    /// What became of its records.
    pub counts: Counts,
}

/// What decides, besides sources and manifest, which records are kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// Records with a lower score are left out; those without one stay.
    pub min_quality: Option<f32>,
    /// Targets with fewer ids are left out.
    pub min_tokens: u32,
    /// Targets with more ids are left out.
    pub max_tokens: Option<u32>,
    /// Whether records with the body of an earlier one stay.
    pub keep_duplicates: bool,
    /// Whether records without a score get one.
    pub score_quality: bool,
    /// Which part is read from which field of the source, where that was said.
    pub map: Vec<(String, String)>,
}

impl Default for Choice {
    fn default() -> Self {
        Choice {
            min_quality: None,
            min_tokens: 1,
            max_tokens: None,
            keep_duplicates: false,
            score_quality: false,
            map: Vec::new(),
        }
    }
}

/// What became of records: every one of them is in exactly one field.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// In the store.
    pub kept: u64,
    /// Left out as [`Choice`] says.
    pub filtered: Filtered,
    /// Left out since they could not be read.
    pub bad: u64,
}

/// Records that were read and left out, by the first of these reasons that holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filtered {
    /// Prompt, target or body are empty.
    pub empty: u64,
    /// The score is too low.
    pub quality: u64,
    /// The target has too few ids.
    pub short: u64,
    /// The target has too many ids.
    pub long: u64,
    /// An earlier record that was kept has the same body.
    pub duplicate: u64,
}

impl Filtered {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.empty + self.quality + self.short + self.long + self.duplicate
    }
}

impl Counts {
    /// All records that were seen.
    pub fn total(&self) -> u64 {
        self.kept + self.filtered.total() + self.bad
    }

    /// Adds another's counts to these.
    pub fn add(&mut self, other: &Counts) {
        self.kept += other.kept;
        self.filtered.empty += other.filtered.empty;
        self.filtered.quality += other.filtered.quality;
        self.filtered.short += other.filtered.short;
        self.filtered.long += other.filtered.long;
        self.filtered.duplicate += other.filtered.duplicate;
        self.bad += other.bad;
    }
}

/// What the making of a store found out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Making {
    /// What became of all records.
    pub counts: Counts,
    /// How well the text survives the tokenizer.
    pub fidelity: Fidelity,
    /// Ids of a prompt.
    pub prompt_lengths: Lengths,
    /// Ids of a target.
    pub target_lengths: Lengths,
    /// Which ids occur.
    pub vocabulary: Vocabulary,
    /// How ids were made.
    pub tokenizer: Tokenizing,
    /// Characters that the tokenizer does not spell.
    pub spelling: Unspelt,
    /// The first bad records.
    pub first_errors: Vec<BadPlace>,
    /// Records whose ids were copied from the former store.
    pub reused: u64,
    /// How long it took.
    pub seconds: f64,
}

/// Round-trip fidelity: what can be read back from `decode(encode(target))`, over all records that were kept.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fidelity {
    /// How many targets.
    pub records: u64,
    /// How many of them came back with the same title, ingredients and steps.
    pub records_same: u64,
    /// How many quantities stand in the targets.
    pub quantities: u64,
    /// How many of them came back.
    pub quantities_same: u64,
    /// The targets that lost most, worst first.
    pub worst: Vec<Lost>,
}

/// A target that did not come back the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lost {
    /// The name of its source.
    pub source: String,
    /// Where in it the record stands.
    pub place: String,
    /// The share of its items that came back the same.
    pub same_items: f64,
    /// The target around the first difference.
    pub written: String,
    /// The same place of what came back.
    pub read_back: String,
}

/// How lengths are spread.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lengths {
    pub min: u32,
    pub p5: u32,
    pub p50: u32,
    pub p95: u32,
    pub p99: u32,
    pub max: u32,
    pub mean: f64,
}

/// Which ids of the tokenizer occur.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vocabulary {
    /// One more than the largest id.
    pub size: u32,
    /// How many different ones the store holds.
    pub used: u32,
    /// `used / size`.
    pub share: f64,
}

/// How ids were made.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tokenizing {
    /// `word memo`, or `library: ` and why.
    pub method: String,
    /// What the encoders of all threads did.
    pub counts: tokenize::Counts,
}

/// Characters that the tokenizer does not spell, in the texts of all records, the most frequent ones.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unspelt {
    /// Written in others.
    pub respelt: Vec<Character>,
    /// Left out: signs that carry no words.
    pub dropped: Vec<Character>,
    /// Left as they are, and lost.
    pub unspelt: Vec<Character>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Character {
    pub character: char,
    /// What was written for it.
    #[serde(rename = "as")]
    pub written: String,
    /// How often it stood in the sources.
    pub count: u64,
}

/// A record that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BadPlace {
    /// The name of its source.
    pub source: String,
    /// The file within a directory or an archive.
    pub file: Option<String>,
    /// The line it begins in, from 1.
    pub line: Option<u64>,
    /// The byte of the unpacked file it begins at, from 0.
    pub byte: Option<u64>,
    /// The row of a table, from 1.
    pub row: Option<u64>,
    /// What is wrong with it.
    pub reason: String,
}

impl fmt::Display for BadPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)?;
        if let Some(file) = &self.file {
            write!(f, ", {file}")?;
        }
        for (name, number) in [("row", self.row), ("line", self.line), ("byte", self.byte)] {
            if let Some(number) = number {
                write!(f, ", {name} {number}")?;
            }
        }
        write!(f, ": {}", self.reason)
    }
}
