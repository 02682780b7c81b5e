//! What turns an order into micro-batches. Here the kind `fixed`: consecutive places of the order.
//!
//! 1. [`Plan::new`] checks the [`PlanSpec`], opens the view and names itself by a fingerprint.
//! 2. [`Plan::records`] gives the records of any micro-batch of any epoch, alone.
//! 3. Micro-batches are grouped into optimizer steps of `micro_batches_per_step`; a step never crosses
//!    an epoch, the last one has what is left.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::fingerprint::Fingerprint;
use crate::order::Permutation;
use crate::store::TokenStore;
use crate::view::{View, ViewSpec};

/// How records are grouped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PlanKind {
    /// `batch_size` consecutive places of the order, padded to the longest.
    Fixed,
}

/// Everything besides store, seed and order that decides what a micro-batch is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanSpec {
    /// How records are grouped.
    pub kind: PlanKind,
    /// Which records.
    pub view: ViewSpec,
    /// Rows of a micro-batch; the last one of an epoch may have fewer.
    pub batch_size: u32,
    /// Token ids of a row's input at most, its end-of-text token included.
    pub max_input_length: u32,
    /// Token ids of a row's labels at most, its end-of-text token included.
    pub max_target_length: u32,
    /// Micro-batches of an optimizer step.
    pub micro_batches_per_step: u32,
    /// The id that ends input and labels.
    pub eos_id: u32,
    /// The id that fills the inputs' rows.
    pub pad_id: u32,
}

/// A plan over the records of one store.
pub struct Plan {
    spec: PlanSpec,
    view: View,
    fingerprint: Fingerprint,
    /// The order that was used last: only a cache.
    order: Mutex<Option<(u64, u64, Arc<Permutation>)>>,
}

impl Plan {
    /// Opens the plan's view of the store.
    ///
    /// # Errors
    /// [`Error::Argument`] names the option that is out of range.
    pub fn new(store: &TokenStore, spec: PlanSpec) -> Result<Self> {
        let at_least = |name, value: u32, least: u32| match value {
            v if v < least => Err(Error::Argument {
                name,
                reason: format!("{v} is below {least}"),
            }),
            _ => Ok(()),
        };
        at_least("batch_size", spec.batch_size, 1)?;
        at_least("max_input_length", spec.max_input_length, 2)?;
        at_least("max_target_length", spec.max_target_length, 2)?;
        at_least("micro_batches_per_step", spec.micro_batches_per_step, 1)?;
        let text = serde_json::to_string(&spec).map_err(|e| Error::State(e.to_string()))?;
        Ok(Plan {
            view: View::open(store, &spec.view)?,
            fingerprint: Fingerprint::of(text.as_bytes()),
            order: Mutex::new(None),
            spec,
        })
    }

    /// What it was made from.
    pub fn spec(&self) -> &PlanSpec {
        &self.spec
    }

    /// Names the specification.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// The records it orders.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// Micro-batches in every epoch.
    pub fn micro_batches(&self) -> u64 {
        (self.view.len() as u64).div_ceil(self.spec.batch_size.into())
    }

    /// Optimizer steps in every epoch.
    pub fn steps(&self) -> u64 {
        self.micro_batches()
            .div_ceil(self.spec.micro_batches_per_step.into())
    }

    /// The micro-batches of a step.
    ///
    /// # Errors
    /// [`Error::Argument`] for a step past the epoch's last.
    pub fn step(&self, step: u64) -> Result<Range<u64>> {
        if step >= self.steps() {
            return Err(Error::Argument {
                name: "step",
                reason: format!(
                    "{step} is not below {}, the steps of an epoch",
                    self.steps()
                ),
            });
        }
        let size = u64::from(self.spec.micro_batches_per_step);
        Ok(step * size..((step + 1) * size).min(self.micro_batches()))
    }

    /// The records of micro-batch `index` of `epoch`, in the order of its rows.
    ///
    /// # Errors
    /// [`Error::Argument`] for an index past the epoch's last.
    pub fn records(&self, seed: u64, epoch: u64, index: u64) -> Result<Vec<usize>> {
        if index >= self.micro_batches() {
            return Err(Error::Argument {
                name: "index",
                reason: format!(
                    "{index} is not below {}, the micro-batches of an epoch",
                    self.micro_batches()
                ),
            });
        }
        let order = self.order(seed, epoch);
        let rows = u64::from(self.spec.batch_size);
        let places = index * rows..((index + 1) * rows).min(order.len());
        Ok(places
            .map(|place| self.view.record(order.at(place)))
            .collect())
    }

    fn order(&self, seed: u64, epoch: u64) -> Arc<Permutation> {
        let mut cached = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((s, e, order)) = &*cached
            && (*s, *e) == (seed, epoch)
        {
            return Arc::clone(order);
        }
        let order = Arc::new(Permutation::new(
            self.view.len() as u64,
            seed,
            epoch,
            "records",
        ));
        *cached = Some((seed, epoch, Arc::clone(&order)));
        order
    }

    /// How many ids a record's input and labels have in a batch: cut, with their end-of-text tokens.
    pub fn row_lengths(&self, store: &TokenStore, record: usize) -> Result<(usize, usize)> {
        let (prompt, target) = store.lengths(record)?;
        Ok((
            (prompt + 1).min(self.spec.max_input_length as usize),
            (target + 1).min(self.spec.max_target_length as usize),
        ))
    }
}
