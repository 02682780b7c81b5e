//! Words of up to sixteen bytes and their ids, found in a few nanoseconds.
//!
//! One slot is 32 bytes: the word itself, up to seven ids, and what else is known of it. Ids that do not fit stand in
//! a list beside the slots. Looking a word up takes one multiplication and mostly one cache line.

/// The longest word that the table holds, in bytes.
pub(super) const LONGEST: usize = 16;
const INLINE: usize = 7;
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

#[derive(Clone, Copy, Default)]
#[repr(align(32))]
pub(super) struct Slot {
    key: u128,
    /// The ids, and in the last place what is known of the word and how many ids it has.
    ids: [u16; INLINE + 1],
}

/// A table that grows to a bound and then takes nothing more.
pub(super) struct Table {
    slots: Vec<Slot>,
    taken: usize,
    spilt: Vec<u32>,
    most_slots: usize,
}

/// The key of a word: its bytes, and zeros behind them. `None` where it has another length, or holds a zero itself.
pub(super) fn key(word: &[u8]) -> Option<u128> {
    if word.is_empty() || word.len() > LONGEST || word.contains(&0) {
        return None;
    }
    let mut bytes = [0; LONGEST];
    bytes[..word.len()].copy_from_slice(word);
    Some(u128::from_le_bytes(bytes))
}

/// The key of the word at `begin`, given that it has 1 to 16 bytes and no zero.
#[inline(always)]
pub(super) fn key_at(text: &[u8], begin: usize, length: usize) -> u128 {
    let rest = &text[begin..];
    let bytes = match rest.first_chunk::<LONGEST>() {
        Some(bytes) => u128::from_le_bytes(*bytes),
        None => {
            let mut bytes = [0; LONGEST];
            bytes[..rest.len()].copy_from_slice(rest);
            u128::from_le_bytes(bytes)
        }
    };
    bytes & MASKS[length]
}

/// The bytes of a word of each length.
static MASKS: [u128; LONGEST + 1] = {
    let mut masks = [0; LONGEST + 1];
    let mut length = 1;
    while length <= LONGEST {
        masks[length] = u128::MAX >> (128 - 8 * length);
        length += 1;
    }
    masks
};

#[inline(always)]
fn hash(key: u128) -> usize {
    let low = key as u64 ^ 0x9E37_79B9_7F4A_7C15;
    let high = (key >> 64) as u64 ^ 0xD6E8_FEB8_6659_FD93;
    let product = u128::from(low) * u128::from(high);
    (product as u64 ^ (product >> 64) as u64) as usize
}

impl Table {
    /// An empty table that grows to at most this many bytes of slots.
    pub(super) fn new(most_bytes: usize) -> Self {
        Table {
            slots: vec![Slot::default(); FIRST_SLOTS],
            taken: 0,
            spilt: Vec::new(),
            most_slots: most_bytes / size_of::<Slot>(),
        }
    }

    /// The slot of a key.
    #[inline(always)]
    pub(super) fn find(&self, key: u128) -> Option<&Slot> {
        let mask = self.slots.len() - 1;
        let mut at = hash(key);
        loop {
            let slot = &self.slots[at & mask];
            if slot.key == key {
                return Some(slot);
            }
            if slot.key == 0 {
                return None;
            }
            at += 1;
        }
    }

    /// Keeps a new word of at most 65,535 ids, unless the table is full.
    pub(super) fn insert(&mut self, key: u128, ids: &[u32], known: Known) {
        if self.taken * 2 >= self.slots.len() && !self.grow() {
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
        let wanted = self.slots.len() * 2;
        if wanted > self.most_slots {
            return false;
        }
        let former = std::mem::replace(&mut self.slots, vec![Slot::default(); wanted]);
        for slot in former.into_iter().filter(|slot| slot.key != 0) {
            self.place(slot);
        }
        true
    }

    fn place(&mut self, slot: Slot) {
        let mask = self.slots.len() - 1;
        let mut at = hash(slot.key);
        while self.slots[at & mask].key != 0 {
            at += 1;
        }
        self.slots[at & mask] = slot;
    }

    /// Appends the ids of a slot and says what is known of its word.
    #[inline(always)]
    pub(super) fn take(&self, slot: &Slot, ids: &mut Vec<u32>) -> Known {
        // All places are copied and the count is set afterwards: no branch depends on it.
        let meta = slot.ids[INLINE];
        let after = ids.len() + usize::from(meta & COUNT);
        ids.extend_from_slice(&slot.ids.map(u32::from));
        ids.truncate(after);
        if meta & SPILT != 0 {
            self.take_spilt(slot, ids);
        }
        Known(meta)
    }

    #[cold]
    fn take_spilt(&self, slot: &Slot, ids: &mut Vec<u32>) {
        let from = usize::from(slot.ids[0]) | usize::from(slot.ids[1]) << 16;
        ids.extend_from_slice(&self.spilt[from..from + usize::from(slot.ids[2])]);
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
            let padded = format!("{word} and what follows it");
            let at = key_at(padded.as_bytes(), 0, word.len());
            if let Some(slot) = table.find(at) {
                let mut ids = vec![7];
                assert_eq!(
                    table.take(slot, &mut ids).and(Known::LOCAL_AND_EXACT),
                    known
                );
                assert_eq!(ids[1..], ids_of(n), "{word}");
                kept += 1;
            }
        }
        assert_eq!(kept, FIRST_SLOTS * 2, "half of four times the first slots");
    }

    #[test]
    fn keys_are_of_words_that_fit() {
        assert_eq!(key(b""), None);
        assert_eq!(key(b"a\0"), None);
        assert_eq!(key(&[b'a'; 17]), None);
        let longest = [b'z'; 16];
        assert_eq!(key(&longest), Some(key_at(&longest, 0, 16)));
        assert_eq!(key(b"ab"), Some(key_at(b"xab c", 1, 2)));
    }
}
