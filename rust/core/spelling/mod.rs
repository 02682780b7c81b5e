//! Which characters a tokenizer spells, and what is written for those it does not.
//!
//! 1. [`Alphabet::of`] asks a tokenizer, character by character, which of the common ones come back from their ids.
//! 2. [`Spelling`] goes over the items of one thread. A character that does not come back is written as the first
//!    of its respellings (`respellings`) that does.
//! 3. [`SpellingCounts`] say what was respelt, dropped and left.

mod respellings;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use unicode_normalization::char::is_combining_mark;

use crate::error::{Error, Result};
use crate::text::{Spell, numbers_apart};
use crate::tokenize::{Encoder, Tokenizer};
use respellings::{Around, respellings};

/// Characters that [`Alphabet::of`] asks about: ASCII, Latin-1, Latin Extended-A; General Punctuation.
const LATIN: usize = 0x180;
const PUNCTUATION: std::ops::Range<u32> = 0x2000..0x2070;

/// What is known of a tokenizer's characters, for all threads.
pub struct Alphabet<'a> {
    tokenizer: &'a dyn Tokenizer,
    /// Whether each byte is an ASCII character that comes back.
    ascii: [bool; 256],
    /// Whether the characters of [`LATIN`], then those of [`PUNCTUATION`], come back.
    common: Vec<bool>,
}

impl<'a> Alphabet<'a> {
    /// Asks about some 500 characters, once each: a few milliseconds.
    ///
    /// # Errors
    /// Those of the tokenizer.
    pub fn of(tokenizer: &'a dyn Tokenizer) -> Result<Self> {
        let common = (0..LATIN as u32).chain(PUNCTUATION);
        let mut asker = Asker::new(tokenizer);
        let common = common
            .map(|code| match char::from_u32(code) {
                Some(char) if !char.is_whitespace() && !char.is_control() => asker.comes_back(char),
                _ => Ok(true),
            })
            .collect::<Result<Vec<bool>>>()?;
        let mut ascii = [false; 256];
        ascii[..128].copy_from_slice(&common[..128]);
        Ok(Alphabet {
            tokenizer,
            ascii,
            common,
        })
    }

    /// A speller for one thread.
    #[must_use]
    pub fn spelling(&self) -> Spelling<'_> {
        Spelling {
            alphabet: self,
            asker: Asker::new(self.tokenizer),
            known: HashMap::new(),
            plans: HashMap::new(),
            counts: SpellingCounts::default(),
            error: None,
        }
    }

    /// Whether a common character comes back; `None` for the others.
    fn common(&self, char: char) -> Option<bool> {
        let code = char as usize;
        let place = match PUNCTUATION.contains(&(char as u32)) {
            true => code - PUNCTUATION.start as usize + LATIN,
            false if code < LATIN => code,
            false => return None,
        };
        self.common.get(place).copied()
    }
}

/// Asks a tokenizer about characters.
struct Asker<'a> {
    tokenizer: &'a dyn Tokenizer,
    /// Made for the first question.
    encoder: Option<Box<dyn Encoder + 'a>>,
    ids: Vec<u32>,
}

impl<'a> Asker<'a> {
    fn new(tokenizer: &'a dyn Tokenizer) -> Self {
        Asker {
            tokenizer,
            encoder: None,
            ids: Vec::new(),
        }
    }

    /// Whether a character comes back from its ids, inside of a word and as one. White space does not count: where
    /// it is lost, no respelling helps.
    fn comes_back(&mut self, char: char) -> Result<bool> {
        let encoder = match &mut self.encoder {
            Some(encoder) => encoder,
            none => none.insert(self.tokenizer.encoder()?),
        };
        let text = format!("a{char}b {char} c");
        self.ids.clear();
        encoder.encode(&text, &mut self.ids)?;
        let decoded = self.tokenizer.decode(&self.ids)?;
        let letters = |text: &str| text.replace(char::is_whitespace, "");
        Ok(letters(&decoded) == letters(&text))
    }
}

/// Respells items, for one thread, and counts.
pub struct Spelling<'a> {
    alphabet: &'a Alphabet<'a>,
    asker: Asker<'a>,
    /// Whether an uncommon character comes back.
    known: HashMap<char, bool>,
    plans: HashMap<(char, Around), Plan>,
    counts: SpellingCounts,
    error: Option<Error>,
}

/// What is done with a character that does not come back.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Plan {
    Write(String),
    Drop,
    Leave,
}

