//! The encoder that remembers words.
//!
//! 1. A text is cut at white space, 64 bytes at a time, and each word is looked up in the [`Table`]. This is all that
//!    happens to 99 words in a hundred.
//! 2. A new word ([`Words::learn`]) is cut into pieces by ourselves where the model is known and its characters stand
//!    for themselves; else the library gives its ids, and a word that is not printable ASCII is tried in several
//!    contexts. What was found is kept, up to a bound of memory.
//! 3. A word that depends on its neighbours, or holds an added token, sends the whole text to the library.
//! 4. One text in [`AUDIT_EVERY`] is encoded by the library too, and a difference is an error.

use std::collections::HashMap;

use super::library::Library;
use super::plain::Plain;
use super::probe::Rules;
use super::shape::Glue;
use super::table::{Known, LONGEST, Table, key, key_at};
use super::unigram::Best;
use super::{Counts, Encoder};
use crate::error::Result;

/// One text in this many is encoded twice, the first one among them. The library takes so much longer that an audit of
/// each 256th text would cost more than everything else.
const AUDIT_EVERY: u64 = 4096;
/// The memory of short words.
const TABLE_BYTES: usize = 32 << 20;
/// The memory of all others, counted without what the allocator adds.
const OTHER_BYTES: usize = 16 << 20;
/// A longer word sends its text to the library.
const LONGEST_WORD: usize = 1024;

/// A word that the table does not take, and its ids.
struct Other {
    ids: Box<[u32]>,
    known: Known,
}

/// Words that the table does not take.
#[derive(Default)]
struct Others {
    words: HashMap<Box<str>, Other>,
}

/// The encoder.
pub(super) struct Words<'a> {
    library: &'a Library,
    rules: &'a Rules,
    table: Table,
    long: Others,
    /// First words of texts, where these have other ids.
    first: Others,
    other_bytes: usize,
    plain: Plain,
    normal: String,
    best: Vec<Best>,
    new_ids: Vec<u32>,
    counts: Counts,
}

impl<'a> Words<'a> {
    pub(super) fn new(library: &'a Library, rules: &'a Rules) -> Self {
        Words {
            library,
            rules,
            table: Table::new(TABLE_BYTES),
            long: Others::default(),
            first: Others::default(),
            other_bytes: 0,
            plain: Plain::default(),
            normal: String::new(),
            best: Vec::new(),
            new_ids: Vec::new(),
            counts: Counts::default(),
        }
    }

    /// Appends the ids of all words and says whether they read back as the text; `None` where the text must be
    /// encoded whole.
    fn words(&mut self, text: &str, ids: &mut Vec<u32>) -> Result<Option<bool>> {
        let bytes = text.as_bytes();
        let single = self.rules.glue == Glue::Single;
        let mut exact = true;
        let mut begin = 0;
        // Whether this word cannot be in the table: the first one of its glue, or one with a control character.
        let mut rare = single;
        let (mut words, mut found) = (0, 0);
        let mut at = 0;
        loop {
            let mut ends = match bytes[at..].first_chunk::<64>() {
                Some(block) => white(block),
                None => white_at_end(&bytes[at..]),
            };
            while ends != 0 {
                let end = at + ends.trailing_zeros() as usize;
                ends &= ends - 1;
                if end < bytes.len() && bytes[end] != b' ' {
                    if !self.rules.separates(bytes[end]) {
                        rare = true;
                        continue;
                    }
                    exact = false;
                }
                let length = end - begin;
                let known = if length.wrapping_sub(1) < LONGEST && !rare {
                    let key = key_at(bytes, begin, length);
                    match self.table.find(key) {
                        Some(slot) => {
                            found += 1;
                            self.table.take(slot, ids)
                        }
                        None => self.new_word(&text[begin..end], false, ids)?,
                    }
                } else if length == 0 {
                    if single {
                        return Ok(None);
                    }
                    exact = false;
                    begin = end + 1;
                    continue;
                } else {
                    let first = single && begin == 0;
                    rare = false;
                    self.other_word(&text[begin..end], first, &mut found, ids)?
                };
                if !known.local {
                    return Ok(None);
                }
                words += 1;
                exact &= known.exact;
                begin = end + 1;
            }
            at += 64;
            if at > bytes.len() {
                break;
            }
        }
        self.counts.words += words;
        self.counts.hits += found;
        Ok(Some(exact))
    }

    /// A word that the table cannot hold.
    #[cold]
    fn other_word(
        &mut self,
        word: &str,
        first: bool,
        found: &mut u64,
        ids: &mut Vec<u32>,
    ) -> Result<Known> {
        let others = if first { &self.first } else { &self.long };
        if let Some(other) = others.words.get(word) {
            *found += 1;
            ids.extend_from_slice(&other.ids);
            return Ok(other.known);
        }
        self.new_word(word, first, ids)
    }

