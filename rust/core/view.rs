//! What split and filter leave of a store: the numbers of the records that one loader sees.
//!
//! A view is built once per (store, [`ViewSpec`]) and kept beside the store as 4 bytes a record with
//! a checksum; it may be deleted at any time.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::error::{Error, Result};
use crate::fingerprint::Fingerprint;
use crate::split::is_validation;
use crate::store::TokenStore;

/// Which side of the split a loader sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// What is not held out.
    Train,
    /// What is held out.
    Validation,
    /// Both.
    All,
}

impl std::str::FromStr for Split {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "train" => Ok(Split::Train),
            "validation" => Ok(Split::Validation),
            "all" => Ok(Split::All),
            other => Err(Error::Argument {
                name: "split",
                reason: format!("`{other}` is none of `train`, `validation`, `all`"),
            }),
        }
    }
}

/// Which records of a store a view holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ViewSpec {
    /// Which side of the split.
    pub split: Split,
    /// The share of bodies that is held out, from 0 to 1, where no source is.
    pub validation_fraction: f64,
    /// Numbers of the sources that are held out whole (see [`TokenStore::source_number`]). Their bodies are
    /// then in no other view.
    pub validation_sources: BTreeSet<u32>,
    /// Chooses which bodies are held out; not the training seed.
    pub split_seed: u64,
    /// Records with a score below this are left out; records without a score stay.
    pub min_quality: Option<f32>,
}

/// The records of a view, in the order of the store.
pub struct View {
    records: Vec<u32>,
}

impl View {
    /// Reads the view that is kept beside the store, or builds it and keeps it there.
    ///
    /// # Errors
    /// [`Error::Argument`] for a fraction outside 0 to 1, a quality that is no number, or a view
    /// without a record.
    pub fn open(store: &TokenStore, spec: &ViewSpec) -> Result<Self> {
        if !(0.0..=1.0).contains(&spec.validation_fraction) {
            return Err(Error::Argument {
                name: "validation_fraction",
                reason: format!("{} is not between 0 and 1", spec.validation_fraction),
            });
        }
        if spec.min_quality.is_some_and(f32::is_nan) {
            return Err(Error::Argument {
                name: "min_quality",
                reason: "it is not a number".into(),
            });
        }
        let key = serde_json::to_string(&(spec, store.fingerprint(), 1))
            .map_err(|e| Error::State(e.to_string()))?;
        let dir = store.path().join("views");
        let path = dir.join(format!(
            "{}.safetensors",
            Fingerprint::of(key.as_bytes()).hex()
        ));
        let records = match Self::read(&path) {
            Some(records) => records,
            None => {
                let records = Self::build(store, spec)?;
                // Only a cache: where it cannot be kept (a read-only place, a full disk) it is built again.
                drop(Self::write(&dir, &path, &records));
                records
            }
        };
        if records.is_empty() {
            return Err(empty(store, spec));
        }
        Ok(View { records })
    }

    /// How many records the view holds; at least 1.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Always false.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The record at a position of the view.
    pub fn record(&self, position: u64) -> usize {
        self.records[position as usize] as usize
    }

    fn build(store: &TokenStore, spec: &ViewSpec) -> Result<Vec<u32>> {
        let held_out = &spec.validation_sources;
        if u32::try_from(store.len()).is_err() {
            return Err(Error::Argument {
                name: "store",
                reason: format!("{} records are more than a view can number", store.len()),
            });
        }
        // A body that stands in a held-out source stands on that side only, wherever else it occurs.
        let mut bodies = HashSet::new();
        if !held_out.is_empty() {
            store.for_each_info(|_, info| {
                if held_out.contains(&info.source) {
                    bodies.insert(info.split_key);
                }
            })?;
        }
        let mut records = Vec::with_capacity(store.len());
        store.for_each_info(|record, info| {
            let side = match spec.split {
                Split::All => true,
                side if held_out.is_empty() => {
                    let validation =
                        is_validation(info.split_key, spec.split_seed, spec.validation_fraction);
                    validation == (side == Split::Validation)
                }
                Split::Validation => held_out.contains(&info.source),
                Split::Train => !bodies.contains(&info.split_key),
            };
            let good = !spec.min_quality.is_some_and(|least| info.quality < least);
            if side && good {
                records.push(record as u32);
            }
        })?;
        Ok(records)
    }

    /// `None` where there is none, or not a whole one: it is only a cache.
    fn read(path: &Path) -> Option<Vec<u32>> {
        let bytes = fs::read(path).ok()?;
        let tensors = SafeTensors::deserialize(&bytes).ok()?;
        let records = tensors.tensor("records").ok()?;
        let check = tensors.tensor("check").ok()?;
        if check.data() != xxh3_64(records.data()).to_le_bytes() || records.dtype() != Dtype::U32 {
            return None;
        }
        let words = records.data().chunks_exact(4);
        Some(words.map(bytemuck::pod_read_unaligned).collect())
    }

    fn write(dir: &Path, path: &Path, records: &[u32]) -> Result<()> {
        let bytes: &[u8] = bytemuck::cast_slice(records);
        let check = xxh3_64(bytes).to_le_bytes();
        let state = |e: safetensors::SafeTensorError| Error::State(e.to_string());
        let tensors = [
            (
                "records",
                TensorView::new(Dtype::U32, vec![records.len()], bytes).map_err(state)?,
            ),
            (
                "check",
                TensorView::new(Dtype::U64, vec![1], &check).map_err(state)?,
            ),
        ];
        let file = serialize(tensors, None).map_err(state)?;
        let temporary = path.with_extension(format!("new-{}", std::process::id()));
        let written = fs::create_dir_all(dir)
            .and_then(|()| fs::write(&temporary, file))
            .and_then(|()| fs::rename(&temporary, path));
        if written.is_err() {
            // Half of it is of no use, and there may be nothing to remove.
            drop(fs::remove_file(&temporary));
        }
        written.map_err(|e| Error::io(path, "write", e))
    }
}

fn empty(store: &TokenStore, spec: &ViewSpec) -> Error {
    let (name, remedy) = match spec.split {
        Split::Validation => (
            "validation_fraction",
            "raise `data.validation_fraction`, name files in `data.validation_sources`, or train without evaluation (`eval.every_steps=0`)",
        ),
        _ if spec.min_quality.is_some() => ("min_quality", "lower `data.min_quality`"),
        _ => ("validation_fraction", "lower `data.validation_fraction`"),
    };
    Error::Argument {
        name,
        reason: format!(
            "none of the {} records is left for split `{}`: {remedy}",
            store.len(),
            match spec.split {
                Split::Train => "train",
                Split::Validation => "validation",
                Split::All => "all",
            }
        ),
    }
}
