//! Raw files to a published store.
//!
//! 1. The sources are sorted by the bytes of their names and hashed; where the store in use was made of
//!    the same, with the same tokenizer and text, [`prepare`] gives that one back.
//! 2. Records are read (`ingest`), made text (`text`), keyed (`split`), and turned into ids (`tokenize`);
//!    ids of texts that the former store holds are copied from there.
//! 3. The writer publishes; `report.json` beside `current` says what became of every record.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::fingerprint::Fingerprint;
use crate::ingest::{self, Source};
use crate::recipe::{BadRecord, Record};
use crate::split::split_key;
use crate::store::{
    Counts, Fidelity, NewRecord, Origin, SourcePart, StoreWriter, TextPart, TokenStore,
    TokenizerPart,
};
use crate::text::{self, Template};
use crate::tokenize::{self, Tokenizer};

/// Records that are tokenized in one call of the library.
const CHUNK: usize = 1024;
/// Fidelity is measured on the first this many targets and on one in [`FIDELITY_STRIDE`] after them.
const FIDELITY_FIRST: u64 = 256;
const FIDELITY_STRIDE: u64 = 32;
/// Bad records that the report spells out.
const REPORTED_ERRORS: usize = 20;

/// What to prepare, and how.
pub struct Request {
    /// Source files, in any order.
    pub sources: Vec<PathBuf>,
    /// A `tokenizer.json`, or a directory that holds one.
    pub tokenizer: PathBuf,
    /// The directory of the store.
    pub out: PathBuf,
    /// Makes prompt and target of a record.
    pub template: Template,
    /// How many bad records are counted and left out; `None`: the first one ends it.
    pub max_bad: Option<u64>,
}

/// How far [`prepare`] has come.
#[derive(Debug, Clone, Copy, Default)]
pub struct Progress {
    /// Records read.
    pub records: u64,
    /// Records whose ids were copied from the former store.
    pub reused: u64,
}

/// What [`prepare`] did; also in `report.json`.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The store's fingerprint.
    pub store: String,
    /// False where the store in use was already this one.
    pub built: bool,
    /// Over all sources.
    pub counts: Counts,
    /// Records whose ids were copied from the former store.
    pub reused: u64,
    /// Token ids in the store.
    pub tokens: u64,
    /// The share of them that is the unknown token.
    pub unknown_share: f64,
    /// Of the sample of targets that was read back.
    pub fidelity: Fidelity,
    /// Source by source.
    pub sources: Vec<SourcePart>,
    /// The first bad records.
    pub first_errors: Vec<String>,
}

/// Builds the store, or finds that it is built. A stop at any moment leaves the former store in use.
///
/// `progress` is called every thousand records or so and ends the work when it fails.
///
/// # Errors
/// Each names the file, the record or the option, and the remedy; the former store stays in use.
pub fn prepare(
    request: &Request,
    progress: &mut dyn FnMut(Progress) -> Result<()>,
) -> Result<(TokenStore, Report)> {
    let sources = describe(&request.sources)?;
    let tokenizer = tokenize::load(&request.tokenizer)?;
    let info = tokenizer.info();
    let tokenizer_part = TokenizerPart {
        fingerprint: info.fingerprint.clone(),
        vocab_size: info.vocab_size,
        eos_id: info.eos_id,
        pad_id: info.pad_id,
    };
    let text_part = TextPart {
        normalisation: text::NORMALISATION,
        prompt: request.template.prompt().into(),
        target: request.template.target().into(),
    };
    // A store that is damaged anywhere is nothing to build on, and is about to be replaced.
    let former = TokenStore::open(&request.out)
        .and_then(|store| store.verify().map(|()| store))
        .ok()
        .filter(|store| store.manifest().tokenizer == tokenizer_part);
    if let Some(store) = &former
        && store.manifest().text == text_part
        && same_sources(&store.origin().sources, &sources)
        && request.max_bad.unwrap_or(0) >= store.origin().counts.bad
    {
        let report = report(store, false, 0, Vec::new());
        return TokenStore::open(store.path()).map(|store| (store, report));
    }

    let writer = StoreWriter::begin(&request.out, tokenizer_part, info.unk_id, text_part)?;
    let mut build = Build {
        request,
        tokenizer: tokenizer.as_ref(),
        known: known_texts(former.as_ref())?,
        former: former.as_ref(),
        writer,
        pending: Vec::with_capacity(CHUNK),
        parts: Vec::new(),
        counts: Counts::default(),
        fidelity: Fidelity::default(),
        kept: 0,
        errors: Vec::new(),
        progress: Progress::default(),
        tell: progress,
    };
    for (source, part) in sources {
        build.source(&source, part)?;
    }
    let (store, report) = build.finish()?;
    let path = request.out.join("report.json");
    let json = serde_json::to_vec_pretty(&report).map_err(|e| Error::State(e.to_string()))?;
    fs::write(&path, json).map_err(|e| Error::io(&path, "write", e))?;
    Ok((store, report))
}

