//! Where a loader stands, as two integers, and the saved form of that.
//!
//! 1. A [`Position`] is the epoch and the global number of the next micro-batch; after the last one of an
//!    epoch it is (epoch + 1, 0), its only form.
//! 2. [`Epochs`] knows which micro-batches are a rank's own and what follows what.
//! 3. [`Epochs::state`] is a function of the position alone; [`Epochs::restore`] checks a state against
//!    everything that decides the batches, down to the ids of the next one.
//! 4. An epoch that was begun with another plan can be finished with that one: then it has its own
//!    micro-batches and steps ([`Epochs::plan_of`]).

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::batch::{self, Batch, Delivery};
use crate::error::{Error, Result};
use crate::order::ORDER_VERSION;
use crate::plan::Plan;
use crate::store::TokenStore;
use crate::tombstones::Tombstones;

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

/// What a saved state may differ in.
#[derive(Debug, Clone, Copy, Default)]
pub struct Allowed {
    /// A plan: its epoch is finished with it, the next one has the new plan.
    pub plan: bool,
    /// The masked records.
    pub tombstones: bool,
}

/// All epochs of one plan over one store, as one rank of a world sees them.
#[derive(Clone)]
pub struct Epochs {
    store: Arc<TokenStore>,
    plan: Arc<Plan>,
    /// An epoch that is finished with the plan it was begun with.
    begun: Option<(u64, Arc<Plan>)>,
    tombstones: Tombstones,
    delivery: Delivery,
    rank: u32,
    world_size: u32,
}

impl Epochs {
    /// # Errors
    /// [`Error::Argument`] for a rank outside the world, or a world larger than a step.
    pub fn new(
        store: Arc<TokenStore>,
        plan: Plan,
        tombstones: Tombstones,
        delivery: Delivery,
        (rank, world_size): (u32, u32),
    ) -> Result<Self> {
        if rank >= world_size {
            return Err(Error::Argument {
                name: "rank",
                reason: format!("{rank} is not below `world_size` = {world_size}"),
            });
        }
        let epochs = Epochs {
            store,
            plan: Arc::new(plan),
            begun: None,
            tombstones,
            delivery,
            rank,
            world_size,
        };
        epochs.fits(&epochs.plan)?;
        Ok(epochs)
    }

