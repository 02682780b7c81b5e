//! Records in, store out.
//!
//! 1. [`Build::source`] makes text of every record and counts those that are empty or bad.
//! 2. A thousand at a time get their ids: from the former store where it holds the text, else from the tokenizer.
//! 3. Some targets are read back from their ids, which measures how well the text survives the tokenizer.
//! 4. [`Build::finish`] publishes.

use std::collections::HashMap;

use super::{Progress, Report, Request};
use crate::error::{Error, Result};
use crate::ingest::{self, Names, Source};
use crate::recipe::{BadRecord, Record};
use crate::split::split_key;
use crate::store::{Counts, Fidelity, NewRecord, Origin, SourcePart, StoreWriter, TokenStore};
use crate::text;
use crate::tokenize::Tokenizer;

/// Records that are tokenized in one call of the library.
const CHUNK: usize = 1024;
/// Fidelity is measured on the first this many targets and on one in [`FIDELITY_STRIDE`] after them.
const FIDELITY_FIRST: u64 = 256;
const FIDELITY_STRIDE: u64 = 32;
/// Bad records that the report spells out.
const REPORTED_ERRORS: usize = 20;

/// A record that waits for its ids.
struct Pending {
    prompt: String,
    target: String,
    record: NewRecord,
}

/// A store that is being filled.
pub(super) struct Build<'a> {
    request: &'a Request,
    tokenizer: &'a dyn Tokenizer,
    former: Option<&'a TokenStore>,
    known: HashMap<[u64; 2], usize>,
    writer: StoreWriter,
    pending: Vec<Pending>,
    parts: Vec<SourcePart>,
    counts: Counts,
    fidelity: Fidelity,
    kept: u64,
    errors: Vec<String>,
    progress: Progress,
    tell: &'a mut dyn FnMut(Progress) -> Result<()>,
}

impl<'a> Build<'a> {
    /// An empty store, beside the former one whose ids may be taken over.
    pub(super) fn new(
        request: &'a Request,
        tokenizer: &'a dyn Tokenizer,
        former: Option<&'a TokenStore>,
        writer: StoreWriter,
        tell: &'a mut dyn FnMut(Progress) -> Result<()>,
    ) -> Result<Self> {
        Ok(Build {
            request,
            tokenizer,
            known: known_texts(former)?,
            former,
            writer,
            pending: Vec::with_capacity(CHUNK),
            parts: Vec::new(),
            counts: Counts::default(),
            fidelity: Fidelity::default(),
            kept: 0,
            errors: Vec::new(),
            progress: Progress::default(),
            tell,
        })
    }

    /// Takes in all records of a source.
    pub(super) fn source(&mut self, source: &Source, mut part: SourcePart) -> Result<()> {
        let number = self.parts.len() as u32;
        let mut counts = Counts::default();
        ingest::records(source, &Names::default(), &mut |(place, read)| {
            let ordinal = counts.total();
            match read {
                Ok(record) => {
                    if self.record(number, ordinal, &record)? {
                        counts.kept += 1;
                    } else {
                        counts.empty += 1;
                    }
                }
                Err(BadRecord { reason }) => {
                    counts.bad += 1;
                    let bad = self.counts.bad + counts.bad;
                    self.bad_record(bad, format!("{}, {place}", part.name), reason)?;
                }
            }
            self.progress.records += 1;
            if self.pending.len() >= CHUNK {
                self.flush()?;
            }
            Ok(())
        })?;
        self.flush()?;
        if counts.total() == 0 {
            return Err(Error::Source {
                path: source.path.clone(),
                reason: "it holds no record: leave it out, or check that it is the right file"
                    .into(),
            });
        }
        self.counts.add(&counts);
        part.counts = counts;
        self.parts.push(part);
        Ok(())
    }

    /// Takes a record in; false where there is nothing to learn from it.
    fn record(&mut self, source: u32, ordinal: u64, record: &Record) -> Result<bool> {
        let pair = self.request.template.render(&record.content);
        if pair.prompt.is_empty() || pair.target.is_empty() || pair.body.is_empty() {
            return Ok(false);
        }
        self.pending.push(Pending {
            record: NewRecord {
                prompt: Vec::new(),
                target: Vec::new(),
                quality: record.quality.unwrap_or(f32::NAN),
                split_key: split_key(&pair.body),
                text_digest: text_digest(&pair.prompt, &pair.target),
                source,
                ordinal,
            },
            prompt: pair.prompt,
            target: pair.target,
        });
        Ok(true)
    }

