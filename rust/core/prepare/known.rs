//! What was seen before: bodies in this store, texts in the former one.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

use crate::error::Result;
use crate::store::TokenStore;

/// Tables of [`Bodies`]. They grow one at a time, so that the old and the new one of all never stand side by side.
const TABLES: usize = 256;

/// The split keys of all records that were kept. Ten to 21 bytes a record.
///
/// A key is 64 bits of a hash of the body, so among n different bodies some two are taken for the same with odds
/// of n^2 / 2^65: one in 37 million for a million records, one in 3,700 for a hundred million.
pub(super) struct Bodies(Vec<HashSet<u64, BuildHasherDefault<AsIs>>>);

impl Bodies {
    pub(super) fn new() -> Self {
        Bodies((0..TABLES).map(|_| HashSet::default()).collect())
    }

    /// Whether the key was not there before.
    pub(super) fn insert(&mut self, key: u64) -> bool {
        // Neither the low bits nor the top ones: by those a table places its entries.
        self.0[(key >> 40) as usize % TABLES].insert(key)
    }
}

/// Takes a number that is a hash already for its own hash.
#[derive(Default)]
struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

/// Finds texts in a former store. Eight bytes a record of it.
pub(super) struct Texts<'a> {
    store: &'a TokenStore,
    /// The top half of a text digest's first word, then the record's number; sorted.
    places: Vec<u64>,
}

const NUMBER: u64 = u32::MAX as u64;

impl<'a> Texts<'a> {
    /// Of a store; records past the first 2^32 are not found.
    pub(super) fn of(store: &'a TokenStore) -> Result<Self> {
        let mut places = Vec::with_capacity(store.len());
        store.for_each_digest(|record, digest| {
            if record as u64 <= NUMBER {
                places.push(digest[0] & !NUMBER | record as u64);
            }
        })?;
        places.sort_unstable();
        Ok(Texts { store, places })
    }

    /// The record with this text digest.
    ///
    /// # Errors
    /// The store was damaged meanwhile.
    pub(super) fn find(&self, digest: [u64; 2]) -> Result<Option<usize>> {
        let top = digest[0] & !NUMBER;
        let first = self.places.partition_point(|&place| place < top);
        for &place in &self.places[first..] {
            if place & !NUMBER != top {
                break;
            }
            let record = (place & NUMBER) as usize;
            if self.store.digest(record)? == digest {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }

    /// The store that is searched.
    pub(super) fn store(&self) -> &'a TokenStore {
        self.store
    }
}
