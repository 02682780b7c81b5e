//! Words of up to sixteen bytes and their ids.
//!
//! One slot is 32 bytes: the word itself, up to seven ids, and what else is known of it. A word whose ids do not fit has
//! them in a list beside the slots. Two slots are one cache line, and each word has one such pair that is its home.

/// The longest word that the table holds, in bytes.
pub(super) const LONGEST: usize = 16;
/// Ids that a slot has room for.
pub(super) const INLINE: usize = 7;
const FIRST_SLOTS: usize = 1 << 15;

/// In `Known`: whether a word has the same ids wherever it stands (else it sends its text to the library), and whether
/// decoding them gives it back wherever it stands. In a slot's also whether the ids stand elsewhere, and their number.
const LOCAL: u16 = 0x10;
const EXACT: u16 = 0x20;
const SPILT: u16 = 0x40;
const COUNT: u16 = 0x07;

/// What is known of a word, or of several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known(u16);

impl Known {
    pub(super) const NOTHING: Known = Known(0);
    pub(super) const LOCAL: Known = Known(LOCAL);
    pub(super) const LOCAL_AND_EXACT: Known = Known(LOCAL | EXACT);

    pub(super) fn local_and(exact: bool) -> Known {
        if exact {
            Known::LOCAL_AND_EXACT
        } else {
            Known::LOCAL
        }
    }

    /// Whether all of these words are local.
    pub(super) fn local(self) -> bool {
        self.0 & LOCAL != 0
    }

    /// Whether all of these words are exact.
    pub(super) fn exact(self) -> bool {
        self.0 & EXACT != 0
    }

    /// What is known of both.
    #[inline(always)]
    pub(super) fn and(self, other: Known) -> Known {
        Known(self.0 & other.0)
    }
}

/// A word and its ids.
#[derive(Clone, Copy)]
#[repr(align(32))]
pub(super) struct Slot {
    pub(super) key: u128,
    /// The ids, and in the last place what is known of the word and how many ids it has.
    pub(super) ids: [u16; INLINE + 1],
}

impl Slot {
    /// No word: its key is that of none, since only bytes that follow a word are 255.
    pub(super) const VACANT: Slot = Slot {
        key: 0xFF,
        ids: [0; INLINE + 1],
    };

    fn is_vacant(&self) -> bool {
        self.key == Slot::VACANT.key
    }

    /// How many ids stand in the slot itself.
    #[inline(always)]
    pub(super) fn count(&self) -> usize {
        usize::from(self.ids[INLINE] & COUNT)
    }

    #[inline(always)]
    pub(super) fn known(&self) -> Known {
        Known(self.ids[INLINE])
    }

    /// Whether its ids stand in the list.
    pub(super) fn is_spilt(&self) -> bool {
        self.ids[INLINE] & SPILT != 0
    }
}

/// A table that grows to a bound and then takes nothing more. A word stands at home; where that is taken, or its ids stand
/// in the list, in the next free slot behind it.
pub(super) struct Table {
    pairs: Vec<[Slot; 2]>,
    taken: usize,
    spilt: Vec<u32>,
    most_slots: usize,
}

/// The key of a word: its bytes, and behind them the byte 255, which no text holds. `None` where it has another length.
pub(super) fn key(word: &[u8]) -> Option<u128> {
    if word.is_empty() || word.len() > LONGEST {
        return None;
    }
    let mut bytes = [u8::MAX; LONGEST];
    bytes[..word.len()].copy_from_slice(word);
    Some(u128::from_le_bytes(bytes))
}

/// What is set in the sixteen bytes from the beginning of a word of each length on to make them its key; of none and of
/// a longer one all bits, which are no word's key.
pub(super) static PADS: [u128; LONGEST + 2] = {
    let mut pads = [u128::MAX; LONGEST + 2];
    let mut length = 1;
    while length < LONGEST {
        pads[length] = u128::MAX << (8 * length);
        length += 1;
    }
    pads[LONGEST] = 0;
    pads
};

