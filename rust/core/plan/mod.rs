//! What turns an order into micro-batches.
//!
//! 1. [`Plan::new`] checks the [`PlanSpec`], names it by a fingerprint, and arranges the records of the view:
//!    `fixed` as they stand, `bucketed` and `packed` by classes of lengths. The arrangement is kept beside the
//!    store (`kept`).
//! 2. [`Plan::records`] gives the records of any micro-batch of any epoch, alone: which draws it holds (`bucketed`,
//!    `packed`) and which records they are (`draws`). [`Plan::when`] is the way back.
//! 3. Micro-batches are grouped into optimizer steps of `micro_batches_per_step`; a step never crosses
//!    an epoch, the last one has what is left.

mod arrange;
mod blocks;
mod bucketed;
mod capacity;
mod cells;
mod draws;
mod kept;
mod orders;
mod packed;
mod tables;
mod templates;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

pub use bucketed::BatchLimit;

use crate::error::{Error, Result};
use crate::fingerprint::Fingerprint;
use crate::layout::{Layout, Model};
use crate::order::ORDER_VERSION;
use crate::store::TokenStore;
use crate::view::ViewSpec;
use arrange::Arrangement;
use draws::Draw;
use orders::{Orders, Tag};

/// The version of what a plan is; another arrangement for the same specification must have another number.
pub const PLAN_VERSION: u32 = 2;

/// How records are grouped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PlanKind {
    /// Consecutive places of the order, padded to the longest.
    Fixed,
    /// Records of like lengths.
    Bucketed,
    /// Rows that hold several records each.
    Packed,
}

impl std::str::FromStr for PlanKind {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "fixed" => Ok(PlanKind::Fixed),
            "bucketed" => Ok(PlanKind::Bucketed),
            "packed" => Ok(PlanKind::Packed),
            other => Err(Error::Argument {
                name: "plan",
                reason: format!("`{other}` is none of `fixed`, `bucketed`, `packed`"),
            }),
        }
    }
}

/// Everything besides store, seed and order that decides what a micro-batch is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanSpec {
    /// How records are grouped.
    pub kind: PlanKind,
    /// Which records.
    pub view: ViewSpec,
    /// How they become rows.
    pub layout: Layout,
    /// What a micro-batch holds; one of an epoch may hold less.
    pub limit: BatchLimit,
    /// Micro-batches of an optimizer step.
    pub micro_batches_per_step: u32,
    /// Draws of each record of a source (by number) in an epoch; 1 for those that are not named.
    pub weights: BTreeMap<u32, f64>,
}

impl PlanSpec {
    fn check(&self) -> Result<()> {
        let bad = |name, reason: String| Err(Error::Argument { name, reason });
        self.layout.check()?;
        match self.limit {
            BatchLimit::Rows(0) => return bad("batch_size", "0 is below 1".into()),
            BatchLimit::Tokens(_) if self.kind != PlanKind::Bucketed => {
                return bad(
                    "batch_tokens",
                    "it is for `plan=bucketed` only: pass `batch_size`".into(),
                );
            }
            BatchLimit::Tokens(tokens) => {
                let row = self.layout.longest_sides().iter().sum::<usize>();
                if (tokens as usize) < row {
                    return bad(
                        "batch_tokens",
                        format!("{tokens} is below {row}, the longest row"),
                    );
                }
            }
            BatchLimit::Rows(_) => {}
        }
        if self.micro_batches_per_step == 0 {
            return bad("micro_batches_per_step", "0 is below 1".into());
        }
        match self
            .weights
            .values()
            .find(|weight| !(0.0..=1e6).contains(*weight))
        {
            Some(weight) => bad(
                "weights",
                format!("{weight} is not between 0 and 1,000,000"),
            ),
            None => Ok(()),
        }
    }

    /// The text that the fingerprint names.
    fn text(&self) -> Result<String> {
        serde_json::to_string(&(PLAN_VERSION, ORDER_VERSION, self))
            .map_err(|e| Error::State(e.to_string()))
    }
}

/// The records of one micro-batch in the order of its rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Group {
    /// The store's numbers.
    pub records: Vec<usize>,
    /// Where each row ends among them; `None` where every record is a row.
    pub ends: Option<Vec<usize>>,
}

