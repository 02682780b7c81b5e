//! A micro-batch as the model takes it: a pure function of store, plan, tombstones, epoch and index.
//!
//! All tensors of a batch lie in one slab of a pool, each row written once:
//!
//! | tensor | shape | what |
//! |---|---|---|
//! | `input_ids` | rows, columns | the input, or the sequence; then the padding token |
//! | `attention_mask` | rows, columns | 1 for each id that counts, 0 for padding |
//! | `labels` | rows, target columns | what is learned, else [`IGNORED`]; a causal model's stand as its ids do, not shifted |
//! | `segment_ids` | rows, columns | packed: 1 for a row's first record, 2 for the second ..., 0 for padding |
//! | `position_ids` | rows, columns | packed: from 0 in each record |
//! | `cu_seqlens` | records + 1 | packed: where each record begins among all ids that count |
//! | `decoder_...` | | packed, encoder and decoder: the same three of the labels |
//!
//! `labels` are i64 and `cu_seqlens` i32; the others are i64 or i32, as [`Delivery`] says.

use xxhash_rust::xxh3::xxh3_128;

use crate::error::Result;
use crate::layout::{Layout, Lengths, Model};
use crate::memory::{Pool, Slab};
use crate::plan::{BatchLimit, Group, Plan};
use crate::store::{Element, Ids, TokenStore};

/// The label of a place that does not count.
pub const IGNORED: i64 = -100;

/// Tensors begin at multiples of so many words.
const ALIGNED: usize = 8;

/// The type of a tensor's elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dtype {
    /// Four bytes.
    I32,
    /// Eight bytes.
    I64,
}

/// How batches are handed over; outside the plan, since it changes no value.
#[derive(Clone)]
pub struct Delivery {
    /// Where their memory comes from.
    pub pool: Pool,
    /// The type of all but labels and `cu_seqlens`.
    pub inputs: Dtype,
}

/// One tensor of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tensor {
    /// See the table above.
    pub name: &'static str,
    /// Of its elements.
    pub dtype: Dtype,
    /// The first word of the slab.
    pub start: usize,
    /// How many rows.
    pub rows: usize,
    /// How many columns; `None` for one dimension.
    pub columns: Option<usize>,
}

impl Tensor {
    fn elements(&self) -> usize {
        self.rows * self.columns.unwrap_or(1)
    }

    fn words(&self) -> usize {
        match self.dtype {
            Dtype::I32 => self.elements().div_ceil(2),
            Dtype::I64 => self.elements(),
        }
    }
}

/// One micro-batch.
pub struct Batch {
    /// The epoch, from 0.
    pub epoch: u64,
    /// The global number of the micro-batch within the epoch, from 0.
    pub index: u64,
    /// The store's number of each record: of each row, or row by row where rows hold several.
    pub record_ids: Vec<i64>,
    /// Its tensors.
    pub tensors: Vec<Tensor>,
    /// What they lie in.
    pub slab: Slab,
}

impl Batch {
    /// A tensor's elements, row by row; empty where there is none of that name.
    pub fn values(&self, name: &str) -> Vec<i64> {
        let Some(tensor) = self.tensors.iter().find(|tensor| tensor.name == name) else {
            return Vec::new();
        };
        let words = &self.slab.words()[tensor.start..tensor.start + tensor.words()];
        match tensor.dtype {
            Dtype::I64 => bytemuck::cast_slice(words).to_vec(),
            Dtype::I32 => {
                let all: &[i32] = bytemuck::cast_slice(words);
                all[..tensor.elements()].iter().map(|&x| x.into()).collect()
            }
        }
    }

    /// Bytes of all tensors.
    pub fn bytes(&self) -> usize {
        let size = |dtype| if dtype == Dtype::I32 { 4 } else { 8 };
        self.tensors
            .iter()
            .map(|tensor| tensor.elements() * size(tensor.dtype))
            .sum()
    }
}

impl PartialEq for Batch {
    fn eq(&self, other: &Self) -> bool {
        (self.epoch, self.index) == (other.epoch, other.index)
            && self.record_ids == other.record_ids
            && self.tensors == other.tensors
            && self
                .tensors
                .iter()
                .all(|t| self.values(t.name) == other.values(t.name))
    }
}

impl std::fmt::Debug for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Batch({}, {}: {:?})",
            self.epoch, self.index, self.record_ids
        )
    }
}

