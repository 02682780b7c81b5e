//! What becomes of each record, in one of several threads: nothing here depends on other records.
//!
//! 1. A record is parsed, scored where that is asked for, and made text.
//! 2. Its ids come from the former store where that holds the text, else from the tokenizer.
//! 3. The target is read back from its ids, unless the encoder knows that it comes back as it is.

use xxhash_rust::xxh3::Xxh3;

use super::known::Texts;
use super::loss::Loss;
use super::pipeline;
use crate::error::Result;
use crate::ingest::{Cut, Names};
use crate::recipe::{BadRecord, Place, Record};
use crate::spelling::{Alphabet, Spelling};
use crate::split::split_key;
use crate::store::{Choice, Survival};
use crate::text::{self, AsIs, Spell, Template, TextPair};
use crate::tokenize::{Encoder, Tokenizer};

/// Records of one source that stand one after the other.
pub(super) struct Chunk {
    /// The number of the source.
    pub(super) source: u32,
    /// About how many.
    pub(super) bytes: usize,
    pub(super) records: Vec<(Place, Cut)>,
}

/// Of a recipe in JSON, and its ids.
const BYTES_AN_ID: usize = 4;
/// Quantities of a target that a store can tell.
const MOST: usize = (u32::MAX >> 1) as usize;

/// What became of the records of a chunk.
pub(super) struct Judged {
    pub(super) source: u32,
    pub(super) fates: Vec<Fate>,
    /// Prompt and target ids of those that may be kept, one after the other.
    pub(super) ids: Vec<u32>,
}

/// What becomes of a record as far as it alone decides.
pub(super) enum Fate {
    /// It is kept where it is no duplicate.
    Good(Good),
    Empty,
    LowQuality,
    Short,
    Long,
    Bad(Place, String),
}

/// A record that may be kept.
pub(super) struct Good {
    /// How many ids prompt and target have.
    pub(super) lengths: [usize; 2],
    /// NaN where there is none.
    pub(super) quality: f32,
    pub(super) split_key: u64,
    /// What an earlier record has in common that this one repeats: body and numbers.
    pub(super) duplicate_key: u64,
    pub(super) text_digest: [u64; 2],
    pub(super) survival: Survival,
    /// What did not come back of its target.
    pub(super) loss: Option<Box<Loss>>,
    /// Whether its ids are those of the former store.
    pub(super) is_reused: bool,
}

/// What all workers look at.
#[derive(Clone, Copy)]
pub(super) struct Shared<'a> {
    pub(super) names: &'a Names,
    pub(super) template: &'a Template,
    pub(super) choice: &'a Choice,
    pub(super) tokenizer: &'a dyn Tokenizer,
    pub(super) former: Option<&'a Texts<'a>>,
}

/// One thread's hands.
pub(super) struct Worker<'a> {
    shared: Shared<'a>,
    pub(super) encoder: Box<dyn Encoder + 'a>,
    /// `None`: characters stay as they are.
    pub(super) spelling: Option<Spelling<'a>>,
}

impl<'a> Worker<'a> {
    /// Without an `alphabet` nothing is respelt.
    pub(super) fn new(shared: Shared<'a>, alphabet: Option<&'a Alphabet<'a>>) -> Result<Self> {
        Ok(Worker {
            shared,
            encoder: shared.tokenizer.encoder()?,
            spelling: alphabet.map(Alphabet::spelling),
        })
    }