impl Group {
    /// Its rows.
    pub fn rows(&self) -> usize {
        self.ends.as_ref().map_or(self.records.len(), Vec::len)
    }

    /// Without the records that `masked` names; a row that loses all of its records is lost too.
    pub fn without(self, masked: impl Fn(usize) -> bool) -> Self {
        let keep = |record: &usize| !masked(*record);
        let Some(ends) = self.ends else {
            return Group {
                records: self.records.into_iter().filter(keep).collect(),
                ends: None,
            };
        };
        let (mut records, mut kept, mut begin) = (Vec::new(), Vec::new(), 0);
        for end in ends {
            let before = records.len();
            records.extend(self.records[begin..end].iter().copied().filter(keep));
            if records.len() > before {
                kept.push(records.len());
            }
            begin = end;
        }
        Group {
            records,
            ends: Some(kept),
        }
    }
}

/// A plan over the records of one store, for one seed.
pub struct Plan {
    spec: PlanSpec,
    fingerprint: Fingerprint,
    arrangement: Arrangement,
    orders: Orders,
    longest: OnceLock<[usize; 2]>,
}

impl Plan {
    /// Arranges the records of the store, or reads how they were arranged before.
    ///
    /// # Errors
    /// [`Error::Argument`] names the option that is out of range, or that leaves no record.
    pub fn new(store: &TokenStore, spec: PlanSpec, seed: u64) -> Result<Self> {
        spec.check()?;
        spec.view.check()?;
        let text = spec.text()?;
        let fingerprint = Fingerprint::of(text.as_bytes());
        let arrangement = match kept::read(store, &fingerprint) {
            Some(kept) => Arrangement::from_kept(store, kept),
            None => {
                let built = Arrangement::build(store, &spec)?;
                // Only a cache: where it cannot be kept (a read-only place, a full disk) it is built again.
                drop(built.keep(store, &fingerprint, text));
                built
            }
        };
        Ok(Plan {
            spec,
            fingerprint,
            arrangement,
            orders: Orders::new(seed),
            longest: OnceLock::new(),
        })
    }

    /// The plan of this name, as it was kept beside the store when it was made; `None` where it was deleted, or
    /// was made by another version.
    pub fn find(store: &TokenStore, name: &str, seed: u64) -> Option<Result<Self>> {
        let name = Fingerprint::parse(name)?;
        let kept = kept::read::<tables::Tables>(store, &name)?;
        let (version, order, spec): (u32, u32, PlanSpec) = serde_json::from_str(&kept.spec).ok()?;
        ((version, order) == (PLAN_VERSION, ORDER_VERSION)).then(|| Plan::new(store, spec, seed))
    }

    /// What it was made from.
    pub fn spec(&self) -> &PlanSpec {
        &self.spec
    }

    /// Names the specification.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// The seed of its orders.
    pub fn seed(&self) -> u64 {
        self.orders.seed()
    }

    /// Records that it holds, each once.
    pub fn len(&self) -> usize {
        self.arrangement.members.len()
    }

    /// Always false.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The first `n` of its records, in the order of the store.
    pub fn first_records(&self, n: usize) -> Vec<usize> {
        self.arrangement.members.first(n)
    }

    /// The columns that every row has, input and labels; `None` where rows are padded to the longest of the
    /// batch.
    pub fn columns(&self) -> Option<[usize; 2]> {
        let [input, target] = self.arrangement.tables.capacity?.map(|side| side as usize);
        Some(match self.spec.layout.model {
            Model::Seq2seq => [input, target],
            Model::Causal => [input, input],
        })
    }

    /// Micro-batches in every epoch.
    pub fn micro_batches(&self) -> u64 {
        match self.spec.kind {
            PlanKind::Packed => self.groups().div_ceil(self.rows()),
            _ => self.groups(),
        }
    }

    /// What is permuted as a whole: batches, or packs.
    fn groups(&self) -> u64 {
        let tables = &self.arrangement.tables;
        match self.spec.kind {
            PlanKind::Fixed => tables.deck.draws().div_ceil(self.rows()),
            PlanKind::Bucketed => tables
                .runs
                .last()
                .map_or(0, |run| run.first_batch + run.batches),
            PlanKind::Packed => tables.packs.len(),
        }
    }

