//! One shard, opened for reading: a safetensors file of token ids and what is known of each record.
//!
//! | tensor | dtype | shape | what |
//! |---|---|---|---|
//! | `offsets` | u64 | 2 n + 1 | where record r's prompt (2 r) and target (2 r + 1) begin in `ids` |
//! | `ordinal` | u64 | n | the record's number within its source, from 0 |
//! | `split_key` | u64 | n | which side of a split it stands on (see `split`) |
//! | `text_digest` | u64 | n, 2 | names its prompt and target (see `prepare`) |
//! | `quality` | f32 | n | its source's score, NaN where there is none |
//! | `source` | u32 | n | the number of its source in `origin.json` |
//! | `survival` | u32 | n | twice the quantities of its target, and one more where that survives the tokenizer |
//! | `ids` | u16 or u32 | tokens | u16 where the vocabulary allows |

use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

use bytemuck::Pod;
use memmap2::Mmap;
use safetensors::tensor::{Dtype, SafeTensors};

use crate::error::{Error, Result};
use crate::store::blocks::Blocks;
use crate::store::buffer::Survival;
use crate::store::manifest::ShardPart;

/// What ids are widened to: `i32` or `i64`. Ids are below 2^31.
pub trait Element: Pod {
    /// The id as such a number.
    fn of(id: u32) -> Self;
}

impl Element for i32 {
    fn of(id: u32) -> Self {
        id.cast_signed()
    }
}

impl Element for i64 {
    fn of(id: u32) -> Self {
        id.into()
    }
}

/// Token ids as they are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ids<'a> {
    /// Of a vocabulary of at most 65,536.
    Narrow(&'a [u16]),
    /// Of a larger one.
    Wide(&'a [u32]),
}

impl<'a> Ids<'a> {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Ids::Narrow(ids) => ids.len(),
            Ids::Wide(ids) => ids.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes as they lie on the disk, little-endian.
    pub fn bytes(&self) -> &'a [u8] {
        match self {
            Ids::Narrow(ids) => bytemuck::cast_slice(ids),
            Ids::Wide(ids) => bytemuck::cast_slice(ids),
        }
    }

    /// Copies the first `out.len()` of them, widened.
    pub fn copy_to<T: Element>(&self, out: &mut [T]) {
        match self {
            Ids::Narrow(ids) => out
                .iter_mut()
                .zip(*ids)
                .for_each(|(o, &id)| *o = T::of(id.into())),
            Ids::Wide(ids) => out.iter_mut().zip(*ids).for_each(|(o, &id)| *o = T::of(id)),
        }
    }

    /// Appends all of them, widened.
    pub fn append_to(&self, ids: &mut Vec<u32>) {
        match self {
            Ids::Narrow(narrow) => ids.extend(narrow.iter().map(|&id| u32::from(id))),
            Ids::Wide(wide) => ids.extend_from_slice(wide),
        }
    }

    /// All of them, widened.
    pub fn to_vec(&self) -> Vec<u32> {
        match self {
            Ids::Narrow(ids) => ids.iter().map(|&id| id.into()).collect(),
            Ids::Wide(ids) => ids.to_vec(),
        }
    }
}

/// A shard opened for reading: mapped, its blocks checked on first touch.
pub struct Shard {
    path: PathBuf,
    map: Mmap,
    blocks: Blocks,
    records: usize,
    wide: bool,
    offsets: Range<usize>,
    ordinal: Range<usize>,
    split_key: Range<usize>,
    text_digest: Range<usize>,
    quality: Range<usize>,
    source: Range<usize>,
    survival: Range<usize>,
    ids: Range<usize>,
}

