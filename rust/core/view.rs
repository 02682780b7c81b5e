//! What split and filter leave of a store: the numbers of the records that one loader sees.
//!
//! A view is built in one pass over what the store knows of its records; the plan that is made of it is
//! kept beside the store, so that the pass is made once.

use std::collections::{BTreeSet, HashSet};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
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

impl ViewSpec {
    /// Whether the view is the whole store, so that positions are record numbers.
    pub fn is_whole(&self) -> bool {
        self.split == Split::All && self.min_quality.is_none()
    }

    /// # Errors
    /// [`Error::Argument`] for a fraction outside 0 to 1 or a quality that is no number.
    pub fn check(&self) -> Result<()> {
        if !(0.0..=1.0).contains(&self.validation_fraction) {
            return Err(Error::Argument {
                name: "validation_fraction",
                reason: format!("{} is not between 0 and 1", self.validation_fraction),
            });
        }
        if self.min_quality.is_some_and(f32::is_nan) {
            return Err(Error::Argument {
                name: "min_quality",
                reason: "it is not a number".into(),
            });
        }
        Ok(())
    }
}

/// The records that `spec` leaves of a store, ascending; at least one.
///
/// # Errors
/// [`Error::Argument`] as [`ViewSpec::check`], or where no record is left.
pub fn records(store: &TokenStore, spec: &ViewSpec) -> Result<Vec<u32>> {
    spec.check()?;
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
    if records.is_empty() {
        return Err(empty(store, spec));
    }
    Ok(records)
}

fn empty(store: &TokenStore, spec: &ViewSpec) -> Error {
    let (name, remedy) = match spec.split {
        Split::Validation => (
            "validation_fraction",
            "raise `data.validation_fraction`, name files in `data.validation_sources`, or train without evaluation (`eval.every_steps=0`)",
        ),
        _ if spec.min_quality.is_some() => ("min_quality", "lower `data.min_quality`"),
        _ if !spec.validation_sources.is_empty() => (
            "validation_sources",
            "leave a file out of `data.validation_sources`, or add one to train on",
        ),
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