/// What is known of each source before it is read, sorted by name.
fn describe(paths: &[PathBuf]) -> Result<Vec<(Source, SourcePart)>> {
    if paths.is_empty() {
        return Err(Error::Argument {
            name: "sources",
            reason: "no file is named".into(),
        });
    }
    let mut names: Vec<(&Path, String)> = paths
        .iter()
        .map(|path| (path.as_path(), path.to_string_lossy().into_owned()))
        .collect();
    names.sort_by(|a, b| a.1.as_bytes().cmp(b.1.as_bytes()));
    let mut seen = HashSet::new();
    names
        .into_iter()
        .map(|(path, name)| {
            if !seen.insert(name.clone()) {
                return Err(Error::Argument {
                    name: "sources",
                    reason: format!("`{name}` is named twice"),
                });
            }
            let source = ingest::detect(path)?;
            let metadata = fs::metadata(path).map_err(|e| Error::io(path, "read", e))?;
            let modified = metadata.modified().ok();
            let part = SourcePart {
                name,
                format: source.to_string(),
                bytes: metadata.len(),
                modified: modified
                    .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
                    .map_or(0, |age| age.as_secs()),
                blake3: Fingerprint::of_file(path)?,
                counts: Counts::default(),
            };
            Ok((source, part))
        })
        .collect()
}

fn same_sources(former: &[SourcePart], now: &[(Source, SourcePart)]) -> bool {
    former.len() == now.len()
        && former
            .iter()
            .zip(now)
            .all(|(a, (_, b))| a.name == b.name && a.format == b.format && a.blake3 == b.blake3)
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

/// A record that waits for its ids.
struct Pending {
    prompt: String,
    target: String,
    record: NewRecord,
}

struct Build<'a> {
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

impl Build<'_> {
    fn source(&mut self, source: &Source, mut part: SourcePart) -> Result<()> {
        let number = self.parts.len() as u32;
        let mut counts = Counts::default();
        ingest::read(source, &mut |(line, read)| {
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
                    self.bad_record(bad, format!("{}, line {line}", part.name), reason)?;
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

    fn finish(self) -> Result<(TokenStore, Report)> {
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
        let report = report(&store, true, self.progress.reused, self.errors);
        Ok((store, report))
    }
}

fn report(store: &TokenStore, built: bool, reused: u64, first_errors: Vec<String>) -> Report {
    let manifest = store.manifest();
    Report {
        store: store.fingerprint().to_string(),
        built,
        counts: store.origin().counts,
        reused,
        tokens: manifest.tokens,
        unknown_share: manifest.unknown_tokens as f64 / manifest.tokens.max(1) as f64,
        fidelity: store.origin().fidelity.clone(),
        sources: store.origin().sources.clone(),
        first_errors,
    }
}
