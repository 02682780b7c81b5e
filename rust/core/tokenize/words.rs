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
use super::plain::{Plain, edges_are_plain};
use super::probe::Rules;
use super::shape::Glue;
use super::table::{Known, LONGEST, Table, key, key_at};
use super::unigram::Best;
use super::{Counts, Encoder};
use crate::error::Result;

/// One text in this many is encoded twice, the first one among them. The library takes so much longer that an audit of
/// each 256th text would cost as much as all others do. Odd, so that it meets prompts and targets.
const AUDIT_EVERY: u64 = 4095;
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
    reference: &'a Library,
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
    /// The next text from this number on is encoded twice.
    next_audit: u64,
    counts: Counts,
}

impl<'a> Words<'a> {
    pub(super) fn new(library: &'a Library, rules: &'a Rules) -> Self {
        Words {
            reference: library,
            rules,
            table: Table::new(TABLE_BYTES),
            long: Others::default(),
            first: Others::default(),
            other_bytes: 0,
            plain: Plain::default(),
            normal: String::new(),
            best: Vec::new(),
            new_ids: Vec::new(),
            next_audit: 0,
            counts: Counts::default(),
        }
    }

    /// Appends the ids of all words and says whether they read back as the text; `None` where the text must be
    /// encoded whole.
    fn words(&mut self, text: &str, ids: &mut Vec<u32>) -> Result<Option<bool>> {
        let bytes = text.as_bytes();
        let single = self.rules.glue == Glue::Single;
        // The longest word to look up in the table: none where it begins a text of glue that knows first words, or
        // holds a control character.
        let mut longest = if single { 0 } else { LONGEST };
        let without_word = if single { Known::NOTHING } else { Known::LOCAL };
        let mut all = Known::LOCAL_AND_EXACT;
        let (mut hits, mut others) = (0, 0);
        let (mut begin, mut at) = (0, 0);
        while at <= bytes.len() {
            let mut ends = white_from(bytes, at);
            while ends != 0 {
                let end = at + ends.trailing_zeros() as usize;
                ends &= ends - 1;
                if bytes.get(end).is_some_and(|&byte| byte != b' ') {
                    if !self.rules.separates(bytes[end]) {
                        longest = 0;
                        continue;
                    }
                    all = all.and(Known::LOCAL);
                }
                let (start, length) = (begin, end - begin);
                begin = end + 1;
                if length.wrapping_sub(1) < longest
                    && let Some(slot) = self.table.find(key_at(bytes, start, length))
                {
                    all = all.and(self.table.take(slot, ids));
                    hits += 1;
                } else if length == 0 {
                    all = all.and(without_word);
                } else {
                    others += 1;
                    let first = single && start == 0;
                    all = all.and(self.other_word(&text[start..end], first, ids)?);
                    longest = LONGEST;
                }
            }
            at += 64;
        }
        self.counts.words += hits + others;
        self.counts.hits += hits;
        Ok(all.local().then_some(all.exact()))
    }

    /// A word that was not found in the table, or cannot be there.
    #[cold]
    #[inline(never)]
    fn other_word(&mut self, word: &str, first: bool, ids: &mut Vec<u32>) -> Result<Known> {
        let others = if first { &self.first } else { &self.long };
        if (first || key(word.as_bytes()).is_none())
            && let Some(other) = others.words.get(word)
        {
            self.counts.hits += 1;
            ids.extend_from_slice(&other.ids);
            return Ok(other.known);
        }
        self.new_word(word, first, ids)
    }

    /// Learns a word, keeps it, and appends its ids.
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
            return Ok(Known::NOTHING);
        }
        if let Some(known) = self.own(word)? {
            self.counts.own += 1;
            return Ok(known);
        }
        self.counts.words_by_library += 1;
        let (library, rules) = (self.reference, self.rules);
        library.encode(&rules.alone(word, first), &mut self.new_ids)?;
        let usual = word.bytes().all(|byte| byte.is_ascii_graphic());
        let local = usual
            || edges_are_plain(word) && rules.stands_alone(library, word, first, &self.new_ids)?;
        if !local {
            return Ok(Known::NOTHING);
        }
        let exact = rules.reads_back(library, word, first, &self.new_ids)?;
        Ok(Known::local_and(exact))
    }

    /// Makes `new_ids` without the library, where that can be done.
    fn own(&mut self, word: &str) -> Result<Option<Known>> {
        let Some(unigram) = &self.rules.unigram else {
            return Ok(None);
        };
        self.normal.clear();
        self.normal.push('\u{2581}');
        let plain = self
            .plain
            .normalise(self.reference, word, &mut self.normal)?;
        if plain.is_none() {
            return Ok(None);
        }
        let known = unigram.cut(&self.normal, &mut self.best, &mut self.new_ids);
        let unchanged = self.normal.strip_prefix('\u{2581}') == Some(word);
        let exact = known && unchanged && self.rules.all_shown(&self.new_ids);
        Ok(Some(Known::local_and(exact)))
    }

    /// Compares ids with the library's.
    fn audit(&self, text: &str, ids: &[u32]) -> Result<()> {
        let expected = self.reference.ids(text)?;
        if ids == expected {
            return Ok(());
        }
        let same = ids
            .iter()
            .zip(&expected)
            .take_while(|(a, b)| a == b)
            .count();
        let beginning = self.reference.decode(&expected[..same])?;
        let words = beginning.split_whitespace().count();
        Err(self.reference.refuse(format!(
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
            self.counts.texts_by_library += 1;
            self.reference.encode(text, ids)?;
            return Ok(None);
        };
        if number >= self.next_audit {
            self.next_audit = number + AUDIT_EVERY;
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

/// [`white`] of the 64 bytes from `at` on. Where the text ends among them, its end is a bit too, for it ends a word.
#[inline(always)]
fn white_from(bytes: &[u8], at: usize) -> u64 {
    let rest = &bytes[at..];
    match rest.first_chunk() {
        Some(block) => white(block),
        None => {
            let mut block = [b' '; 64];
            block[..rest.len()].copy_from_slice(rest);
            white(&block) & (u64::MAX >> (63 - rest.len()))
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::tokenize::shape::Shape;

    #[test]
    fn an_audit_finds_a_wrong_memory() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let path = root.join("python/chefgenius/cookbook/tokenizer.json");
        let bytes = std::fs::read(&path).unwrap();
        let library = Library::new(&path, &bytes).unwrap();
        let shape = Shape::read(&bytes).unwrap();
        let rules = Rules::of(&library, shape).unwrap().unwrap();
        let mut words = Words::new(&library, &rules);
        let key = key(b"rice").unwrap();
        words.table.insert(key, &[5, 5], Known::LOCAL_AND_EXACT);
        let mut encode = |text: &str| words.encode(text, &mut Vec::new());
        let error = encode("cook the rice well").unwrap_err().to_string();
        assert!(
            error.contains("from about word 2 of") && error.contains("`cook the rice well`"),
            "{error}"
        );
        for _ in 1..AUDIT_EVERY {
            encode("rice").unwrap();
        }
        assert!(encode("rice").is_err(), "its turn came again");
        assert_eq!(words.counts().audited, 2);
    }

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
        assert_eq!(white_from(b"", 0), 1);
        assert_eq!(white_from(b"xxa b", 2), 0b1010);
        assert_eq!(white_from(&[b'a'; 63], 0), 1 << 63);
        assert_eq!(white_from(&[b'a'; 64], 0), 0);
        assert_eq!(white_from(&[b'a'; 64], 64), 1);
    }
}
