//! One shard while it is being filled; `shard` has the table of its tensors.
//!
//! 1. [`ShardBuffer::push`] adds a record to the columns; ids are kept as wide as the file has them.
//! 2. [`ShardBuffer::parts`] gives the file piece by piece, so that there is never a second copy of it.

use std::io;

use safetensors::tensor::{Dtype, Metadata, TensorInfo};

/// What the writer knows of one record; `I` is a slice of ids or owns them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NewRecord<I = Vec<u32>> {
    /// Ids of the prompt, without special tokens.
    pub prompt: I,
    /// Ids of the target, without special tokens.
    pub target: I,
    /// The source's score; NaN where there is none.
    pub quality: f32,
    /// See `split`.
    pub split_key: u64,
    /// See `prepare`.
    pub text_digest: [u64; 2],
    /// How the target survives the tokenizer.
    pub survival: Survival,
    /// The number of its source.
    pub source: u32,
    /// Its number within its source, from 0.
    pub ordinal: u64,
}

/// How a target survives the tokenizer: a function of its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Survival {
    /// Whether title, ingredients and steps come back the same.
    pub is_same: bool,
    /// How many quantities stand in it; at most 2^31 - 1.
    pub quantities: u32,
}

impl Survival {
    /// As the tensor has it: twice the quantities, and one more where the target is the same.
    fn word(self) -> u32 {
        self.quantities << 1 | u32::from(self.is_same)
    }

    /// Of such a word.
    pub(super) fn of(word: u32) -> Self {
        Survival {
            is_same: word & 1 == 1,
            quantities: word >> 1,
        }
    }
}

/// Token ids in the width of the file.
enum IdBuffer {
    Narrow(Vec<u16>),
    Wide(Vec<u32>),
}

impl IdBuffer {
    fn extend(&mut self, ids: &[u32]) {
        match self {
            // An id of a vocabulary of at most 2^16.
            IdBuffer::Narrow(buffer) => buffer.extend(ids.iter().map(|&id| id as u16)),
            IdBuffer::Wide(buffer) => buffer.extend_from_slice(ids),
        }
    }

    fn len(&self) -> usize {
        match self {
            IdBuffer::Narrow(buffer) => buffer.len(),
            IdBuffer::Wide(buffer) => buffer.len(),
        }
    }

    fn clear(&mut self) {
        match self {
            IdBuffer::Narrow(buffer) => buffer.clear(),
            IdBuffer::Wide(buffer) => buffer.clear(),
        }
    }
}

/// The records of a shard, column by column.
pub struct ShardBuffer {
    offsets: Vec<u64>,
    ordinal: Vec<u64>,
    split_key: Vec<u64>,
    text_digest: Vec<u64>,
    quality: Vec<f32>,
    source: Vec<u32>,
    survival: Vec<u32>,
    ids: IdBuffer,
}

impl ShardBuffer {
    /// An empty one for ids below `vocab_size`.
    pub fn new(vocab_size: u32) -> Self {
        ShardBuffer {
            offsets: vec![0],
            ordinal: Vec::new(),
            split_key: Vec::new(),
            text_digest: Vec::new(),
            quality: Vec::new(),
            source: Vec::new(),
            survival: Vec::new(),
            ids: match vocab_size > 1 << 16 {
                true => IdBuffer::Wide(Vec::new()),
                false => IdBuffer::Narrow(Vec::new()),
            },
        }
    }

    /// Adds a record.
    pub fn push<I: AsRef<[u32]>>(&mut self, record: &NewRecord<I>) {
        for ids in [&record.prompt, &record.target] {
            self.ids.extend(ids.as_ref());
            self.offsets.push(self.ids.len() as u64);
        }
        self.ordinal.push(record.ordinal);
        self.split_key.push(record.split_key);
        self.text_digest.extend_from_slice(&record.text_digest);
        self.quality.push(record.quality);
        self.source.push(record.source);
        self.survival.push(record.survival.word());
    }

    /// How many records it holds.
    pub fn records(&self) -> usize {
        self.source.len()
    }

    /// How many token ids it holds.
    pub fn tokens(&self) -> usize {
        self.ids.len()
    }

    /// Empties it; its memory stays for the next shard.
    pub fn clear(&mut self) {
        self.offsets.truncate(1);
        self.ordinal.clear();
        self.split_key.clear();
        self.text_digest.clear();
        self.quality.clear();
        self.source.clear();
        self.survival.clear();
        self.ids.clear();
    }

    /// The file: its header, then each tensor's bytes.
    ///
    /// # Errors
    /// The header cannot be written down.
    pub fn parts(&self) -> io::Result<(Vec<u8>, [&[u8]; 8])> {
        let n = self.records();
        let (dtype, ids): (_, &[u8]) = match &self.ids {
            IdBuffer::Narrow(ids) => (Dtype::U16, bytemuck::cast_slice(ids)),
            IdBuffer::Wide(ids) => (Dtype::U32, bytemuck::cast_slice(ids)),
        };
        // From eight bytes an element to two, so that each begins at a multiple of its own.
        let columns: [(&str, Dtype, Vec<usize>, &[u8]); 8] = [
            ("offsets", Dtype::U64, vec![2 * n + 1], cast(&self.offsets)),
            ("ordinal", Dtype::U64, vec![n], cast(&self.ordinal)),
            ("split_key", Dtype::U64, vec![n], cast(&self.split_key)),
            (
                "text_digest",
                Dtype::U64,
                vec![n, 2],
                cast(&self.text_digest),
            ),
            ("quality", Dtype::F32, vec![n], cast(&self.quality)),
            ("source", Dtype::U32, vec![n], cast(&self.source)),
            ("survival", Dtype::U32, vec![n], cast(&self.survival)),
            ("ids", dtype, vec![self.tokens()], ids),
        ];
        let mut end = 0;
        let tensors = columns.each_ref().map(|(name, dtype, shape, bytes)| {
            let begin = end;
            end += bytes.len();
            let info = TensorInfo {
                dtype: *dtype,
                shape: shape.clone(),
                data_offsets: (begin, end),
            };
            ((*name).to_owned(), info)
        });
        Ok((
            header(tensors.into())?,
            columns.map(|(_, _, _, bytes)| bytes),
        ))
    }
}

/// The length of the header, then the header, padded so that the tensors begin at a multiple of eight.
fn header(tensors: Vec<(String, TensorInfo)>) -> io::Result<Vec<u8>> {
    let metadata = Metadata::new(None, tensors).map_err(io::Error::other)?;
    let mut text = serde_json::to_vec(&metadata)?;
    text.resize(text.len().next_multiple_of(8), b' ');
    let mut header = (text.len() as u64).to_le_bytes().to_vec();
    header.append(&mut text);
    Ok(header)
}

fn cast<T: bytemuck::NoUninit>(values: &[T]) -> &[u8] {
    bytemuck::cast_slice(values)
}
