//! The token store: ids of every record on disk, named by their content, never written again.
//!
//! ```text
//! OUT/current                  names the store in use
//! OUT/report.json              what the last call of `prepare` did
//! OUT/store-<16 hex>/          manifest.json, origin.json, blocks.bin, shard-00000.safetensors ..., tokenizer.json,
//!                              views/
//! ```
//!
//! 1. [`StoreWriter`] fills shards in a temporary directory and publishes it by one rename (`writer`).
//! 2. [`TokenStore::open`] follows `current`, checks manifest, block table and everything but the ids.
//! 3. [`TokenStore::ids`] checks the 64 KiB blocks that it touches, each once; [`TokenStore::verify`] checks all.
//! 4. [`TokenStore::decode`] makes text of ids, with the tokenizer that made them, of which the store has a copy.

mod blocks;
mod buffer;
mod lock;
mod manifest;
mod origin;
mod sealed;
mod shard;
mod syncing;
mod writer;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

pub use buffer::{NewRecord, Survival};
pub use lock::Lock;
pub use manifest::{Manifest, TextPart, TokenizerPart};
pub use origin::{
    BadPlace, Character, Choice, Counts, Fidelity, Filtered, Lengths, Lost, Making, Origin,
    SCHEMA as ORIGIN_SCHEMA, SourcePart, Tokenizing, Unspelt, Vocabulary,
};
pub use shard::{Element, Ids};
pub use writer::StoreWriter;

use crate::error::{Error, Result};
use crate::fingerprint::Fingerprint;
use crate::tokenize::Decoder;
use manifest::Head;
use shard::Shard;

/// The file that names the store in use.
const CURRENT: &str = "current";
/// The copy of the tokenizer in a store.
const TOKENIZER: &str = "tokenizer.json";

/// All records of a store, read-only. Cheap to share between threads.
pub struct TokenStore {
    path: PathBuf,
    fingerprint: Fingerprint,
    manifest: Manifest,
    origin: Origin,
    shards: Vec<Shard>,
    /// The global number of each shard's first record, and the number of all at the end.
    first: Vec<usize>,
    /// Loaded when it is first used.
    decoder: OnceLock<Decoder>,
}

/// What is known of one record besides its ids.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RecordInfo {
    /// The source's score; NaN where there is none.
    pub quality: f32,
    /// See `split`.
    pub split_key: u64,
    /// The number of its source in [`Origin::sources`].
    pub source: u32,
    /// Its number within its source, from 0.
    pub ordinal: u64,
}

impl TokenStore {
    /// Opens the store that `path` is, or that `path/current` names.
    ///
    /// # Errors
    /// [`Error::NotFound`] where there is neither; [`Error::Store`] for a damaged, incomplete or foreign one.
    pub fn open(path: &Path) -> Result<Self> {
        let dir = resolve(path)?;
        Self::open_dir(dir).map_err(|e| match e {
            Error::NotFound { path, .. } => Error::damaged(&path, "it is missing"),
            e => e,
        })
    }

    fn open_dir(dir: PathBuf) -> Result<Self> {
        let manifest_path = dir.join("manifest.json");
        let (head, _): (Head, _) = sealed::read(&manifest_path)?;
        if head.schema != manifest::SCHEMA {
            let reason = format!(
                "it was made by another version (its schema is `{}`, this one reads `{}`)",
                head.schema,
                manifest::SCHEMA
            );
            return Err(Error::damaged(&manifest_path, reason));
        }
        let (manifest, fingerprint): (Manifest, _) = sealed::read(&manifest_path)?;
        let (origin, _) = sealed::read(&dir.join("origin.json"))?;

        let table_path = dir.join("blocks.bin");
        let table = fs::read(&table_path).map_err(|e| Error::io(&table_path, "read", e))?;
        if Fingerprint::of(&table) != manifest.blocks {
            return Err(Error::damaged(
                &table_path,
                "it does not match the manifest",
            ));
        }
        let mut hashes = table
            .chunks_exact(8)
            .map(|word| word.iter().rev().fold(0, |h, &b| h << 8 | u64::from(b)));
        let (mut shards, mut first) = (Vec::new(), vec![0]);
        for part in &manifest.shards {
            if part.file.contains(['/', '\\']) {
                return Err(Error::damaged(
                    &manifest_path,
                    format!("shard `{}` lies outside the store", part.file),
                ));
            }
            let count = (part.bytes as usize).div_ceil(blocks::BLOCK);
            let shard = Shard::open(&dir, part, hashes.by_ref().take(count).collect())?;
            first.push(first[first.len() - 1] + shard.records());
            shards.push(shard);
        }
        if first[first.len() - 1] as u64 != manifest.records {
            return Err(Error::damaged(&manifest_path, "its records do not add up"));
        }
        Ok(TokenStore {
            path: dir,
            fingerprint,
            manifest,
            origin,
            shards,
            first,
            decoder: OnceLock::new(),
        })
    }

    /// Its own directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Names its content.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// What decides what its records are.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Where its records came from.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The number of the source with this name, which option `option` gave. Names are outside the fingerprint,
    /// numbers are not.
    ///
    /// # Errors
    /// [`Error::Argument`] with the names that there are.
    pub fn source_number(&self, name: &str, option: &'static str) -> Result<u32> {
        let sources = &self.origin.sources;
        let number = sources.iter().position(|source| source.name == name);
        number.map(|n| n as u32).ok_or_else(|| {
            let known: Vec<&str> = sources.iter().map(|s| s.name.as_str()).collect();
            Error::Argument {
                name: option,
                reason: format!(
                    "`{name}` is no source of this store; it has `{}`",
                    known.join("`, `")
                ),
            }
        })
    }