/// Its highest bits are the place of a key.
#[inline(always)]
pub(super) fn hash(key: u128) -> u64 {
    let (low, high) = (key as u64, (key >> 64) as u64);
    (low ^ high.rotate_left(29)).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

impl Table {
    /// An empty table that grows to at most this many bytes of slots.
    pub(super) fn new(most_bytes: usize) -> Self {
        Table {
            pairs: vec![[Slot::VACANT; 2]; FIRST_SLOTS / 2],
            taken: 0,
            spilt: Vec::new(),
            most_slots: most_bytes / size_of::<Slot>(),
        }
    }

    /// All slots: a power of two of pairs.
    #[inline(always)]
    pub(super) fn pairs(&self) -> &[[Slot; 2]] {
        &self.pairs
    }

    /// The number of the pair that is a key's home.
    #[inline(always)]
    pub(super) fn home(&self, key: u128) -> usize {
        (hash(key) >> (u64::BITS - self.pairs.len().trailing_zeros())) as usize
    }

    /// The slot of a key.
    pub(super) fn find(&self, key: u128) -> Option<&Slot> {
        let home = self.home(key);
        let at_home = self.pairs[home].iter().find(|slot| slot.key == key);
        at_home.or_else(|| {
            let mut behind = self.behind(home);
            behind.find_map(|slot| match slot.key == key {
                true => Some(Some(slot)),
                false => slot.is_vacant().then_some(None),
            })?
        })
    }

    /// All slots behind a pair, round to its own.
    fn behind(&self, home: usize) -> impl Iterator<Item = &Slot> {
        let (before, behind) = self.pairs.split_at(home + 1);
        behind.iter().chain(before).flatten()
    }

    /// Keeps a new word of at most 65,535 ids, unless the table is full.
    pub(super) fn insert(&mut self, key: u128, ids: &[u32], known: Known) {
        if self.taken >= self.pairs.len() && !self.grow() {
            return;
        }
        let mut slot = Slot {
            key,
            ids: [0; INLINE + 1],
        };
        let mut meta = known.0;
        if ids.len() <= INLINE && ids.iter().all(|&id| id <= u32::from(u16::MAX)) {
            for (place, id) in slot.ids.iter_mut().zip(ids) {
                *place = *id as u16;
            }
            meta |= ids.len() as u16;
        } else {
            let from = self.spilt.len() as u32;
            slot.ids[..3].copy_from_slice(&[from as u16, (from >> 16) as u16, ids.len() as u16]);
            meta |= SPILT;
            self.spilt.extend_from_slice(ids);
        }
        slot.ids[INLINE] = meta;
        self.place(slot);
        self.taken += 1;
    }

    fn grow(&mut self) -> bool {
        let wanted = self.pairs.len() * 2;
        if wanted * 2 > self.most_slots {
            return false;
        }
        let former = std::mem::replace(&mut self.pairs, vec![[Slot::VACANT; 2]; wanted]);
        for slot in former.into_iter().flatten() {
            if !slot.is_vacant() {
                self.place(slot);
            }
        }
        true
    }

    fn place(&mut self, slot: Slot) {
        let mut at = self.home(slot.key);
        if slot.is_spilt() {
            at += 1;
        }
        let mask = self.pairs.len() - 1;
        loop {
            let free = self.pairs[at & mask]
                .iter_mut()
                .find(|slot| slot.is_vacant());
            if let Some(free) = free {
                *free = slot;
                return;
            }
            at += 1;
        }
    }

    /// Appends the ids of a slot.
    pub(super) fn take(&self, slot: &Slot, ids: &mut Vec<u32>) {
        if slot.is_spilt() {
            let from = usize::from(slot.ids[0]) | usize::from(slot.ids[1]) << 16;
            ids.extend_from_slice(&self.spilt[from..from + usize::from(slot.ids[2])]);
        } else {
            ids.extend(slot.ids[..slot.count()].iter().map(|&id| u32::from(id)));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn words_are_kept_apart_and_bounded() {
        let mut table = Table::new(FIRST_SLOTS * 4 * size_of::<Slot>());
        let known = Known::LOCAL;
        let words: Vec<String> = (0..300_000u32)
            .map(|n| format!("w{}", n * 31 % 300_000))
            .collect();
        let ids_of = |n: usize| -> Vec<u32> {
            let n = n as u32;
            (0..n % 12).map(|k| n % 70_000 + k).collect()
        };
        for (n, word) in words.iter().enumerate() {
            let key = key(word.as_bytes()).unwrap();
            assert!(table.find(key).is_none());
            table.insert(key, &ids_of(n), known);
        }
        let mut kept = 0;
        for (n, word) in words.iter().enumerate() {
            if let Some(slot) = table.find(key(word.as_bytes()).unwrap()) {
                let mut ids = vec![7];
                table.take(slot, &mut ids);
                assert_eq!(slot.known().and(Known::LOCAL_AND_EXACT), known);
                assert_eq!(ids[1..], ids_of(n), "{word}");
                kept += 1;
            }
        }
        assert_eq!(kept, FIRST_SLOTS * 2, "half of four times the first slots");
    }

    #[test]
    fn keys_are_of_words_that_fit() {
        assert_eq!(key(b""), None);
        assert_eq!(key(&[b'a'; 17]), None);
        let text = *b"abc\0efg\0\0jklmnop and more";
        let bytes = u128::from_le_bytes(*text.first_chunk().unwrap());
        for length in 1..=LONGEST {
            assert_eq!(key(&text[..length]), Some(bytes | PADS[length]), "{length}");
            assert_ne!(key(&text[..length]), Some(Slot::VACANT.key));
        }
        for no_word in [0, LONGEST + 1] {
            assert_eq!(PADS[no_word], u128::MAX);
        }
    }
}
