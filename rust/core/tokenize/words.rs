//! The encoder that remembers words.
//!
//! 1. A text is cut at white space (`cut`), and the ids of its words are gathered from the [`Table`] (`gather`). This is
//!    all that happens to 99 words in a hundred.
//! 2. A new word ([`Words::learn`]) is cut into pieces by ourselves where the model is known and its characters stand
//!    for themselves; else the library gives its ids, and a word that is not printable ASCII is tried in several
//!    contexts. What was found is kept, up to a bound of memory.
//! 3. A word that depends on its neighbours, or holds an added token, sends the whole text to the library.
//! 4. One text in [`AUDIT_EVERY`] is encoded by the library too, and a difference is an error.

use std::collections::HashMap;

use super::cut::Ends;
use super::gather::{Gather, Reader};
use super::library::Library;
use super::plain::{Plain, edges_are_plain};
use super::probe::Rules;
use super::shape::Glue;
use super::table::{Known, Table, key};
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
    ends: Ends,
    gather: Gather,
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
            ends: Ends::new(),
            gather: Gather::new(),
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
        let (bytes, rules) = (text.as_bytes(), self.rules);
        if bytes.len() >= u32::MAX as usize {
            return Ok(None);
        }
        let mut reader = Reader::new(bytes, 0, Known::LOCAL_AND_EXACT);
        if rules.glue == Glue::Single {
            let word = text.split(' ').next().unwrap_or_default();
            reader.known = self.missed(word, true, ids)?;
            reader.begin = word.len() + 1;
        }
        let mut at = reader.begin;
        while at <= bytes.len() {
            if !self.ends.find(bytes, &mut at, |byte| rules.separates(byte)) {
                reader.known = reader.known.and(Known::LOCAL);
            }
            let mut next = 0;
            loop {
                let ends = &self.ends.places()[next..];
                let taken = self.gather.take(&self.table, &mut reader, ends, ids);
                self.counts.words += taken as u64;
                self.counts.hits += taken as u64;
                next += taken;
                let Some(&end) = self.ends.places().get(next) else {
                    break;
                };
                let word = &text[reader.begin..end as usize];
                reader.known = reader.known.and(self.missed(word, false, ids)?);
                reader.begin = end as usize + 1;
                next += 1;
            }
        }
        Ok(reader.known.local().then_some(reader.known.exact()))
    }

    /// A word that was not gathered, or none. `first` as in [`Rules::alone`].
    #[cold]
    #[inline(never)]
    fn missed(&mut self, word: &str, first: bool, ids: &mut Vec<u32>) -> Result<Known> {
        if word.is_empty() {
            return Ok(match self.rules.glue {
                Glue::Runs => Known::LOCAL,
                Glue::Single => Known::NOTHING,
            });
        }
        self.counts.words += 1;
        let found = match key(word.as_bytes()) {
            Some(key) if !first => self.table.find(key).map(|slot| {
                self.table.take(slot, ids);
                slot.known()
            }),
            _ => {
                let others = if first { &self.first } else { &self.long };
                others.words.get(word).map(|other| {
                    ids.extend_from_slice(&other.ids);
                    other.known
                })
            }
        };
        match found {
            Some(known) => {
                self.counts.hits += 1;
                Ok(known)
            }
            None => self.new_word(word, first, ids),
        }
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
}
