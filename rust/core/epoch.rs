//! Where a loader stands, as two integers, and the saved form of that.
//!
//! 1. A [`Position`] is the epoch and the global number of the next micro-batch; after the last one of an
//!    epoch it is (epoch + 1, 0), its only form.
//! 2. [`Epochs`] knows which micro-batches are a rank's own and what follows what.
//! 3. [`Epochs::state`] is a function of the position alone; [`Epochs::restore`] checks a state against
//!    everything that decides the batches, down to the ids of the next one.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::batch::{self, Batch};
use crate::error::{Error, Result};
use crate::order::ORDER_VERSION;
use crate::plan::Plan;
use crate::store::TokenStore;

/// Of the saved form.
pub const STATE_SCHEMA: &str = "chefgenius.loader/1";

/// The next micro-batch: epoch and global number within it, both from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The epoch.
    pub epoch: u64,
    /// The micro-batch within it.
    pub index: u64,
}

impl Position {
    /// The beginning of an epoch.
    pub fn start(epoch: u64) -> Self {
        Position { epoch, index: 0 }
    }
}

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

/// All epochs of one plan over one store, as one rank of a world sees them.
pub struct Epochs {
    store: Arc<TokenStore>,
    plan: Plan,
    seed: u64,
    rank: u32,
    world_size: u32,
}

impl Epochs {
    /// # Errors
    /// [`Error::Argument`] for a rank outside the world, or a world larger than a step.
    pub fn new(
        store: Arc<TokenStore>,
        plan: Plan,
        seed: u64,
        rank: u32,
        world_size: u32,
    ) -> Result<Self> {
        if rank >= world_size {
            return Err(Error::Argument {
                name: "rank",
                reason: format!("{rank} is not below `world_size` = {world_size}"),
            });
        }
        let slots = plan.spec().micro_batches_per_step;
        if world_size > slots {
            return Err(Error::Argument {
                name: "world_size",
                reason: format!(
                    "{world_size} is above `micro_batches_per_step` = {slots}: some ranks would never get a batch"
                ),
            });
        }
        Ok(Epochs {
            store,
            plan,
            seed,
            rank,
            world_size,
        })
    }

