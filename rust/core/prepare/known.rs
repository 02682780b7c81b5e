//! What was seen before: bodies in this store, texts in the former one.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

use crate::error::Result;
use crate::store::TokenStore;

/// Tables of [`Bodies`]. They grow one at a time, so that the old and the new one of all never stand side by side.
const TABLES: usize = 256;

/// The duplicate keys of all records that were kept. Ten to 21 bytes a record.
///
/// A key is 64 bits of hashes of body and numbers, so among n different records some two are taken for the same with odds
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_key_is_new_once() {
        let (mut bodies, mut twin) = (Bodies::new(), BTreeSet::new());
        let mut key = 1_u64;
        for turn in 0..200_000_u64 {
            key = key.wrapping_mul(0x2545_f491_4f6c_dd1d).rotate_left(17);
            // Some keys come again, some differ in few bits.
            let key = match turn % 4 {
                0 => turn / 8,
                1 => key & 0xfff,
                _ => key,
            };
            assert_eq!(bodies.insert(key), twin.insert(key));
        }
        assert!(twin.len() > 100_000);
    }

    #[test]
    fn keys_take_no_more_memory_than_is_said() {
        for records in [1 << 20, (1 << 20) + (1 << 17), 3 << 19] {
            let mut bodies = Bodies::new();
            for number in 0..records {
                let mut hash = blake3::Hasher::new();
                hash.update(&u64::to_le_bytes(number));
                let mut key = [0; 8];
                hash.finalize_xof().fill(&mut key);
                bodies.insert(u64::from_le_bytes(key));
            }
            // A table has a byte and a key for each of its places, of which it says seven in eight.
            let places: usize = bodies.0.iter().map(|table| table.capacity() * 8 / 7).sum();
            let bytes = places as f64 * 9.0 / records as f64;
            assert!(
                (9.0..=21.0).contains(&bytes),
                "{records}: {bytes} bytes a record"
            );
        }
    }
}