    /// Rows of a micro-batch of `rows` at most: no more than there are draws.
    pub fn most_rows(&self, rows: u32) -> usize {
        self.arrangement.tables.deck.draws().min(rows.into()) as usize
    }

    /// The longest input and the longest target of all records of the store, as rows hold them. Looks at all of
    /// them when it is first asked.
    pub fn longest_sides(&self, store: &TokenStore) -> Result<[usize; 2]> {
        if let Some(longest) = self.longest.get() {
            return Ok(*longest);
        }
        let mut longest = [0, 0];
        store.for_each_lengths(|_, prompt, target| {
            let [a, b] = self.spec.layout.sides(self.spec.layout.cut(prompt, target));
            longest = [a.max(longest[0]), b.max(longest[1])];
        })?;
        Ok(*self.longest.get_or_init(|| longest))
    }

    /// Rows of a micro-batch, where they are fixed.
    fn rows(&self) -> u64 {
        self.spec.limit.rows([0, 0])
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
        below("step", step, self.steps(), "the steps of an epoch")?;
        let size = u64::from(self.spec.micro_batches_per_step);
        Ok(step * size..((step + 1) * size).min(self.micro_batches()))
    }

    /// The records of micro-batch `index` of `epoch`. O(log classes) beside its rows.
    ///
    /// # Errors
    /// [`Error::Argument`] for an index past the epoch's last.
    pub fn records(&self, epoch: u64, index: u64) -> Result<Group> {
        below(
            "index",
            index,
            self.micro_batches(),
            "the micro-batches of an epoch",
        )?;
        let Arrangement { members, tables } = &self.arrangement;
        let mut records = Vec::with_capacity(64);
        let mut deal = |from: Draw, count: u64| {
            let each = |member| records.push(members.record(member));
            tables.deck.members(&self.orders, epoch, from, count, each);
            records.len()
        };
        let mut ends = None;
        match self.spec.kind {
            PlanKind::Fixed => {
                let first = index * self.rows();
                let count = self.rows().min(tables.deck.draws() - first);
                deal(
                    Draw {
                        class: 0,
                        place: first,
                    },
                    count,
                );
            }
            PlanKind::Bucketed => {
                let batch = self.orders.get(epoch, Tag::Groups, self.groups()).at(index);
                for (from, count) in tables.draws_of_batch(batch) {
                    deal(from, count);
                }
            }
            PlanKind::Packed => {
                let order = self.orders.get(epoch, Tag::Groups, self.groups());
                let first = index * self.rows();
                let row = |place| {
                    let parts = tables.packs.parts(order.at(place));
                    parts.fold(0, |_, (from, count)| deal(from, count))
                };
                ends = Some(
                    (first..(first + self.rows()).min(order.len()))
                        .map(row)
                        .collect(),
                );
            }
        }
        Ok(Group { records, ends })
    }

    /// The micro-batches of `epoch` that hold a record, ascending: one without weights, none where the plan does
    /// not hold it. O(classes).
    pub fn when(&self, epoch: u64, record: usize) -> Vec<u64> {
        let Arrangement { tables, .. } = &self.arrangement;
        let Some(member) = self.arrangement.member_of(record) else {
            return Vec::new();
        };
        let index = |draw: Draw| match self.spec.kind {
            PlanKind::Fixed => Some(draw.place / self.rows()),
            PlanKind::Bucketed => {
                let order = self.orders.get(epoch, Tag::Groups, self.groups());
                Some(order.place_of(tables.batch_of(draw)))
            }
            PlanKind::Packed => {
                let order = self.orders.get(epoch, Tag::Groups, self.groups());
                tables
                    .packs
                    .pack_of(draw)
                    .map(|pack| order.place_of(pack) / self.rows())
            }
        };
        let draws = tables.deck.draws_of(&self.orders, epoch, member);
        let mut indices: Vec<u64> = draws.into_iter().filter_map(index).collect();
        indices.sort_unstable();
        indices.dedup();
        indices
    }
}

fn below(name: &'static str, value: u64, bound: u64, what: &str) -> Result<()> {
    if value < bound {
        return Ok(());
    }
    Err(Error::Argument {
        name,
        reason: format!("{value} is not below {bound}, {what}"),
    })
}
