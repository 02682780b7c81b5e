//! One shard while it is being filled; `shard` has the table of its tensors.

use safetensors::SafeTensorError;
use safetensors::tensor::{Dtype, TensorView, serialize};

/// What the writer knows of one record.
#[derive(Debug, Clone, PartialEq)]
pub struct NewRecord {
    /// Ids of the prompt, without special tokens.
    pub prompt: Vec<u32>,
    /// Ids of the target, without special tokens.
    pub target: Vec<u32>,
    /// The source's score; NaN where there is none.
    pub quality: f32,
    /// See `split`.
    pub split_key: u64,
    /// See `prepare`.
    pub text_digest: [u64; 2],
    /// The number of its source.
    pub source: u32,
    /// Its number within its source, from 0.
    pub ordinal: u64,
}

/// The records of a shard, column by column.
#[derive(Default)]
pub struct ShardBuffer {
    offsets: Vec<u64>,
    ordinal: Vec<u64>,
    split_key: Vec<u64>,
    text_digest: Vec<u64>,
    quality: Vec<f32>,
    source: Vec<u32>,
    ids: Vec<u32>,
}

impl ShardBuffer {
    /// Adds a record.
    pub fn push(&mut self, record: &NewRecord) {
        self.offsets.push(self.ids.len() as u64);
        self.ids.extend_from_slice(&record.prompt);
        self.offsets.push(self.ids.len() as u64);
        self.ids.extend_from_slice(&record.target);
        self.ordinal.push(record.ordinal);
        self.split_key.push(record.split_key);
        self.text_digest.extend_from_slice(&record.text_digest);
        self.quality.push(record.quality);
        self.source.push(record.source);
    }

    /// How many records it holds.
    pub fn records(&self) -> usize {
        self.source.len()
    }

    /// How many token ids it holds.
    pub fn tokens(&self) -> usize {
        self.ids.len()
    }

    /// The bytes of the shard's file; `wide` where ids need 32 bits.
    pub fn serialize(mut self, wide: bool) -> Result<Vec<u8>, SafeTensorError> {
        self.offsets.push(self.ids.len() as u64);
        let n = self.records();
        let narrow: Vec<u16> = match wide {
            true => Vec::new(),
            false => self.ids.iter().map(|&id| id as u16).collect(),
        };
        let ids = match wide {
            true => words(Dtype::U32, vec![self.ids.len()], &self.ids),
            false => words(Dtype::U16, vec![narrow.len()], &narrow),
        };
        let tensors = [
            (
                "offsets",
                words(Dtype::U64, vec![2 * n + 1], &self.offsets)?,
            ),
            ("ordinal", words(Dtype::U64, vec![n], &self.ordinal)?),
            ("split_key", words(Dtype::U64, vec![n], &self.split_key)?),
            (
                "text_digest",
                words(Dtype::U64, vec![n, 2], &self.text_digest)?,
            ),
            ("quality", words(Dtype::F32, vec![n], &self.quality)?),
            ("source", words(Dtype::U32, vec![n], &self.source)?),
            ("ids", ids?),
        ];
        serialize(tensors, None)
    }
}

fn words<T: bytemuck::NoUninit>(
    dtype: Dtype,
    shape: Vec<usize>,
    values: &[T],
) -> Result<TensorView<'_>, SafeTensorError> {
    TensorView::new(dtype, shape, bytemuck::cast_slice(values))
}