impl Spelling<'_> {
    /// What was done since the beginning.
    ///
    /// # Errors
    /// The tokenizer's, where it could not be asked about some character.
    pub fn finish(self) -> Result<SpellingCounts> {
        match self.error {
            Some(error) => Err(error),
            None => Ok(self.counts),
        }
    }

    fn is_spelt(&mut self, char: char) -> bool {
        if char.is_ascii() {
            return self.alphabet.ascii[char as usize];
        }
        if let Some(is_spelt) = self.alphabet.common(char) {
            return is_spelt;
        }
        if let Some(is_spelt) = self.known.get(&char) {
            return *is_spelt;
        }
        let is_spelt = self.asker.comes_back(char).unwrap_or_else(|error| {
            self.error.get_or_insert(error);
            true
        });
        self.known.insert(char, is_spelt);
        is_spelt
    }

    fn plan(&mut self, char: char, around: Around) -> Plan {
        if let Some(plan) = self.plans.get(&(char, around)) {
            return plan.clone();
        }
        let found = respellings(char, around)
            .into_iter()
            .find(|respelt| respelt.chars().all(|char| self.is_spelt(char)));
        let plan = match found {
            Some(respelt) if respelt.is_empty() => Plan::Drop,
            Some(respelt) => Plan::Write(respelt.into_owned()),
            None if char.is_alphanumeric() => Plan::Leave,
            None => Plan::Drop,
        };
        self.plans.insert((char, around), plan.clone());
        plan
    }

    /// The item with all but letters of foreign scripts respelt; `None` where only such are not spelt.
    fn respelt(&mut self, item: &str) -> Option<String> {
        let (spelt, item) = item.split_at(item.find(|char| !self.is_spelt(char))?);
        let mut out = String::with_capacity(spelt.len() + item.len() + 8);
        out.push_str(spelt);
        let mut unspelt = Vec::new();
        let mut changed = Vec::new();
        let mut chars = item.chars();
        while let Some(char) = chars.next() {
            if self.is_spelt(char) {
                out.push(char);
                continue;
            }
            let around = Around::of(&out, chars.as_str());
            match self.plan(char, around) {
                Plan::Leave => {
                    unspelt.push(char);
                    out.push(char);
                }
                Plan::Write(respelt) => {
                    out.push_str(&respelt);
                    changed.push((char, respelt));
                }
                Plan::Drop => {
                    // Neither words nor numbers grow together over it: `1✓1/2` is not `1 1/2`.
                    let is_in_word = around.after_word && around.before_word;
                    let is_at_number = around.after_digit || around.before_digit;
                    let number = out.trim_end_matches([' ', '/', '.', ',']);
                    let is_digit = |last: char| last.is_ascii_digit();
                    if around.before_digit && number.ends_with(is_digit) && self.is_spelt(',') {
                        out.truncate(out.trim_end().len());
                        out.push_str(", ");
                    } else if is_at_number || (is_in_word && !is_combining_mark(char)) {
                        out.push(' ');
                    }
                    changed.push((char, String::new()));
                }
            }
        }
        if changed.is_empty() {
            // Those of an item that changes are counted when it comes again.
            for char in unspelt {
                *self.counts.unspelt.entry(char).or_default() += 1;
            }
            return None;
        }
        for (char, respelt) in changed {
            self.counts.count(char, respelt);
        }
        Some(numbers_apart(out))
    }
}

impl Spell for Spelling<'_> {
    fn spell<'i>(&mut self, item: &'i str) -> Cow<'i, str> {
        // Without a way out of the loop it takes several bytes at once.
        let ascii = &self.alphabet.ascii;
        let is_spelt = item
            .bytes()
            .fold(true, |all, byte| all & ascii[usize::from(byte)]);
        if is_spelt {
            return Cow::Borrowed(item);
        }
        match self.respelt(item) {
            Some(respelt) => Cow::Owned(respelt),
            None => Cow::Borrowed(item),
        }
    }
}

/// How often which character was not left as it was, or could not be spelt.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpellingCounts {
    /// What was written for a character, and how often.
    pub respelt: BTreeMap<char, BTreeMap<String, u64>>,
    /// Signs that carry no words, and that nothing spells.
    pub dropped: BTreeMap<char, u64>,
    /// Letters and digits that were left though the tokenizer does not spell them.
    pub unspelt: BTreeMap<char, u64>,
}

impl SpellingCounts {
    fn count(&mut self, char: char, respelt: String) {
        let count = match respelt.is_empty() {
            true => self.dropped.entry(char).or_default(),
            false => self
                .respelt
                .entry(char)
                .or_default()
                .entry(respelt)
                .or_default(),
        };
        *count += 1;
    }

    /// Adds those of another thread.
    pub fn add(&mut self, other: &SpellingCounts) {
        for (char, spellings) in &other.respelt {
            let mine = self.respelt.entry(*char).or_default();
            for (respelt, count) in spellings {
                *mine.entry(respelt.clone()).or_default() += count;
            }
        }
        for (mine, other) in [
            (&mut self.dropped, &other.dropped),
            (&mut self.unspelt, &other.unspelt),
        ] {
            for (char, count) in other {
                *mine.entry(*char).or_default() += count;
            }
        }
    }
}
