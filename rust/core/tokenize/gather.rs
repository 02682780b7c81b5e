//! The ids of many words in a row: nearly all that is done to a text that holds no new word.
//!
//! 1. For some words at a time, their keys are made and the memory of their slots is asked for: waiting for it one word
//!    after the other would take longer than everything else.
//! 2. The ids of those that stand in the pair of slots that is theirs are gathered, without a branch that depends on
//!    the word, up to the first one that does not: it is new, long, or one of the few in another place.

use super::table::{INLINE, Known, LONGEST, PADS, Slot, Table};

/// Words whose slots are asked for before they are looked at, about as many as a processor waits for at a time.
const AHEAD: usize = 24;
/// Words whose ids are gathered before they are appended.
const AT_ONCE: usize = 10 * AHEAD;
/// Room for their ids, a power of two.
const ROOM: usize = 2048;
const _: () = assert!(AT_ONCE * INLINE < ROOM && ROOM.is_power_of_two());

/// What the ids are gathered in.
pub(super) struct Gather {
    room: Vec<u32>,
}

/// A text, and how far its words were taken.
pub(super) struct Reader<'a> {
    text: &'a [u8],
    /// Its last bytes and zeros behind them, since words are read sixteen bytes at a time; and where these begin.
    tail: [u8; 2 * LONGEST],
    tail_from: usize,
    /// Where the next word begins.
    pub(super) begin: usize,
    /// What is known of all words that were taken.
    pub(super) known: Known,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a [u8], begin: usize, known: Known) -> Self {
        let tail_from = text.len().saturating_sub(LONGEST);
        let mut tail = [0; 2 * LONGEST];
        tail[..text.len() - tail_from].copy_from_slice(&text[tail_from..]);
        Reader {
            text,
            tail,
            tail_from,
            begin,
            known,
        }
    }

    /// Sixteen bytes from a place on that is not beyond the text's end.
    #[inline(always)]
    fn bytes(&self, begin: u32) -> u128 {
        // Of 32 bits, so that their sum cannot overflow and is compared once.
        let begin = begin as usize;
        let bytes = match self.text.get(begin..begin + LONGEST) {
            Some(bytes) => bytes,
            None => &self.tail[begin - self.tail_from..][..LONGEST],
        };
        let mut word = [0; LONGEST];
        word.copy_from_slice(bytes);
        u128::from_le_bytes(word)
    }
}

impl Gather {
    pub(super) fn new() -> Self {
        Gather {
            room: vec![0; ROOM + INLINE],
        }
    }

    /// Appends the ids of the words that end at these places, up to the first one that is not in its place.
    /// Returns how many it took.
    pub(super) fn take(
        &mut self,
        table: &Table,
        reader: &mut Reader,
        ends: &[u32],
        ids: &mut Vec<u32>,
    ) -> usize {
        let Some(room) = self.room.first_chunk_mut::<{ ROOM + INLINE }>() else {
            return 0;
        };
        let pairs = table.pairs();
        let mut keys = [(0, &pairs[0]); AHEAD];
        let mut taken = 0;
        for many in ends.chunks(AT_ONCE) {
            let before = taken;
            let mut used = 0;
            'many: for some in many.chunks(AHEAD) {
                // The memory of all is asked for before the first is looked at.
                let mut begin = reader.begin as u32;
                for (place, &end) in keys.iter_mut().zip(some) {
                    let length = (end - begin) as usize;
                    let key = reader.bytes(begin) | PADS[length.min(LONGEST + 1)];
                    let pair = &pairs[table.home(key)];
                    fetch(pair);
                    *place = (key, pair);
                    begin = end + 1;
                }
                let mut known = reader.known;
                let mut count = 0;
                for &(key, pair) in &keys[..some.len()] {
                    let slot = &pair[usize::from(pair[0].key != key)];
                    if slot.key != key {
                        break;
                    }
                    // All places are copied and the count is added afterwards: no branch depends on it. There is
                    // room for all of `many`, so that masking changes nothing.
                    let place = used & (ROOM - 1);
                    room[place..=place + INLINE].copy_from_slice(&slot.ids.map(u32::from));
                    used += slot.count();
                    known = known.and(slot.known());
                    count += 1;
                }
                reader.known = known;
                taken += count;
                if count < some.len() {
                    if let Some(&end) = some[..count].last() {
                        reader.begin = end as usize + 1;
                    }
                    break 'many;
                }
                reader.begin = begin as usize;
            }
            ids.extend_from_slice(&room[..used]);
            if taken - before < many.len() {
                break;
            }
        }
        taken
    }
}

/// Asks for the memory of two slots, and does not wait for it.
#[inline(always)]
#[allow(unsafe_code, reason = "the one call")]
fn fetch(pair: &[Slot; 2]) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch reads nothing and may be given any address; this one is that of a reference.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(pair).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = pair;
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::super::table::key;
    use super::*;

    fn table(words: &[(&str, Vec<u32>)]) -> Table {
        let mut table = Table::new(1 << 20);
        for (word, ids) in words {
            table.insert(key(word.as_bytes()).unwrap(), ids, Known::LOCAL);
        }
        table
    }

    /// How many words of a text are taken, their ids, and what is known of them.
    fn taken(table: &Table, text: &str) -> (usize, Vec<u32>, Known) {
        let places = text.match_indices(' ').map(|(place, _)| place);
        let ends: Vec<u32> = places.chain([text.len()]).map(|end| end as u32).collect();
        let mut reader = Reader::new(text.as_bytes(), 0, Known::LOCAL_AND_EXACT);
        let mut ids = vec![9];
        let count = Gather::new().take(table, &mut reader, &ends, &mut ids);
        let expected = match count {
            0 => 0,
            _ => ends[count - 1] as usize + 1,
        };
        assert_eq!(reader.begin, expected);
        (count, ids, reader.known)
    }

    #[test]
    fn words_are_taken_up_to_one_that_is_not_there() {
        let table = table(&[
            ("a", vec![1]),
            ("butternut-squash", (2..9).collect()),
            ("in\0", vec![]),
            ("eight", (0..8).collect()),
            ("large", vec![70_000]),
        ]);
        let cases = [
            ("a", 1, vec![9, 1]),
            ("a a  a", 2, vec![9, 1, 1]),
            ("", 0, vec![9]),
            ("a butternut-squash", 2, vec![9, 1, 2, 3, 4, 5, 6, 7, 8]),
            ("a butternut-squashs a", 1, vec![9, 1]),
            ("a in\0 in a", 2, vec![9, 1]),
            ("a a\0", 1, vec![9, 1]),
            ("a eight a", 1, vec![9, 1]),
            ("large", 0, vec![9]),
        ];
        for (text, count, ids) in cases {
            let known = match count {
                0 => Known::LOCAL_AND_EXACT,
                _ => Known::LOCAL,
            };
            assert_eq!(taken(&table, text), (count, ids, known), "{text:?}");
        }
    }

    #[test]
    fn the_longest_ids_of_many_words_have_room() {
        let table = table(&[("x", (1..8).collect())]);
        for count in [AHEAD - 1, AHEAD, AHEAD + 1, AT_ONCE, 5 * AT_ONCE + 3] {
            let text = vec!["x"; count].join(" ");
            let ids = [vec![9], [1, 2, 3, 4, 5, 6, 7].repeat(count)].concat();
            assert_eq!(taken(&table, &text), (count, ids, Known::LOCAL));
            let (found, ids, _) = taken(&table, &format!("{text} y x"));
            assert_eq!((found, ids.len()), (count, 1 + 7 * count));
        }
    }
}
