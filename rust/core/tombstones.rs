//! Records that a run must not see any more: they vanish from finished batches, and nothing else moves.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::fingerprint::Fingerprint;

/// A set of record numbers; cheap to clone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tombstones {
    /// Ascending, each once.
    records: Arc<[u64]>,
    digest: String,
}

impl Tombstones {
    /// Of these records of a store of `len`, in any order.
    ///
    /// # Errors
    /// [`Error::Argument`] for a number that is no record.
    pub fn new(mut records: Vec<u64>, len: usize) -> Result<Self> {
        records.sort_unstable();
        records.dedup();
        match records.last() {
            None => Ok(Tombstones::default()),
            Some(&last) if last >= len as u64 => Err(Error::Argument {
                name: "tombstones",
                reason: format!("{last} is not below {len}, the store's length"),
            }),
            Some(_) => {
                let digest = Fingerprint::of(bytemuck::cast_slice(&records)).to_string();
                Ok(Tombstones {
                    records: records.into(),
                    digest,
                })
            }
        }
    }

    /// Whether a record is masked. O(log n).
    pub fn contains(&self, record: usize) -> bool {
        !self.records.is_empty() && self.records.binary_search(&(record as u64)).is_ok()
    }

    /// Names the set; empty for none.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The masked records, ascending.
    pub fn records(&self) -> &[u64] {
        &self.records
    }
}