    fn judge(&mut self, place: Place, record: &Record, ids: &mut Vec<u32>) -> Result<Fate> {
        let choice = self.shared.choice;
        let mut as_is = AsIs;
        let spell: &mut dyn Spell = match &mut self.spelling {
            Some(spelling) => spelling,
            None => &mut as_is,
        };
        let pair = self.shared.template.render(&record.content, spell);
        if pair.prompt.is_empty() || pair.target.is_empty() || pair.body.is_empty() {
            return Ok(Fate::Empty);
        }
        let scored = || match choice.score_quality {
            true => text::recipe_of(&record.content).map(|recipe| text::quality(&recipe)),
            false => None,
        };
        let quality = record.quality.or_else(scored);
        if let (Some(quality), Some(least)) = (quality, choice.min_quality)
            && quality < least
        {
            return Ok(Fate::LowQuality);
        }
        let begin = ids.len();
        let good = self.tokenize(&pair, place, quality, ids)?;
        let tokens = good.lengths[1];
        let fate = match choice.max_tokens {
            _ if tokens < choice.min_tokens as usize => Fate::Short,
            Some(most) if tokens > most as usize => Fate::Long,
            _ => return Ok(Fate::Good(good)),
        };
        ids.truncate(begin);
        Ok(fate)
    }

    /// Appends the ids of both texts.
    fn tokenize(
        &mut self,
        pair: &TextPair,
        place: Place,
        quality: Option<f32>,
        ids: &mut Vec<u32>,
    ) -> Result<Good> {
        let text_digest = text_digest(&pair.prompt, &pair.target);
        let begin = ids.len();
        let split_key = split_key(&pair.body);
        let mut good = Good {
            lengths: [0; 2],
            quality: quality.unwrap_or(f32::NAN),
            split_key,
            // Both are hashes, and not of one kind.
            duplicate_key: split_key ^ pair.numbers,
            text_digest,
            survival: Survival {
                is_same: true,
                quantities: 0,
            },
            loss: None,
            is_reused: false,
        };
        let known = match self.shared.former {
            Some(texts) => texts
                .find(text_digest)?
                .map(|record| (texts.store(), record)),
            None => None,
        };
        let middle;
        let is_same = if let Some((store, record)) = known {
            let (prompt, target) = store.ids(record)?;
            prompt.append_to(ids);
            middle = ids.len();
            target.append_to(ids);
            good.is_reused = true;
            good.survival = store.survival(record)?;
            good.survival.is_same
        } else {
            self.encoder.encode(&pair.prompt, ids)?;
            middle = ids.len();
            let is_same = self.encoder.encode(&pair.target, ids)? == Some(true);
            if is_same {
                let quantities = text::quantities(&pair.target).count();
                good.survival.quantities = quantities.min(MOST) as u32;
            }
            is_same
        };
        good.lengths = [middle - begin, ids.len() - middle];
        if !is_same {
            let read = self.shared.tokenizer.decode(&ids[middle..])?;
            let back = text::read_back(&pair.target, &read);
            good.survival = Survival {
                is_same: back.same,
                quantities: back.quantities,
            };
            if !back.same {
                let lost = back.quantities - back.quantities_same;
                good.loss = Some(Box::new(Loss::of(place, lost, &pair.target, &read)));
            }
        }
        Ok(good)
    }
}

impl pipeline::Worker for Worker<'_> {
    type Item = Chunk;
    type Done = Judged;

    fn work(&mut self, chunk: Chunk) -> Result<Judged> {
        let mut judged = Judged {
            source: chunk.source,
            fates: Vec::with_capacity(chunk.records.len()),
            ids: Vec::with_capacity(chunk.bytes / BYTES_AN_ID),
        };
        for (place, raw) in chunk.records {
            let fate = match raw.and_then(|raw| raw.parse(self.shared.names)) {
                Ok(record) => self.judge(place, &record, &mut judged.ids)?,
                Err(BadRecord { reason }) => Fate::Bad(place, reason),
            };
            judged.fates.push(fate);
        }
        Ok(judged)
    }
}

/// Names prompt and target together: XXH3 of the prompt's length and both.
fn text_digest(prompt: &str, target: &str) -> [u64; 2] {
    let mut hasher = Xxh3::new();
    hasher.update(&(prompt.len() as u64).to_le_bytes());
    hasher.update(prompt.as_bytes());
    hasher.update(target.as_bytes());
    let digest = hasher.digest128();
    [digest as u64, (digest >> 64) as u64]
}