/// Builds one micro-batch without the records that `masked` names. Too long texts are cut before their
/// end-of-text token.
///
/// # Errors
/// An index past the epoch's last; a damaged store.
pub fn build(
    store: &TokenStore,
    plan: &Plan,
    masked: impl Fn(usize) -> bool,
    delivery: &Delivery,
    (epoch, index): (u64, u64),
) -> Result<Batch> {
    let group = plan.records(epoch, index)?.without(masked);
    let layout = &plan.spec().layout;
    let texts: Vec<(Ids<'_>, Ids<'_>)> = group
        .records
        .iter()
        .map(|&record| store.ids(record))
        .collect::<Result<_>>()?;
    let lengths: Vec<Lengths> = texts
        .iter()
        .map(|(prompt, target)| layout.cut(prompt.len(), target.len()))
        .collect();
    let tensors = tensors(plan, &group, &lengths, delivery.inputs);
    let words = tensors.last().map_or(0, |last| last.start + last.words());
    let mut batch = Batch {
        epoch,
        index,
        record_ids: group.records.iter().map(|&record| record as i64).collect(),
        slab: delivery.pool.take(words)?,
        tensors,
    };
    match delivery.inputs {
        Dtype::I32 => write::<i32>(&texts, layout, &group, &lengths, &mut batch),
        Dtype::I64 => write::<i64>(&texts, layout, &group, &lengths, &mut batch),
    }
    Ok(batch)
}

/// Words of memory that any batch of a plan fits in.
///
/// # Errors
/// A damaged store.
pub fn most_words(store: &TokenStore, plan: &Plan) -> Result<usize> {
    let longest: usize = match plan.columns() {
        Some(columns) => columns.iter().sum(),
        None => plan.longest_sides(store)?.iter().sum(),
    };
    let places = match plan.spec().limit {
        BatchLimit::Tokens(tokens) => tokens as usize,
        BatchLimit::Rows(rows) => plan.most_rows(rows) * longest,
    };
    // At most five tensors have a side's width (ids, mask, labels, segments, positions), and there are no more
    // records than places.
    Ok(6 * places + 9 * ALIGNED)
}

/// The tensors of a batch and where they lie.
fn tensors(plan: &Plan, group: &Group, lengths: &[Lengths], inputs: Dtype) -> Vec<Tensor> {
    let layout = &plan.spec().layout;
    let longest = |side: usize| {
        lengths
            .iter()
            .map(|&l| layout.sides(l)[side])
            .max()
            .unwrap_or(0)
    };
    let [columns, mut target_columns] = plan.columns().unwrap_or_else(|| [longest(0), longest(1)]);
    let decoder = layout.model == Model::Seq2seq;
    if !decoder {
        target_columns = columns;
    }
    let matrix = |name, dtype, columns| (name, dtype, group.rows(), Some(columns));
    let ends = |name| (name, Dtype::I32, lengths.len() + 1, None);
    let mut parts = vec![
        matrix("input_ids", inputs, columns),
        matrix("attention_mask", inputs, columns),
        matrix("labels", Dtype::I64, target_columns),
    ];
    if group.ends.is_some() {
        parts.push(matrix("segment_ids", inputs, columns));
        parts.push(matrix("position_ids", inputs, columns));
        parts.push(ends("cu_seqlens"));
        if decoder {
            parts.push(matrix("decoder_segment_ids", inputs, target_columns));
            parts.push(matrix("decoder_position_ids", inputs, target_columns));
            parts.push(ends("decoder_cu_seqlens"));
        }
    }
    let mut start = 0;
    let place = |(name, dtype, rows, columns)| {
        let tensor = Tensor {
            name,
            dtype,
            start,
            rows,
            columns,
        };
        start += tensor.words().next_multiple_of(ALIGNED);
        tensor
    };
    parts.into_iter().map(place).collect()
}

/// The tensors of a slab, to write; those that the batch does not have are empty.
struct Parts<'a> {
    rest: &'a mut [u64],
    tensors: std::slice::Iter<'a, Tensor>,
}

impl<'a> Parts<'a> {
    fn next<T: Element>(&mut self) -> &'a mut [T] {
        let Some(tensor) = self.tensors.next() else {
            return &mut [];
        };
        let words = tensor
            .words()
            .next_multiple_of(ALIGNED)
            .min(self.rest.len());
        let (part, rest) = std::mem::take(&mut self.rest).split_at_mut(words);
        self.rest = rest;
        &mut bytemuck::cast_slice_mut(part)[..tensor.elements()]
    }
}