    fn fits(&self, plan: &Plan) -> Result<()> {
        let slots = plan.spec().micro_batches_per_step;
        if self.world_size <= slots {
            return Ok(());
        }
        Err(Error::Argument {
            name: "world_size",
            reason: format!(
                "{} is above `micro_batches_per_step` = {slots}: some ranks would never get a batch",
                self.world_size
            ),
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

    /// The plan of an epoch: another one only where that was begun with another.
    pub fn plan_of(&self, epoch: u64) -> &Plan {
        match &self.begun {
            Some((begun, plan)) if *begun == epoch => plan,
            _ => &self.plan,
        }
    }

    /// The masked records.
    pub fn tombstones(&self) -> &Tombstones {
        &self.tombstones
    }

    /// Builds any micro-batch of any epoch, own or not.
    pub fn build(&self, at: Position) -> Result<Batch> {
        let masked = |record| self.tombstones.contains(record);
        batch::build(
            &self.store,
            self.plan_of(at.epoch),
            masked,
            &self.delivery,
            (at.epoch, at.index),
        )
    }

    /// The records of a micro-batch, in its order, without the masked ones.
    pub fn records(&self, at: Position) -> Result<Vec<usize>> {
        let group = self.plan_of(at.epoch).records(at.epoch, at.index)?;
        Ok(group
            .without(|record| self.tombstones.contains(record))
            .records)
    }

    /// Words of memory that any batch fits in.
    pub fn most_words(&self) -> usize {
        let begun = self
            .begun
            .as_ref()
            .map_or(0, |(_, plan)| batch::most_words(plan));
        begun.max(batch::most_words(&self.plan))
    }

    fn slots(&self, epoch: u64) -> u64 {
        self.plan_of(epoch).spec().micro_batches_per_step.into()
    }

    /// Whether this rank gets the micro-batch at `at`: slots go round the ranks.
    fn owns(&self, at: Position) -> bool {
        (at.index % self.slots(at.epoch)) % u64::from(self.world_size) == u64::from(self.rank)
    }

    /// How many micro-batches of an epoch this rank gets. O(1).
    pub fn own_batches(&self, epoch: u64) -> u64 {
        let own_of = |slots: u64| {
            (slots + u64::from(self.world_size - 1 - self.rank)) / u64::from(self.world_size)
        };
        let (total, slots) = (self.plan_of(epoch).micro_batches(), self.slots(epoch));
        total / slots * own_of(slots) + own_of(total % slots)
    }

    /// The first own micro-batch of the same epoch at or after `from`, if any is left.
    pub fn next_own(&self, from: Position) -> Option<Position> {
        // A step has an own slot among its first `world_size`, unless it is the short last one.
        (from.index..self.plan_of(from.epoch).micro_batches())
            .map(|index| Position { index, ..from })
            .find(|&at| self.owns(at))
    }

    /// The position after `at`.
    pub fn after(&self, at: Position) -> Position {
        self.normal(Position {
            index: at.index + 1,
            ..at
        })
    }

    fn normal(&self, at: Position) -> Position {
        if at.index < self.plan_of(at.epoch).micro_batches() {
            return at;
        }
        Position::start(at.epoch.saturating_add(1))
    }

    /// The beginning of the step that lies `steps` after the step of `at`.
    pub fn skip(&self, at: Position, steps: u64) -> Position {
        let step = (at.index / self.slots(at.epoch)).saturating_add(steps);
        let here = self.plan_of(at.epoch).steps();
        if step < here {
            return Position {
                index: step * self.slots(at.epoch),
                ..at
            };
        }
        // Only the current epoch can have another plan than those after it.
        let (step, per_epoch) = (step - here, self.plan.steps());
        let epoch = at.epoch.saturating_add(1).saturating_add(step / per_epoch);
        Position {
            epoch,
            index: step % per_epoch * self.slots(epoch),
        }
    }

    /// The position that may be saved when this rank stands at `at`. With one rank any; with more
    /// only step boundaries, so that all ranks save the same: inside a step that is its beginning, and
    /// its end once this rank has no more of it to do.
    fn boundary(&self, at: Position) -> Position {
        let slots = self.slots(at.epoch);
        let inside = at.index % slots;
        if self.world_size == 1 || inside == 0 {
            return at;
        }
        let begin = at.index - inside;
        let end = (begin + slots).min(self.plan_of(at.epoch).micro_batches());
        if (at.index..end).any(|index| self.owns(Position { index, ..at })) {
            Position { index: begin, ..at }
        } else {
            self.normal(Position { index: end, ..at })
        }
    }

    /// What to save when the next micro-batch is the one at `at`.
    pub fn state(&self, at: Position) -> Result<State> {
        let at = self.boundary(self.normal(at));
        let plan = self.plan_of(at.epoch);
        Ok(State {
            schema: STATE_SCHEMA.into(),
            order: ORDER_VERSION,
            seed: plan.seed(),
            epoch: at.epoch,
            index: at.index,
            store: self.store.fingerprint().to_string(),
            tokenizer: self.store.manifest().tokenizer.fingerprint.to_string(),
            plan: plan.fingerprint().to_string(),
            tombstones: self.tombstones.digest().to_owned(),
            witness: batch::witness(&self.store, plan, at.epoch, at.index)?,
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
        if saved.tombstones != self.tombstones.digest() && !allowed.tombstones {
            return Err(differs(
                "tombstones",
                &saved.tombstones,
                self.tombstones.digest(),
                "mask the records that the saved run masked, or allow it: `load_state_dict(state, allow=[\"tombstones\"])`",
            ));
        }
        let mut epochs = Epochs {
            begun: None,
            ..self.clone()
        };
        let at = Position {
            epoch: saved.epoch,
            index: saved.index,
        };
        if saved.plan != self.plan.fingerprint().as_str() {
            let begun = self.plan_begun(&saved, allowed)?;
            epochs.begun = Some((at.epoch, Arc::new(begun)));
        }
        let plan = epochs.plan_of(at.epoch);
        if at.epoch >= 1 << 63 || at.index >= plan.micro_batches() {
            return Err(Error::State(format!(
                "epoch {}, index {} is past the epoch's last micro-batch, {}",
                at.epoch,
                at.index,
                plan.micro_batches() - 1
            )));
        }
        let here = batch::witness(&self.store, plan, at.epoch, at.index)?;
        if saved.witness != here {
            return Err(differs(
                "witness",
                &saved.witness,
                &here,
                "the next batch is not the saved one although all names agree: restore the store from a good copy",
            ));
        }
        if at.index == 0 {
            // Nothing of this epoch was seen yet.
            epochs.begun = None;
        }
        Ok((epochs, at))
    }

    /// What no option can allow.
    fn compare(&self, saved: &State) -> Result<()> {
        let tokenizer = self.store.manifest().tokenizer.fingerprint.as_str();
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
                self.plan.seed().to_string(),
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
                self.store.fingerprint().to_string(),
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
                self.plan.fingerprint().as_str(),
                remedy,
            )
        };
        if !allowed.plan {
            return Err(refused(
                "make the loader with the plan, batch size, lengths, split, quality filter, weights and micro_batches_per_step of the saved run, or finish the epoch with them first: `on_plan_change=\"next_epoch\"`",
            ));
        }
        let begun = Plan::find(&self.store, &saved.plan, self.plan.seed()).ok_or_else(|| {
            refused("the saved plan is not kept beside the store any more: finish the epoch with a loader of its options")
        })??;
        self.fits(&begun)?;
        Ok(begun)
    }

    /// The steps of an epoch that see a record, ascending; none where it is masked or outside the view.
    pub fn when(&self, epoch: u64, record: usize) -> Vec<u64> {
        if self.tombstones.contains(record) {
            return Vec::new();
        }
        let indices = self.plan_of(epoch).when(epoch, record).into_iter();
        let mut steps: Vec<u64> = indices.map(|index| index / self.slots(epoch)).collect();
        steps.dedup();
        steps
    }

    /// The sums over a step that the trainer needs, known to every rank from the plan alone.
    pub fn step_info(&self, epoch: u64, step: u64) -> Result<StepInfo> {
        let mut info = StepInfo::default();
        let plan = self.plan_of(epoch);
        let layout = &plan.spec().layout;
        for index in plan.step(step)? {
            info.micro_batches += 1;
            for record in plan.records(epoch, index)?.records {
                if self.tombstones.contains(record) {
                    continue;
                }
                let lengths = layout.lengths(&self.store, record)?;
                info.samples += 1;
                info.input_tokens += layout.sides(lengths)[0] as u64;
                info.target_tokens += layout.learned(lengths) as u64;
            }
        }
        Ok(info)
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

/// What a whole optimizer step holds, over all ranks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StepInfo {
    /// Its micro-batches.
    pub micro_batches: u64,
    /// Its records.
    pub samples: u64,
    /// Ids that count in its inputs.
    pub input_tokens: u64,
    /// Labels that count.
    pub target_tokens: u64,
}
