//! A micro-batch as the model takes it: a pure function of store, plan, seed, epoch and index.

use xxhash_rust::xxh3::Xxh3;

use crate::error::Result;
use crate::plan::Plan;
use crate::store::{Ids, TokenStore};

/// The label of a place that does not count.
pub const IGNORED: i64 = -100;

/// One micro-batch; the arrays are row-major, their rows padded to the longest of the batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The epoch, from 0.
    pub epoch: u64,
    /// The global number of the micro-batch within the epoch, from 0.
    pub index: u64,
    /// Rows.
    pub rows: usize,
    /// Columns of `input_ids` and `attention_mask`.
    pub input_length: usize,
    /// Columns of `labels`.
    pub target_length: usize,
    /// The store's number of each row's record.
    pub record_ids: Vec<i64>,
    /// Prompt and end-of-text token, then padding.
    pub input_ids: Vec<i64>,
    /// 1 for each id that counts, 0 for padding.
    pub attention_mask: Vec<i64>,
    /// Target and end-of-text token, then [`IGNORED`].
    pub labels: Vec<i64>,
}

/// Builds one micro-batch. Too long texts are cut before their end-of-text token.
///
/// # Errors
/// An index past the epoch's last; a damaged store.
pub fn build(store: &TokenStore, plan: &Plan, seed: u64, epoch: u64, index: u64) -> Result<Batch> {
    let records = plan.records(seed, epoch, index)?;
    let lengths = records
        .iter()
        .map(|&record| plan.row_lengths(store, record))
        .collect::<Result<Vec<_>>>()?;
    let rows = records.len();
    let input_length = lengths.iter().map(|l| l.0).max().unwrap_or(0);
    let target_length = lengths.iter().map(|l| l.1).max().unwrap_or(0);
    let mut batch = Batch {
        epoch,
        index,
        rows,
        input_length,
        target_length,
        record_ids: records.iter().map(|&record| record as i64).collect(),
        input_ids: vec![plan.spec().pad_id.into(); rows * input_length],
        attention_mask: vec![0; rows * input_length],
        labels: vec![IGNORED; rows * target_length],
    };
    let eos = i64::from(plan.spec().eos_id);
    for (row, (&record, &(input, target))) in records.iter().zip(&lengths).enumerate() {
        let (prompt_ids, target_ids) = store.ids(record)?;
        let at = row * input_length;
        fill(&mut batch.input_ids[at..at + input], prompt_ids, eos);
        batch.attention_mask[at..at + input].fill(1);
        let at = row * target_length;
        fill(&mut batch.labels[at..at + target], target_ids, eos);
    }
    Ok(batch)
}

/// The ids that fit before the last place, and the end-of-text token there.
fn fill(row: &mut [i64], ids: Ids<'_>, eos: i64) {
    if let Some((last, body)) = row.split_last_mut() {
        ids.copy_to(body);
        *last = eos;
    }
}

/// Names what a micro-batch is made of, before it is cut and padded: `x3:` and XXH3-128 of its record
/// ids, lengths and stored ids.
pub fn witness(
    store: &TokenStore,
    plan: &Plan,
    seed: u64,
    epoch: u64,
    index: u64,
) -> Result<String> {
    let mut hasher = Xxh3::new();
    for record in plan.records(seed, epoch, index)? {
        let (prompt, target) = store.ids(record)?;
        for number in [record, prompt.len(), target.len()] {
            hasher.update(&(number as u64).to_le_bytes());
        }
        hasher.update(prompt.bytes());
        hasher.update(target.bytes());
    }
    Ok(format!("x3:{:032x}", hasher.digest128()))
}
