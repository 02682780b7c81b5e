//! What a plan knows when it stands: its members in their order, and how batches are cut from their draws.

use serde::{Deserialize, Serialize};

use crate::plan::bucketed::Run;
use crate::plan::draws::{Deck, Draw};
use crate::plan::packed::Packs;

/// Records by member number.
pub enum Members {
    /// All records of a store, as they stand.
    All(usize),
    /// By class, then source, then number. 4 bytes each.
    Some(Vec<u32>),
}

impl Members {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Members::All(records) => *records,
            Members::Some(records) => records.len(),
        }
    }

    /// The record of a member.
    pub fn record(&self, member: u64) -> usize {
        match self {
            Members::All(_) => member as usize,
            Members::Some(records) => records[member as usize] as usize,
        }
    }

    /// The `n` smallest record numbers, ascending.
    pub fn first(&self, n: usize) -> Vec<usize> {
        match self {
            Members::All(records) => (0..n.min(*records)).collect(),
            Members::Some(records) => {
                let mut sorted = records.clone();
                sorted.sort_unstable();
                sorted.truncate(n);
                sorted.into_iter().map(|record| record as usize).collect()
            }
        }
    }
}

/// What a plan knows besides its members.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tables {
    /// Classes, and the draws of their members.
    pub deck: Deck,
    /// Of `bucketed`.
    pub runs: Vec<Run>,
    /// Of `packed`.
    pub packs: Packs,
    /// Of `packed`: the columns of a row, input and labels.
    pub capacity: Option<[u32; 2]>,
}

impl Tables {
    /// The draws of a batch of `bucketed`, class by class.
    pub fn draws_of_batch(&self, batch: u64) -> impl Iterator<Item = (Draw, u64)> {
        let run = self.runs[self.runs.partition_point(|run| run.first_batch <= batch) - 1];
        let mut place = run.first_draw + (batch - run.first_batch) * run.rows;
        let end = place + run.rows.min(self.deck.draws() - place);
        std::iter::from_fn(move || {
            if place == end {
                return None;
            }
            let draw = self.deck.find(place);
            let count = (end - place).min(self.deck.classes[draw.class].draws() - draw.place);
            place += count;
            Some((draw, count))
        })
    }

    /// The batch of `bucketed` that holds a draw.
    pub fn batch_of(&self, draw: Draw) -> u64 {
        let place = self.deck.classes[draw.class].first_draw + draw.place;
        let run = self.runs[self.runs.partition_point(|run| run.first_draw <= place) - 1];
        run.first_batch + (place - run.first_draw) / run.rows
    }
}
