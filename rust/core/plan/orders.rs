//! The permutations that a plan looks at, kept while they are in use: only a cache.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::order::{Permutation, SMALL};

/// What a permutation is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tag {
    /// The batches or packs of an epoch.
    Groups,
    /// The draws of a class.
    Class(usize),
    /// The members of a weighted source in a class; its epochs are passes through them.
    Source {
        /// The class.
        class: usize,
        /// The source.
        source: u32,
    },
}

impl Tag {
    /// The text that keeps it apart from the others. Changing one changes the order of every run.
    fn text(self) -> String {
        match self {
            Tag::Groups => "batches".into(),
            Tag::Class(0) => "records".into(),
            Tag::Class(class) => format!("records/{class}"),
            Tag::Source { class, source } => format!("records/{class}/{source}"),
        }
    }
}

/// Above so many table entries (2 bytes each) the cache begins anew.
const LARGEST: u64 = 4 << 20;

/// The permutations of one seed.
pub struct Orders {
    seed: u64,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// The last two epochs that were looked at, the newer first.
    epochs: [u64; 2],
    entries: u64,
    orders: HashMap<(u64, Tag), Arc<Permutation>>,
}

impl Orders {
    /// Nothing is computed yet.
    pub fn new(seed: u64) -> Self {
        Orders {
            seed,
            kept: Mutex::default(),
        }
    }

    /// The seed.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The permutation of `n` elements for an epoch.
    pub fn get(&self, epoch: u64, tag: Tag, n: u64) -> Arc<Permutation> {
        let lock = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(order) = lock().orders.get(&(epoch, tag)) {
            return Arc::clone(order);
        }
        let order = Arc::new(Permutation::new(n, self.seed, epoch, &tag.text()));
        let mut kept = lock();
        kept.look_at(epoch, tag);
        let entries = entries(n);
        if kept.entries + entries > LARGEST {
            *kept = Kept {
                epochs: kept.epochs,
                ..Kept::default()
            };
        }
        kept.entries += entries;
        kept.orders.insert((epoch, tag), Arc::clone(&order));
        order
    }
}

impl Kept {
    /// Forgets the epoch before the last two: builders may be one ahead of what is looked at otherwise.
    fn look_at(&mut self, epoch: u64, tag: Tag) {
        if matches!(tag, Tag::Source { .. }) || self.epochs.contains(&epoch) {
            return;
        }
        self.epochs = [epoch, self.epochs[0]];
        let Kept { epochs, orders, .. } = self;
        orders
            .retain(|(epoch, tag), _| matches!(tag, Tag::Source { .. }) || epochs.contains(epoch));
        self.entries = self.orders.values().map(|order| entries(order.len())).sum();
    }
}

/// What an order takes: its table, and about as much as 64 entries for itself and its key.
fn entries(n: u64) -> u64 {
    64 + if n < SMALL { n } else { 0 }
}