impl Shard {
    /// Maps the shard and checks its size, its header and all but its ids.
    pub fn open(dir: &Path, part: &ShardPart, hashes: Vec<u64>) -> Result<Self> {
        let path = dir.join(&part.file);
        let file = File::open(&path).map_err(|e| Error::io(&path, "open", e))?;
        let size = file
            .metadata()
            .map_err(|e| Error::io(&path, "read", e))?
            .len();
        if size != part.bytes {
            return Err(Error::damaged(
                &path,
                format!("it has {size} bytes, its manifest says {}", part.bytes),
            ));
        }
        // SAFETY: a published shard is never written again (a new build makes a new directory), and
        // its size was checked just now; whoever cuts it while it is open breaks the store's rule.
        #[allow(unsafe_code)]
        let map = unsafe { Mmap::map(&file) }.map_err(|e| Error::io(&path, "map", e))?;
        let blocks = Blocks::new(hashes, map.len())
            .ok_or_else(|| Error::damaged(&path, "its block table has another length"))?;

        let bad =
            |e: safetensors::SafeTensorError| Error::damaged(&path, format!("bad header ({e})"));
        blocks.check(&map, 0..8.min(map.len()), &path)?;
        let (header, metadata) = SafeTensors::read_metadata(&map).map_err(bad)?;
        let start = header + 8;
        blocks.check(&map, 0..start, &path)?;
        let n = part.records as usize;
        let tensor = |name: &str, dtypes: &[Dtype], elements: Option<usize>| {
            let info = metadata
                .info(name)
                .ok_or_else(|| Error::damaged(&path, format!("it has no tensor `{name}`")))?;
            let count: usize = info.shape.iter().product();
            if !dtypes.contains(&info.dtype) || elements.is_some_and(|e| e != count) {
                return Err(Error::damaged(
                    &path,
                    format!("tensor `{name}` has another dtype or shape"),
                ));
            }
            let (from, to) = info.data_offsets;
            Ok((start + from..start + to, info.dtype))
        };
        let (ids, dtype) = tensor("ids", &[Dtype::U16, Dtype::U32], None)?;
        let shard = Shard {
            records: n,
            wide: dtype == Dtype::U32,
            offsets: tensor("offsets", &[Dtype::U64], Some(2 * n + 1))?.0,
            ordinal: tensor("ordinal", &[Dtype::U64], Some(n))?.0,
            split_key: tensor("split_key", &[Dtype::U64], Some(n))?.0,
            text_digest: tensor("text_digest", &[Dtype::U64], Some(2 * n))?.0,
            quality: tensor("quality", &[Dtype::F32], Some(n))?.0,
            source: tensor("source", &[Dtype::U32], Some(n))?.0,
            survival: tensor("survival", &[Dtype::U32], Some(n))?.0,
            ids,
            path,
            map,
            blocks,
        };
        for range in [
            &shard.offsets,
            &shard.ordinal,
            &shard.split_key,
            &shard.text_digest,
            &shard.quality,
            &shard.source,
            &shard.survival,
        ] {
            shard.blocks.check(&shard.map, range.clone(), &shard.path)?;
        }
        Ok(shard)
    }

    fn array<T: Pod>(&self, range: &Range<usize>) -> Result<&[T]> {
        bytemuck::try_cast_slice(&self.map[range.clone()])
            .map_err(|_| Error::damaged(&self.path, "a tensor is not aligned"))
    }

    /// How many records it holds.
    pub fn records(&self) -> usize {
        self.records
    }

    /// Prompt and target ids of record `r` of this shard; checks the blocks they lie in on first touch.
    pub fn ids(&self, r: usize) -> Result<(Ids<'_>, Ids<'_>)> {
        let [a, b, c] = self.bounds(r)?;
        let width = if self.wide { 4 } else { 2 };
        let bytes = self.ids.start + a * width..self.ids.start + c * width;
        if a > b || b > c || bytes.end > self.ids.end {
            return Err(Error::damaged(
                &self.path,
                format!("the offsets of record {r} are out of order"),
            ));
        }
        self.blocks.check(&self.map, bytes, &self.path)?;
        Ok(if self.wide {
            let ids = self.array::<u32>(&self.ids)?;
            (Ids::Wide(&ids[a..b]), Ids::Wide(&ids[b..c]))
        } else {
            let ids = self.array::<u16>(&self.ids)?;
            (Ids::Narrow(&ids[a..b]), Ids::Narrow(&ids[b..c]))
        })
    }

    /// How many ids prompt and target of record `r` have; touches no ids.
    pub fn lengths(&self, r: usize) -> Result<(usize, usize)> {
        let [a, b, c] = self.bounds(r)?;
        Ok((b.saturating_sub(a), c.saturating_sub(b)))
    }

    fn bounds(&self, r: usize) -> Result<[usize; 3]> {
        let offsets = self.array::<u64>(&self.offsets)?;
        Ok([
            offsets[2 * r] as usize,
            offsets[2 * r + 1] as usize,
            offsets[2 * r + 2] as usize,
        ])
    }

    /// Where prompt and target of each record begin, and the end of all.
    pub fn all_bounds(&self) -> Result<&[u64]> {
        self.array(&self.offsets)
    }

    /// Each record's number within its source.
    pub fn ordinals(&self) -> Result<&[u64]> {
        self.array(&self.ordinal)
    }

    /// Each record's split key.
    pub fn split_keys(&self) -> Result<&[u64]> {
        self.array(&self.split_key)
    }

    /// Each record's text digest, two words a record.
    pub fn text_digests(&self) -> Result<&[u64]> {
        self.array(&self.text_digest)
    }

    /// Each record's score; NaN where there is none.
    pub fn qualities(&self) -> Result<&[f32]> {
        self.array(&self.quality)
    }

    /// Each record's source number.
    pub fn sources(&self) -> Result<&[u32]> {
        self.array(&self.source)
    }

    /// How each record's target survives the tokenizer.
    pub fn survival(&self, r: usize) -> Result<Survival> {
        Ok(Survival::of(self.array::<u32>(&self.survival)?[r]))
    }

    /// Checks every block, whether it was checked before or not.
    pub fn verify(&self) -> Result<()> {
        self.blocks.check_all(&self.map, &self.path)
    }
}
