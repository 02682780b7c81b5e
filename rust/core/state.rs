//! The saved form of a position, and the way back to it.
//!
//! 1. [`Epochs::state`] is a function of the position alone.
//! 2. [`Epochs::restore`] checks a state against everything that decides the batches, down to the ids of the
//!    next one: it rebuilds the witness.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::batch;
use crate::epoch::{Epochs, Position};
use crate::error::{Error, Result};
use crate::order::ORDER_VERSION;
use crate::plan::Plan;

/// Of the saved form.
pub const STATE_SCHEMA: &str = "chefgenius.loader/1";

/// A saved position with all that must be the same for it to mean the same. At most 512 bytes of JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// [`STATE_SCHEMA`].
    pub schema: String,
    /// [`ORDER_VERSION`].
    pub order: u32,
    /// The loader's seed.
    pub seed: u64,
    /// The next micro-batch's epoch.
    pub epoch: u64,
    /// The next micro-batch's number.
    pub index: u64,
    /// The store's fingerprint.
    pub store: String,
    /// The fingerprint of the tokenizer that filled it.
    pub tokenizer: String,
    /// The plan's fingerprint.
    pub plan: String,
    /// The digest of the masked records; empty where none is.
    pub tombstones: String,
    /// Names the content of the next micro-batch.
    pub witness: String,
}

/// What a saved state may differ in.
#[derive(Debug, Clone, Copy, Default)]
pub struct Allowed {
    /// A plan: its epoch is finished with it, the next one has the new plan.
    pub plan: bool,
    /// The masked records.
    pub tombstones: bool,
}

impl Epochs {
    /// What to save when the next micro-batch is the one at `at`.
    pub fn state(&self, at: Position) -> Result<State> {
        self.state_knowing(at, |_| None)
    }

    /// The same, where `known` may know the witness of a position already.
    pub fn state_knowing(
        &self,
        at: Position,
        known: impl FnOnce(Position) -> Option<String>,
    ) -> Result<State> {
        let at = self.boundary(self.normal(at));
        let witness = known(at).map_or_else(|| self.witness(at), Ok)?;
        let plan = self.plan_of(at.epoch);
        Ok(State {
            schema: STATE_SCHEMA.into(),
            order: ORDER_VERSION,
            seed: plan.seed(),
            epoch: at.epoch,
            index: at.index,
            store: self.store().fingerprint().to_string(),
            tokenizer: self.store().manifest().tokenizer.fingerprint.to_string(),
            plan: plan.fingerprint().to_string(),
            tombstones: self.tombstones().digest().to_owned(),
            witness,
        })
    }

    /// The position of a saved state, after checking that the batches from there on are the same, and the
    /// epochs to go on with.
    ///
    /// # Errors
    /// [`Error::State`] for what is no state; [`Error::StateMismatch`] names the first thing that differs.
    pub fn restore(&self, saved: &str, allowed: Allowed) -> Result<(Epochs, Position)> {
        let saved: State = serde_json::from_str(saved).map_err(|e| Error::State(e.to_string()))?;
        self.compare(&saved)?;
        if saved.tombstones != self.tombstones().digest() && !allowed.tombstones {
            return Err(differs(
                "tombstones",
                &saved.tombstones,
                self.tombstones().digest(),
                "mask the records that the saved run masked, or allow it: `load_state_dict(state, allow=[\"tombstones\"])`",
            ));
        }
        let at = Position {
            epoch: saved.epoch,
            index: saved.index,
        };
        let begun = match saved.plan == self.plan().fingerprint().as_str() {
            true => None,
            false => Some(Arc::new(self.plan_begun(&saved, allowed)?)),
        };
        let plan = begun.as_deref().unwrap_or_else(|| self.plan());
        if at.epoch >= 1 << 63 || at.index >= plan.micro_batches() {
            return Err(Error::State(format!(
                "epoch {}, index {} is past the epoch's last micro-batch, {}",
                at.epoch,
                at.index,
                plan.micro_batches() - 1
            )));
        }
        let here = batch::witness(self.store(), plan, at.epoch, at.index)?;
        if saved.witness != here {
            return Err(differs(
                "witness",
                &saved.witness,
                &here,
                "the next batch is not the saved one although all names agree: restore the store from a good copy",
            ));
        }
        // At its beginning nothing of an epoch was seen: it has the new plan at once.
        let begun = begun.filter(|_| at.index > 0);
        let epochs = self.with_begun(begun.map(|plan| (at.epoch, plan)))?;
        Ok((epochs, at))
    }

    /// What no option can allow.
    fn compare(&self, saved: &State) -> Result<()> {
        let tokenizer = self.store().manifest().tokenizer.fingerprint.as_str();
        let rows = [
            (
                "schema",
                saved.schema.clone(),
                STATE_SCHEMA.to_owned(),
                "load it with the version of chefgenius that wrote it",
            ),
            (
                "order",
                saved.order.to_string(),
                ORDER_VERSION.to_string(),
                "load it with the version of chefgenius that wrote it",
            ),
            (
                "seed",
                saved.seed.to_string(),
                self.plan().seed().to_string(),
                "make the loader with the saved seed",
            ),
            (
                "tokenizer",
                saved.tokenizer.clone(),
                tokenizer.to_owned(),
                "prepare the store with the tokenizer that the state was saved with",
            ),
            (
                "store",
                saved.store.clone(),
                self.store().fingerprint().to_string(),
                "open the store that the state was saved with: its records or its template have changed",
            ),
        ];
        let other = rows.into_iter().find(|(_, saved, here, _)| saved != here);
        match other {
            Some((field, saved, here, remedy)) => Err(differs(field, &saved, &here, remedy)),
            None => Ok(()),
        }
    }

    /// The saved plan, to finish its epoch with.
    fn plan_begun(&self, saved: &State, allowed: Allowed) -> Result<Plan> {
        let refused = |remedy| {
            differs(
                "plan",
                &saved.plan,
                self.plan().fingerprint().as_str(),
                remedy,
            )
        };
        if !allowed.plan {
            return Err(refused(
                "make the loader with the plan, batch size, lengths, split, quality filter, weights and micro_batches_per_step of the saved run, or finish the epoch with them first: `on_plan_change=\"next_epoch\"`",
            ));
        }
        let begun = Plan::find(self.store(), &saved.plan, self.plan().seed()).ok_or_else(|| {
            refused("the saved plan is not kept in the store's `views`: finish the epoch with a loader of its options")
        })??;
        if begun.spec().view != self.plan().spec().view {
            return Err(refused(
                "its split or quality filter is another, which would mix what is held out with what is trained on: make the loader with those of the saved run",
            ));
        }
        Ok(begun)
    }
}

fn differs(field: &'static str, saved: &str, here: &str, remedy: &'static str) -> Error {
    Error::StateMismatch {
        field,
        saved: format!("`{saved}`"),
        here: format!("`{here}`"),
        remedy,
    }
}