    /// The store.
    pub fn store(&self) -> &TokenStore {
        &self.store
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The seed of the order.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Builds any micro-batch of any epoch, own or not.
    pub fn build(&self, at: Position) -> Result<Batch> {
        batch::build(&self.store, &self.plan, self.seed, at.epoch, at.index)
    }

    fn slots(&self) -> u64 {
        self.plan.spec().micro_batches_per_step.into()
    }

    /// Whether this rank gets micro-batch `index`: slots go round the ranks.
    fn owns(&self, index: u64) -> bool {
        (index % self.slots()) % u64::from(self.world_size) == u64::from(self.rank)
    }

    /// How many micro-batches of every epoch this rank gets. O(1).
    pub fn own_batches(&self) -> u64 {
        let own_of = |slots: u64| {
            (slots + u64::from(self.world_size - 1 - self.rank)) / u64::from(self.world_size)
        };
        let total = self.plan.micro_batches();
        total / self.slots() * own_of(self.slots()) + own_of(total % self.slots())
    }

    /// The first own micro-batch of the same epoch at or after `from`, if any is left.
    pub fn next_own(&self, from: Position) -> Option<Position> {
        // A step has an own slot among its first `world_size`, unless it is the short last one.
        (from.index..self.plan.micro_batches())
            .find(|&index| self.owns(index))
            .map(|index| Position { index, ..from })
    }

    /// The position after `at`.
    pub fn after(&self, at: Position) -> Position {
        self.normal(Position {
            index: at.index + 1,
            ..at
        })
    }

    fn normal(&self, at: Position) -> Position {
        if at.index < self.plan.micro_batches() {
            return at;
        }
        Position::start(at.epoch.saturating_add(1))
    }

    /// The position that may be saved when this rank stands at `at`. With one rank any; with more
    /// only step boundaries, so that all ranks save the same: inside a step that is its beginning, and
    /// its end once this rank has no more of it to do.
    fn boundary(&self, at: Position) -> Position {
        let inside = at.index % self.slots();
        if self.world_size == 1 || inside == 0 {
            return at;
        }
        let begin = at.index - inside;
        let end = (begin + self.slots()).min(self.plan.micro_batches());
        if (at.index..end).any(|index| self.owns(index)) {
            Position { index: begin, ..at }
        } else {
            self.normal(Position { index: end, ..at })
        }
    }

    /// What to save when the next micro-batch is the one at `at`.
    pub fn state(&self, at: Position) -> Result<State> {
        let at = self.boundary(self.normal(at));
        Ok(State {
            schema: STATE_SCHEMA.into(),
            order: ORDER_VERSION,
            seed: self.seed,
            epoch: at.epoch,
            index: at.index,
            store: self.store.fingerprint().to_string(),
            tokenizer: self.store.manifest().tokenizer.fingerprint.to_string(),
            plan: self.plan.fingerprint().to_string(),
            tombstones: String::new(),
            witness: batch::witness(&self.store, &self.plan, self.seed, at.epoch, at.index)?,
        })
    }

    /// The position of a saved state, after checking that the batches from there on are the same.
    ///
    /// # Errors
    /// [`Error::State`] for what is no state; [`Error::StateMismatch`] names the first thing that differs.
    pub fn restore(&self, saved: &str) -> Result<Position> {
        let saved: State = serde_json::from_str(saved).map_err(|e| Error::State(e.to_string()))?;
        let differs = |field, saved: &str, here: &str, remedy| match saved == here {
            true => Ok(()),
            false => Err(Error::StateMismatch {
                field,
                saved: format!("`{saved}`"),
                here: format!("`{here}`"),
                remedy,
            }),
        };
        differs(
            "schema",
            &saved.schema,
            STATE_SCHEMA,
            "load it with the version of chefgenius that wrote it",
        )?;
        differs(
            "order",
            &saved.order.to_string(),
            &ORDER_VERSION.to_string(),
            "load it with the version of chefgenius that wrote it",
        )?;
        differs(
            "seed",
            &saved.seed.to_string(),
            &self.seed.to_string(),
            "make the loader with the saved seed",
        )?;
        differs(
            "tokenizer",
            &saved.tokenizer,
            self.store.manifest().tokenizer.fingerprint.as_str(),
            "prepare the store with the tokenizer that the state was saved with",
        )?;
        differs(
            "store",
            &saved.store,
            self.store.fingerprint().as_str(),
            "open the store that the state was saved with: its records or its template have changed",
        )?;
        differs(
            "plan",
            &saved.plan,
            self.plan.fingerprint().as_str(),
            "make the loader with the batch size, lengths, split, quality filter and micro_batches_per_step of the saved run",
        )?;
        differs(
            "tombstones",
            &saved.tombstones,
            "",
            "load it with the version of chefgenius that wrote it",
        )?;
        let at = Position {
            epoch: saved.epoch,
            index: saved.index,
        };
        if at.epoch >= 1 << 63 || at.index >= self.plan.micro_batches() {
            return Err(Error::State(format!(
                "epoch {}, index {} is past the epoch's last micro-batch, {}",
                at.epoch,
                at.index,
                self.plan.micro_batches() - 1
            )));
        }
        let here = batch::witness(&self.store, &self.plan, self.seed, at.epoch, at.index)?;
        differs(
            "witness",
            &saved.witness,
            &here,
            "the next batch is not the saved one although all names agree: restore the store from a good copy",
        )?;
        Ok(at)
    }

    /// The sums over a step that the trainer needs, known to every rank from the plan alone.
    pub fn step_info(&self, epoch: u64, step: u64) -> Result<StepInfo> {
        let mut info = StepInfo::default();
        for index in self.plan.step(step)? {
            info.micro_batches += 1;
            for record in self.plan.records(self.seed, epoch, index)? {
                let (input, target) = self.plan.row_lengths(&self.store, record)?;
                info.samples += 1;
                info.input_tokens += input as u64;
                info.target_tokens += target as u64;
            }
        }
        Ok(info)
    }
}

/// What a whole optimizer step holds, over all ranks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StepInfo {
    /// Its micro-batches.
    pub micro_batches: u64,
    /// Its rows.
    pub samples: u64,
    /// Ids that count in its inputs.
    pub input_tokens: u64,
    /// Labels that count.
    pub target_tokens: u64,
}
