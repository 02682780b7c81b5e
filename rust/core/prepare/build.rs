//! Takes what the workers made in the order of the records: whatever depends on others is decided here.
//!
//! 1. [`Build::take`] counts every record, leaves duplicates out, and gives the others to the writer.
//! 2. [`Build::finish`] publishes them with what was found out on the way.

use std::path::PathBuf;
use std::time::Instant;

use super::known::Bodies;
use super::loss::Worst;
use super::statistics::{Histogram, Used};
use super::worker::{Fate, Good, Judged, Worker};
use crate::error::{Error, Result};
use crate::recipe::{Place, Position};
use crate::spelling::SpellingCounts;
use crate::store::{
    BadPlace, Character, Choice, Counts, Fidelity, Making, NewRecord, ORIGIN_SCHEMA, Origin,
    SourcePart, StoreWriter, TokenStore, Tokenizing, Unspelt,
};
use crate::tokenize;

/// Bad records that the report spells out.
const REPORTED_ERRORS: usize = 20;
/// Characters of each kind likewise.
const REPORTED_CHARACTERS: usize = 20;

/// A store that is being filled.
pub(super) struct Build<'a> {
    choice: &'a Choice,
    max_bad: Option<u64>,
    parts: Vec<SourcePart>,
    writer: StoreWriter,
    bodies: Bodies,
    counts: Counts,
    fidelity: Fidelity,
    worst: Worst,
    prompts: Histogram,
    targets: Histogram,
    used: Used,
    first_errors: Vec<BadPlace>,
    reused: u64,
}

impl<'a> Build<'a> {
    /// An empty store of these sources.
    pub(super) fn new(
        choice: &'a Choice,
        max_bad: Option<u64>,
        parts: Vec<SourcePart>,
        vocab_size: u32,
        writer: StoreWriter,
    ) -> Self {
        Build {
            choice,
            max_bad,
            parts,
            writer,
            bodies: Bodies::new(),
            counts: Counts::default(),
            fidelity: Fidelity::default(),
            worst: Worst::default(),
            prompts: Histogram::default(),
            targets: Histogram::default(),
            used: Used::new(vocab_size),
            first_errors: Vec::new(),
            reused: 0,
        }
    }

    /// Records that were seen.
    pub(super) fn records(&self) -> u64 {
        self.counts.total()
    }

    /// Takes the next chunk in.
    ///
    /// # Errors
    /// [`Error::BadRecord`] or [`Error::TooManyBad`], as the policy says; those of the writer.
    pub(super) fn take(&mut self, judged: Judged) -> Result<()> {
        let source = judged.source as usize;
        let before = self.parts[source].counts;
        let mut counts = Counts::default();
        let mut ids = judged.ids.as_slice();
        for fate in judged.fates {
            let ordinal = before.total() + counts.total();
            match fate {
                Fate::Good(good) => {
                    let (now, later) = ids.split_at(good.lengths[0] + good.lengths[1]);
                    ids = later;
                    // Only now: what another filter leaves out must not stand for what would stay.
                    if self.choice.keep_duplicates || self.bodies.insert(good.duplicate_key) {
                        counts.kept += 1;
                        self.keep(judged.source, ordinal, good, now)?;
                    } else {
                        counts.filtered.duplicate += 1;
                    }
                }
                Fate::Empty => counts.filtered.empty += 1,
                Fate::LowQuality => counts.filtered.quality += 1,
                Fate::Short => counts.filtered.short += 1,
                Fate::Long => counts.filtered.long += 1,
                Fate::Bad(place, reason) => {
                    counts.bad += 1;
                    self.bad_record(self.counts.bad + counts.bad, source, place, reason)?;
                }
            }
        }
        self.parts[source].counts.add(&counts);
        self.counts.add(&counts);
        Ok(())
    }

    fn keep(&mut self, source: u32, ordinal: u64, good: Good, ids: &[u32]) -> Result<()> {
        let (prompt, target) = ids.split_at(good.lengths[0]);
        self.prompts.add(prompt.len() as u32);
        self.targets.add(target.len() as u32);
        self.used.add(ids);
        self.reused += u64::from(good.is_reused);
        self.fidelity.records += 1;
        self.fidelity.records_same += u64::from(good.survival.is_same);
        let quantities = u64::from(good.survival.quantities);
        self.fidelity.quantities += quantities;
        self.fidelity.quantities_same += quantities;
        if let Some(loss) = good.loss {
            self.fidelity.quantities_same -= u64::from(loss.quantities);
            self.worst.add(&self.parts[source as usize].name, *loss);
        }
        self.writer.push(&NewRecord {
            prompt,
            target,
            quality: good.quality,
            split_key: good.split_key,
            text_digest: good.text_digest,
            survival: good.survival,
            source,
            ordinal,
        })
    }