    /// Learns a word, keeps it, and appends its ids.
    #[cold]
    #[inline(never)]
    fn new_word(&mut self, word: &str, first: bool, ids: &mut Vec<u32>) -> Result<Known> {
        let known = self.learn(word, first)?;
        ids.extend_from_slice(&self.new_ids);
        match key(word.as_bytes()) {
            Some(key) if !first => self.table.insert(key, &self.new_ids, known),
            _ => {
                let bytes = size_of::<(Box<str>, Other)>() + word.len() + self.new_ids.len() * 4;
                if self.other_bytes + bytes <= OTHER_BYTES && word.len() <= LONGEST_WORD {
                    self.other_bytes += bytes;
                    let others = if first {
                        &mut self.first
                    } else {
                        &mut self.long
                    };
                    let other = Other {
                        ids: self.new_ids.as_slice().into(),
                        known,
                    };
                    others.words.insert(word.into(), other);
                }
            }
        }
        Ok(known)
    }

    /// Makes `new_ids` those of a word, and says what is known of it.
    fn learn(&mut self, word: &str, first: bool) -> Result<Known> {
        self.new_ids.clear();
        if word.len() > LONGEST_WORD || self.rules.holds_added(word) {
            return Ok(Known::default());
        }
        if let Some(known) = self.own(word)? {
            self.counts.own += 1;
            return Ok(known);
        }
        self.counts.library_words += 1;
        let (library, rules) = (self.library, self.rules);
        library.encode(&rules.alone(word, first), &mut self.new_ids)?;
        let usual = word.bytes().all(|byte| byte.is_ascii_graphic());
        if !usual && !rules.stands_alone(library, word, first, &self.new_ids)? {
            return Ok(Known::default());
        }
        Ok(Known {
            local: true,
            exact: rules.reads_back(library, word, first, &self.new_ids)?,
        })
    }

    /// Makes `new_ids` without the library, where that can be done.
    fn own(&mut self, word: &str) -> Result<Option<Known>> {
        let Some(unigram) = &self.rules.unigram else {
            return Ok(None);
        };
        self.normal.clear();
        self.normal.push('\u{2581}');
        let plain = self.plain.normalise(self.library, word, &mut self.normal)?;
        if plain.is_none() {
            return Ok(None);
        }
        let known = unigram.cut(&self.normal, &mut self.best, &mut self.new_ids);
        let unchanged = self.normal.strip_prefix('\u{2581}') == Some(word);
        Ok(Some(Known {
            local: true,
            exact: known && unchanged && self.rules.all_shown(&self.new_ids),
        }))
    }

    /// Compares ids with the library's.
    fn audit(&self, text: &str, ids: &[u32]) -> Result<()> {
        let expected = self.library.ids(text)?;
        if ids == expected {
            return Ok(());
        }
        let same = ids
            .iter()
            .zip(&expected)
            .take_while(|(a, b)| a == b)
            .count();
        let beginning = self.library.decode(&expected[..same])?;
        let words = beginning.split_whitespace().count();
        Err(self.library.refuse(format!(
            "its word memo and the library disagree from about word {} of the text that begins `{}`: use the \
             method `library` for this tokenizer",
            words.max(1),
            text.chars().take(60).collect::<String>()
        )))
    }
}

impl Encoder for Words<'_> {
    fn encode(&mut self, text: &str, ids: &mut Vec<u32>) -> Result<Option<bool>> {
        let start = ids.len();
        let number = self.counts.texts;
        self.counts.texts += 1;
        let Some(exact) = self.words(text, ids)? else {
            ids.truncate(start);
            self.counts.library_texts += 1;
            self.library.encode(text, ids)?;
            return Ok(None);
        };
        if number.is_multiple_of(AUDIT_EVERY) {
            self.counts.audited += 1;
            self.audit(text, &ids[start..])?;
        }
        Ok(self.rules.joins.then_some(exact && !text.is_empty()))
    }

    fn counts(&self) -> Counts {
        self.counts
    }
}

/// Which of 64 bytes are a space or a control character: a bit each, the first byte's the lowest.
#[inline(always)]
fn white(block: &[u8; 64]) -> u64 {
    const LOW: u64 = 0x7F7F_7F7F_7F7F_7F7F;
    const HIGH: u64 = !LOW;
    // Added to seven bits, this sets the eighth from `!` on.
    const FROM_GRAPHIC: u64 = 0x5F5F_5F5F_5F5F_5F5F;
    // Moves the high bit of byte n to bit n of the highest byte.
    const GATHER: u64 = 0x0002_0408_1020_4081;
    let mut bits = 0;
    for (place, bytes) in block.as_chunks::<8>().0.iter().enumerate() {
        let bytes = u64::from_le_bytes(*bytes);
        let white = !(((bytes & LOW) + FROM_GRAPHIC) | bytes) & HIGH;
        bits |= (white.wrapping_mul(GATHER) >> 56) << (8 * place);
    }
    bits
}

/// [`white`] of the last bytes of a text, and one bit more: the text's end ends a word.
fn white_at_end(rest: &[u8]) -> u64 {
    let mut block = [b' '; 64];
    block[..rest.len()].copy_from_slice(rest);
    white(&block) & (u64::MAX >> (63 - rest.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_bytes_are_found() {
        for byte in 0..=255 {
            for place in 0..64 {
                let mut block = [b'x'; 64];
                block[place] = byte;
                let expected = u64::from(byte <= b' ') << place;
                assert_eq!(white(&block), expected, "{byte} at {place}");
            }
        }
        assert_eq!(white_at_end(b""), 1);
        assert_eq!(white_at_end(b"a b"), 0b1010);
        assert_eq!(white_at_end(&[b'a'; 63]), 1 << 63);
    }
}