    fn bad_record(&mut self, bad: u64, place: String, reason: String) -> Result<()> {
        if self.errors.len() < REPORTED_ERRORS {
            self.errors.push(format!("{place}: {reason}"));
        }
        match self.request.max_bad {
            None => Err(Error::BadRecord { place, reason }),
            Some(cap) if bad > cap => Err(Error::TooManyBad { cap, place, reason }),
            Some(_) => Ok(()),
        }
    }

    /// Gives every waiting record its ids, from the former store or the tokenizer, and writes it.
    fn flush(&mut self) -> Result<()> {
        let mut texts = Vec::new();
        for waiting in &mut self.pending {
            match (self.former, self.known.get(&waiting.record.text_digest)) {
                (Some(store), Some(&record)) => {
                    let (prompt, target) = store.ids(record)?;
                    waiting.record.prompt = prompt.to_vec();
                    waiting.record.target = target.to_vec();
                    self.progress.reused += 1;
                }
                _ => texts.extend([waiting.prompt.as_str(), waiting.target.as_str()]),
            }
        }
        let mut ids = self.tokenizer.encode_batch(&texts)?.into_iter();
        for mut waiting in std::mem::take(&mut self.pending) {
            if !(self.former.is_some() && self.known.contains_key(&waiting.record.text_digest)) {
                waiting.record.prompt = ids.next().unwrap_or_default();
                waiting.record.target = ids.next().unwrap_or_default();
            }
            if self.kept < FIDELITY_FIRST || self.kept.is_multiple_of(FIDELITY_STRIDE) {
                self.read_back(&waiting)?;
            }
            self.kept += 1;
            self.writer.push(&waiting.record)?;
        }
        (self.tell)(self.progress)
    }

    /// Whether the target still says the same once the tokenizer has had it: the same recipe, or the
    /// same words where it is none.
    fn read_back(&mut self, written: &Pending) -> Result<()> {
        let decoded = self.tokenizer.decode(&written.record.target)?;
        let same = match text::parse_recipe(&written.target) {
            Some(recipe) => text::parse_recipe(&decoded) == Some(recipe),
            None => decoded
                .split_whitespace()
                .eq(written.target.split_whitespace()),
        };
        self.fidelity.checked += 1;
        if same {
            self.fidelity.faithful += 1;
        } else if self.fidelity.example.is_none() {
            self.fidelity.example = Some((written.target.clone(), decoded));
        }
        Ok(())
    }

    /// Publishes what was taken in.
    pub(super) fn finish(self) -> Result<(TokenStore, Report)> {
        if self.counts.kept == 0 {
            return Err(Error::Source {
                path: self.request.sources[0].clone(),
                reason: format!(
                    "none of its {} records can be used ({} empty, {} bad): check that it holds recipes",
                    self.counts.total(),
                    self.counts.empty,
                    self.counts.bad
                ),
            });
        }
        let origin = Origin {
            schema: "chefgenius.origin/1".into(),
            sources: self.parts,
            counts: self.counts,
            fidelity: self.fidelity,
        };
        let store = self.writer.publish(&origin)?;
        let report = Report::new(&store, true, self.progress.reused, self.errors);
        Ok((store, report))
    }
}

/// Where the former store holds which text.
fn known_texts(former: Option<&TokenStore>) -> Result<HashMap<[u64; 2], usize>> {
    let mut known = HashMap::new();
    if let Some(store) = former {
        known.reserve(store.len());
        store.for_each_digest(|record, digest| {
            known.insert(digest, record);
        })?;
    }
    Ok(known)
}

/// Names prompt and target together.
fn text_digest(prompt: &str, target: &str) -> [u64; 2] {
    let mut hasher = blake3::Hasher::new_derive_key("chefgenius text 1");
    hasher.update(&(prompt.len() as u64).to_le_bytes());
    hasher.update(prompt.as_bytes());
    hasher.update(target.as_bytes());
    let mut words = [[0; 8]; 2];
    hasher.finalize_xof().fill(words.as_flattened_mut());
    words.map(u64::from_le_bytes)
}