fn write<T: Element>(
    texts: &[(Ids<'_>, Ids<'_>)],
    layout: &Layout,
    group: &Group,
    lengths: &[Lengths],
    batch: &mut Batch,
) {
    let width = |place: usize| batch.tensors[place].columns.unwrap_or(0);
    let (columns, target_columns) = (width(0), width(2));
    let mut parts = Parts {
        rest: batch.slab.words_mut(),
        tensors: batch.tensors.iter(),
    };
    let ids: &mut [T] = parts.next();
    let mask: &mut [T] = parts.next();
    let labels: &mut [i64] = parts.next();
    let mut inputs = Segments::<T>::of(&mut parts);
    let mut targets = Segments::<T>::of(&mut parts);
    let (eos, pad) = (layout.eos_id, T::of(layout.pad_id));
    let mut records = texts.iter().zip(lengths).enumerate();
    let mut begin = 0;
    for row in 0..group.rows() {
        let end = group.ends.as_ref().map_or(row + 1, |ends| ends[row]);
        let ids = &mut ids[row * columns..(row + 1) * columns];
        let labels = &mut labels[row * target_columns..(row + 1) * target_columns];
        let (mut input, mut target) = (0, 0);
        for (number, (&(prompt_ids, target_ids), &length)) in records.by_ref().take(end - begin) {
            let [a, b] = layout.sides(length);
            match layout.model {
                Model::Seq2seq => {
                    ended(&mut ids[input..input + a], prompt_ids, eos);
                    ended(&mut labels[target..target + b], target_ids, eos);
                    targets.put(row * target_columns + target, b, number, begin);
                    target += b;
                }
                Model::Causal => {
                    let (prompt_part, target_part) =
                        ids[input..input + a].split_at_mut(length.prompt);
                    begun(prompt_part, prompt_ids, layout);
                    ended(target_part, target_ids, eos);
                    let labels = &mut labels[target..target + a];
                    let (prompt_part, target_part) = labels.split_at_mut(length.prompt);
                    if layout.loss_on_prompt {
                        begun(prompt_part, prompt_ids, layout);
                    }
                    ended(target_part, target_ids, eos);
                    labels[..a - layout.learned(length)].fill(IGNORED);
                    target += a;
                }
            }
            inputs.put(row * columns + input, a, number, begin);
            input += a;
        }
        ids[input..].fill(pad);
        let mask = &mut mask[row * columns..(row + 1) * columns];
        mask[..input].fill(T::of(1));
        mask[input..].fill(T::of(0));
        labels[target..].fill(IGNORED);
        inputs.end(row * columns + input, columns - input);
        targets.end(row * target_columns + target, target_columns - target);
        begin = end;
    }
}

/// The ids that fit before the last place, and the end-of-text token there.
fn ended<T: Element>(row: &mut [T], ids: Ids<'_>, eos: u32) {
    if let Some((last, body)) = row.split_last_mut() {
        ids.copy_to(body);
        *last = T::of(eos);
    }
}

/// Begin-of-text token, the ids that fit, and the separator.
fn begun<T: Element>(row: &mut [T], ids: Ids<'_>, layout: &Layout) {
    let (body, separator) = row.split_at_mut(row.len() - layout.separator_ids.len());
    separator
        .iter_mut()
        .zip(&layout.separator_ids)
        .for_each(|(place, &id)| *place = T::of(id));
    let (bos, body) = body.split_at_mut(usize::from(layout.bos_id.is_some()));
    bos.iter_mut()
        .zip(layout.bos_id)
        .for_each(|(place, id)| *place = T::of(id));
    ids.copy_to(body);
}

/// What tells the records of a packed row apart; empty for other plans.
struct Segments<'a, T> {
    numbers: &'a mut [T],
    positions: &'a mut [T],
    ends: &'a mut [i32],
    counted: i32,
}

impl<'a, T: Element> Segments<'a, T> {
    fn of(parts: &mut Parts<'a>) -> Self {
        let (numbers, positions, ends) = (parts.next(), parts.next(), parts.next::<i32>());
        if let Some(first) = ends.first_mut() {
            *first = 0;
        }
        Segments {
            numbers,
            positions,
            ends,
            counted: 0,
        }
    }

    /// Record `record` of the batch stands at these places; `first` is the first record of its row.
    fn put(&mut self, start: usize, length: usize, record: usize, first: usize) {
        if self.ends.is_empty() {
            return;
        }
        let places = start..start + length;
        self.numbers[places.clone()].fill(T::of((record - first + 1) as u32));
        let positions = self.positions[places].iter_mut().zip(0..);
        positions.for_each(|(place, position)| *place = T::of(position));
        self.counted += length as i32;
        self.ends[record + 1] = self.counted;
    }

    /// The rest of a row is padding.
    fn end(&mut self, start: usize, length: usize) {
        if !self.ends.is_empty() {
            self.numbers[start..start + length].fill(T::of(0));
            self.positions[start..start + length].fill(T::of(0));
        }
    }
}

/// Names what a micro-batch is made of, before it is masked, cut and padded: `x3:` and XXH3-128 of its record
/// ids, lengths and stored ids.
///
/// # Errors
/// As [`build`].
pub fn witness(store: &TokenStore, plan: &Plan, epoch: u64, index: u64) -> Result<String> {
    let mut bytes = Vec::with_capacity(1 << 15);
    for record in plan.records(epoch, index)?.records {
        let (prompt, target) = store.ids(record)?;
        for number in [record, prompt.len(), target.len()] {
            bytes.extend_from_slice(&(number as u64).to_le_bytes());
        }
        bytes.extend_from_slice(prompt.bytes());
        bytes.extend_from_slice(target.bytes());
    }
    Ok(format!("x3:{:032x}", xxh3_128(&bytes)))
}
