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
        // A key takes about as much as 64 entries.
        let entries = 64 + if n < SMALL { n } else { 0 };
        if kept.entries + entries > LARGEST {
            *kept = Kept::default();
        }
        kept.entries += entries;
        kept.orders.insert((epoch, tag), Arc::clone(&order));
        order
    }
}