    fn bad_record(&mut self, bad: u64, source: usize, place: Place, reason: String) -> Result<()> {
        let name = &self.parts[source].name;
        match self.max_bad {
            Some(cap) if bad <= cap => {}
            policy => {
                let place = format!("{name}, {place}");
                return Err(match policy {
                    None => Error::BadRecord { place, reason },
                    Some(cap) => Error::TooManyBad { cap, place, reason },
                });
            }
        }
        if self.first_errors.len() < REPORTED_ERRORS {
            let (line, byte, row) = match place.position {
                Position::Line { line, byte } => (Some(line), Some(byte), None),
                Position::Row(row) => (None, None, Some(row)),
            };
            self.first_errors.push(BadPlace {
                source: name.clone(),
                file: place.file.map(|file| file.to_string()),
                line,
                byte,
                row,
                reason,
            });
        }
        Ok(())
    }

    /// Publishes what was taken in.
    ///
    /// # Errors
    /// [`Error::Source`] where a source holds no record, or none of all is kept; those of the writer.
    pub(super) fn finish(
        self,
        workers: Vec<Worker<'_>>,
        method: &str,
        begin: Instant,
    ) -> Result<TokenStore> {
        if let Some(part) = self.parts.iter().find(|part| part.counts.total() == 0) {
            return Err(Error::Source {
                path: PathBuf::from(&part.name),
                reason: "it holds no record: leave it out, or check that it is the right file"
                    .into(),
            });
        }
        if self.counts.kept == 0 {
            let Counts { filtered, bad, .. } = self.counts;
            let first = self
                .first_errors
                .first()
                .map(|first| format!("; the first bad one is {first}"));
            return Err(Error::Source {
                path: PathBuf::from(&self.parts[0].name),
                reason: format!(
                    "none of its {} records can be used ({} empty, {} of low quality, {} too short, {} too long, \
                     {bad} bad{}): check that it holds recipes, and the filters",
                    self.counts.total(),
                    filtered.empty,
                    filtered.quality,
                    filtered.short,
                    filtered.long,
                    first.unwrap_or_default(),
                ),
            });
        }
        let mut tokenizing = Tokenizing {
            method: method.to_owned(),
            counts: tokenize::Counts::default(),
        };
        let mut spelling = SpellingCounts::default();
        for worker in workers {
            tokenizing.counts.add(&worker.encoder.counts());
            if let Some(one) = worker.spelling {
                spelling.add(&one.finish()?);
            }
        }
        let mut fidelity = self.fidelity;
        fidelity.worst = self.worst.into_vec();
        let making = Making {
            counts: self.counts,
            fidelity,
            prompt_lengths: self.prompts.lengths(),
            target_lengths: self.targets.lengths(),
            vocabulary: self.used.vocabulary(),
            tokenizer: tokenizing,
            spelling: unspelt(&spelling),
            first_errors: self.first_errors,
            reused: self.reused,
            seconds: begin.elapsed().as_secs_f64(),
        };
        self.writer.publish(&Origin {
            schema: ORIGIN_SCHEMA.into(),
            sources: self.parts,
            choice: self.choice.clone(),
            making,
        })
    }
}

/// The most frequent of each kind.
fn unspelt(spelling: &SpellingCounts) -> Unspelt {
    let one = |(&character, &count): (&char, &u64), written: &str| Character {
        character,
        written: written.to_owned(),
        count,
    };
    let respelt = spelling.respelt.iter().flat_map(|(character, spellings)| {
        spellings
            .iter()
            .map(move |(written, count)| one((character, count), written))
    });
    Unspelt {
        respelt: frequent(respelt.collect()),
        dropped: frequent(
            spelling
                .dropped
                .iter()
                .map(|entry| one(entry, ""))
                .collect(),
        ),
        unspelt: frequent(
            spelling
                .unspelt
                .iter()
                .map(|entry| one(entry, ""))
                .collect(),
        ),
    }
}

fn frequent(mut characters: Vec<Character>) -> Vec<Character> {
    characters.sort_by_key(|character| std::cmp::Reverse(character.count));
    characters.truncate(REPORTED_CHARACTERS);
    characters
}