    /// How many records it holds.
    pub fn len(&self) -> usize {
        self.manifest.records as usize
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Shard and place within it of record `record`.
    fn locate(&self, record: usize) -> Result<(&Shard, usize)> {
        if record >= self.len() {
            return Err(Error::Argument {
                name: "record_id",
                reason: format!("{record} is not below {}, the store's length", self.len()),
            });
        }
        let shard = self.first.partition_point(|&first| first <= record) - 1;
        Ok((&self.shards[shard], record - self.first[shard]))
    }

    /// Ids of prompt and target of a record, without special tokens, uncut. O(log shards).
    ///
    /// # Errors
    /// [`Error::Store`] where a block on the disk was changed; [`Error::Argument`] past the end.
    pub fn ids(&self, record: usize) -> Result<(Ids<'_>, Ids<'_>)> {
        let (shard, r) = self.locate(record)?;
        shard.ids(r)
    }

    /// How many ids prompt and target of a record have.
    pub fn lengths(&self, record: usize) -> Result<(usize, usize)> {
        let (shard, r) = self.locate(record)?;
        shard.lengths(r)
    }

    /// What else is known of a record.
    pub fn info(&self, record: usize) -> Result<RecordInfo> {
        let (shard, r) = self.locate(record)?;
        Ok(RecordInfo {
            quality: shard.qualities()?[r],
            split_key: shard.split_keys()?[r],
            source: shard.sources()?[r],
            ordinal: shard.ordinals()?[r],
        })
    }

    /// Calls `each` with every record in order.
    pub fn for_each_info(&self, mut each: impl FnMut(usize, RecordInfo)) -> Result<()> {
        for (shard, &first) in self.shards.iter().zip(&self.first) {
            let (qualities, split_keys) = (shard.qualities()?, shard.split_keys()?);
            let (sources, ordinals) = (shard.sources()?, shard.ordinals()?);
            for r in 0..shard.records() {
                let info = RecordInfo {
                    quality: qualities[r],
                    split_key: split_keys[r],
                    source: sources[r],
                    ordinal: ordinals[r],
                };
                each(first + r, info);
            }
        }
        Ok(())
    }

    /// Calls `each` with every record's number and the numbers of its prompt's and target's ids, in order.
    pub fn for_each_lengths(&self, mut each: impl FnMut(usize, usize, usize)) -> Result<()> {
        for (shard, &first) in self.shards.iter().zip(&self.first) {
            for (r, bounds) in shard.all_bounds()?.windows(3).step_by(2).enumerate() {
                let length = |a: usize| bounds[a + 1].saturating_sub(bounds[a]) as usize;
                each(first + r, length(0), length(1));
            }
        }
        Ok(())
    }

    /// Calls `each` with every record's number and text digest, in order.
    pub fn for_each_digest(&self, mut each: impl FnMut(usize, [u64; 2])) -> Result<()> {
        for (shard, &first) in self.shards.iter().zip(&self.first) {
            for (r, digest) in shard.text_digests()?.chunks_exact(2).enumerate() {
                each(first + r, [digest[0], digest[1]]);
            }
        }
        Ok(())
    }

    /// How the target of a record survives the tokenizer.
    pub fn survival(&self, record: usize) -> Result<Survival> {
        let (shard, r) = self.locate(record)?;
        shard.survival(r)
    }

    /// The text digest of a record.
    pub fn digest(&self, record: usize) -> Result<[u64; 2]> {
        let (shard, r) = self.locate(record)?;
        let digests = shard.text_digests()?;
        Ok([digests[2 * r], digests[2 * r + 1]])
    }

    /// The text of ids of this store, special tokens left out, by the tokenizer that made them; loads it the first time.
    ///
    /// # Errors
    /// [`Error::Store`] where the store's copy of it was changed; [`Error::Tokenizer`] where it refuses the ids.
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        if let Some(decoder) = self.decoder.get() {
            return decoder.decode(ids);
        }
        let json = self.tokenizer_json()?;
        let decoder = Decoder::of(&self.path.join(TOKENIZER), &json)?;
        self.decoder.get_or_init(|| decoder).decode(ids)
    }

    /// Checks every byte of every shard, and the tokenizer. Errors: the first block that was changed.
    pub fn verify(&self) -> Result<()> {
        self.verify_while(&mut || Ok(()))
    }

    /// [`verify`](Self::verify), which calls `look_up` after each shard and ends when that fails.
    pub fn verify_while(&self, look_up: &mut dyn FnMut() -> Result<()>) -> Result<()> {
        self.tokenizer_json()?;
        self.shards.iter().try_for_each(|shard| {
            shard.verify()?;
            look_up()
        })
    }

    fn tokenizer_json(&self) -> Result<Vec<u8>> {
        let path = self.path.join(TOKENIZER);
        let bytes = fs::read(&path).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => Error::damaged(&path, "it is missing"),
            _ => Error::io(&path, "read", e),
        })?;
        match Fingerprint::of(&bytes) == self.manifest.tokenizer.fingerprint {
            true => Ok(bytes),
            false => Err(Error::damaged(&path, "it does not match the manifest")),
        }
    }
}

/// The store's own directory, from that or from the one above it.
fn resolve(path: &Path) -> Result<PathBuf> {
    if path.join("manifest.json").exists() {
        return Ok(path.to_owned());
    }
    let current = path.join(CURRENT);
    let name = fs::read_to_string(&current).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => Error::NotFound {
            path: path.to_owned(),
            what: "token store (a directory that `prepare` wrote)",
        },
        _ => Error::io(&current, "read", e),
    })?;
    let name = name.trim();
    if !name.starts_with("store-") || name.contains(['/', '\\']) {
        return Err(Error::damaged(
            &current,
            format!("it names no store (`{}`)", name.escape_debug()),
        ));
    }
    Ok(path.join(name))
}
