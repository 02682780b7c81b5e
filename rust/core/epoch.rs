//! Where a loader stands, as two integers.
//!
//! 1. A [`Position`] is the epoch and the global number of the next micro-batch; after the last one of an
//!    epoch it is (epoch + 1, 0), its only form.
//! 2. [`Epochs`] knows which micro-batches are a rank's own and what follows what.
//! 3. An epoch that was begun with another plan can be finished with that one: then it has its own
//!    micro-batches and steps ([`Epochs::plan_of`]).

use std::sync::Arc;

use crate::batch::{self, Batch, Delivery};
use crate::error::{Error, Result};
use crate::plan::Plan;
use crate::store::TokenStore;
use crate::tombstones::Tombstones;

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

    /// The same with another plan for one epoch, or with none.
    ///
    /// # Errors
    /// [`Error::Argument`] where the world is larger than a step of that plan.
    pub fn with_begun(&self, begun: Option<(u64, Arc<Plan>)>) -> Result<Self> {
        if let Some((_, plan)) = &begun {
            self.fits(plan)?;
        }
        Ok(Epochs {
            begun,
            ..self.clone()
        })
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

    /// Names the content of a micro-batch, masked records included.
    pub fn witness(&self, at: Position) -> Result<String> {
        batch::witness(&self.store, self.plan_of(at.epoch), at.epoch, at.index)
    }

    /// The records of a micro-batch, in its order, without the masked ones.
    pub fn records(&self, at: Position) -> Result<Vec<usize>> {
        let group = self.plan_of(at.epoch).records(at.epoch, at.index)?;
        Ok(group
            .without(|record| self.tombstones.contains(record))
            .records)
    }

    /// Words of memory that any batch fits in.
    ///
    /// # Errors
    /// A damaged store.
    pub fn most_words(&self) -> Result<usize> {
        let begun = match &self.begun {
            Some((_, plan)) => batch::most_words(&self.store, plan)?,
            None => 0,
        };
        Ok(begun.max(batch::most_words(&self.store, &self.plan)?))
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

    /// The one form of a position: past the last micro-batch of an epoch is the beginning of the next.
    pub fn normal(&self, at: Position) -> Position {
        if at.index < self.plan_of(at.epoch).micro_batches() {
            return at;
        }
        Position::start(at.epoch.saturating_add(1))
    }

    /// The beginning of the step that lies `steps` after the step of `at`; a step that this rank has no more
    /// of to do is over. The same for all ranks that save the same.
    pub fn skip(&self, at: Position, steps: u64) -> Position {
        // Ranks that have finished a step stand at different places before its end.
        let at = self.boundary(at);
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
    pub fn boundary(&self, at: Position) -> Position {
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
