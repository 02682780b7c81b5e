//! A request that was looked into: whether the store in use answers it, and if not, the building of one that does.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Instant;

use super::build::Build;
use super::known::Texts;
use super::pipeline::{self, Cutter};
use super::sources::{self, Given};
use super::worker::{Chunk, Shared, Worker};
use super::{Progress, Request, Stage};
use crate::error::{Error, Result};
use crate::fingerprint::Fingerprint;
use crate::ingest::{self, Cut, Names, Raw};
use crate::spelling::Alphabet;
use crate::store::{Lock, SourcePart, StoreWriter, TextPart, TokenStore, TokenizerPart};
use crate::text;
use crate::tokenize::{self, Tokenizer};

/// Records and bytes after which a chunk is full.
const CHUNK_RECORDS: usize = 256;
const CHUNK_BYTES: usize = 128 << 10;
/// Chunks under way for each thread.
const CHUNKS_AHEAD: usize = 4;
/// What a record takes besides its bytes.
const RECORD_BYTES: usize = 64;

type Tell<'a> = &'a mut dyn FnMut(Progress) -> Result<()>;

/// A request, its sources and its tokenizer.
pub(super) struct Task<'a> {
    request: &'a Request,
    names: Names,
    given: Vec<Given>,
    tokenizer: Box<dyn Tokenizer>,
    tokenizer_part: TokenizerPart,
    text: TextPart,
}

impl<'a> Task<'a> {
    /// Errors: an option is wrong, a source or the tokenizer cannot be used.
    pub(super) fn new(request: &'a Request) -> Result<Self> {
        check(request)?;
        let names = Names::with(&request.choice.map)?;
        let given = sources::describe(&request.sources)?;
        let tokenizer = tokenize::load_with(&request.tokenizer, request.method)?;
        let info = tokenizer.info();
        Ok(Task {
            tokenizer_part: TokenizerPart {
                fingerprint: info.fingerprint.clone(),
                vocab_size: info.vocab_size,
                eos_id: info.eos_id,
                pad_id: info.pad_id,
            },
            text: TextPart {
                normalisation: text::NORMALISATION,
                respell: request.respell,
                prompt: request.template.prompt().into(),
                target: request.template.target().into(),
            },
            request,
            names,
            given,
            tokenizer,
        })
    }

    /// Frees the tokenizer in a thread of its own: it is tens of thousands of small pieces, which takes as long as a
    /// twentieth of a small build.
    pub(super) fn let_go(self) {
        let tokenizer = self.tokenizer;
        let freeing = thread::Builder::new().spawn(move || drop(tokenizer));
        // Where no thread can be had, the closure is freed here, and the tokenizer with it.
        drop(freeing);
    }

    /// The beginning of a stage.
    pub(super) fn at(&self, stage: Stage) -> Progress {
        Progress {
            stage,
            done: 0,
            total: self.given.iter().map(|given| given.bytes).sum(),
            records: 0,
        }
    }

    /// The store in use, every byte of it checked; `None` where there is none, or one that is damaged or of another
    /// version: that is nothing to build on, and is about to be replaced.
    pub(super) fn former(&self, tell: Tell<'_>) -> Result<Option<TokenStore>> {
        let found = TokenStore::open(&self.request.out).and_then(|store| {
            store.verify_while(&mut || tell(self.at(Stage::Hash)))?;
            Ok(store)
        });
        match found {
            Ok(store) => Ok(Some(store)),
            Err(Error::Store { .. } | Error::NotFound { .. }) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// The sources with the names of their contents.
    pub(super) fn hash(
        &self,
        former: Option<&TokenStore>,
        tell: Tell<'_>,
    ) -> Result<Vec<SourcePart>> {
        let former = former.map_or(&[][..], |store| &store.origin().sources);
        let mut now = self.at(Stage::Hash);
        sources::hash(&self.given, former, &mut |bytes| {
            now.done += bytes;
            tell(now)
        })
    }

    /// Whether building would make this store again.
    pub(super) fn is_answered_by(&self, store: &TokenStore, parts: &[SourcePart]) -> bool {
        let (manifest, origin) = (store.manifest(), store.origin());
        manifest.tokenizer == self.tokenizer_part
            && manifest.text == self.text
            && origin.choice == self.request.choice
            && sources::are_same(&origin.sources, parts)
            && self.request.max_bad.unwrap_or(0) >= origin.making.counts.bad
    }

    /// Makes the store of these sources; ids of texts that `former` holds are taken from there.
    pub(super) fn build(
        &self,
        lock: &Arc<Lock>,
        former: Option<&TokenStore>,
        parts: Vec<SourcePart>,
        tell: Tell<'_>,
        begin: Instant,
    ) -> Result<TokenStore> {
        let texts = match former {
            Some(store) if store.manifest().tokenizer == self.tokenizer_part => {
                Some(Texts::of(store)?)
            }
            _ => None,
        };
        let shared = Shared {
            names: &self.names,
            template: &self.request.template,
            choice: &self.request.choice,
            tokenizer: self.tokenizer.as_ref(),
            former: texts.as_ref(),
        };
        let threads = match self.request.threads {
            Some(threads) => threads,
            None => thread::available_parallelism().map_or(1, usize::from),
        };
        let alphabet = match self.request.respell {
            true => Some(Alphabet::of(self.tokenizer.as_ref())?),
            false => None,
        };
        let workers = (0..threads)
            .map(|_| Worker::new(shared, alphabet.as_ref()))
            .collect::<Result<Vec<_>>>()?;
        let mut build = Build::new(
            &self.request.choice,
            self.request.max_bad,
            parts,
            self.tokenizer_part.vocab_size,
            self.writer(lock)?,
        );

        let (read, records) = (AtomicU64::new(0), AtomicU64::new(0));
        let now = || Progress {
            done: read.load(Relaxed),
            records: records.load(Relaxed),
            ..self.at(Stage::Read)
        };
        tell(now())?;
        let workers = pipeline::run(
            workers,
            (threads + 1) * CHUNKS_AHEAD * CHUNK_BYTES,
            |cutter| self.cut(cutter, &read),
            |judged| {
                build.take(judged)?;
                records.store(build.records(), Relaxed);
                Ok(())
            },
            &mut || tell(now()),
        )?;
        tell(Progress {
            stage: Stage::Write,
            ..now()
        })?;
        build.finish(workers, self.tokenizer.method(), begin)
    }

    fn writer(&self, lock: &Arc<Lock>) -> Result<StoreWriter> {
        let path = tokenize::file_of(&self.request.tokenizer);
        let json = fs::read(&path).map_err(|e| Error::io(&path, "read", e))?;
        if Fingerprint::of(&json) != self.tokenizer_part.fingerprint {
            return Err(Error::Tokenizer {
                path,
                reason: "it was written to while it was read: run `prepare` again".into(),
            });
        }
        let (part, text) = (self.tokenizer_part.clone(), self.text.clone());
        StoreWriter::begin(
            Arc::clone(lock),
            part,
            &json,
            self.tokenizer.info().unk_id,
            text,
        )
    }

    /// Hands out the records of all sources.
    fn cut(&self, cutter: &mut Cutter<'_, Chunk>, read: &AtomicU64) -> Result<()> {
        let mut before = 0;
        for (number, given) in self.given.iter().enumerate() {
            let empty = || Chunk {
                source: number as u32,
                bytes: 0,
                records: Vec::new(),
            };
            let mut chunk = empty();
            let mut sink = |place, raw: Cut| {
                chunk.bytes += RECORD_BYTES + raw.as_ref().map_or(0, Raw::len);
                chunk.records.push((place, raw));
                if chunk.records.len() >= CHUNK_RECORDS || chunk.bytes >= CHUNK_BYTES {
                    let full = std::mem::replace(&mut chunk, empty());
                    let bytes = full.bytes;
                    cutter.give(full, bytes)?;
                }
                Ok(())
            };
            let outcome = ingest::read_watched(&given.source, &self.names, read, &mut sink);
            // What stands before a place that cannot be read is judged before it.
            if !chunk.records.is_empty() {
                let bytes = chunk.bytes;
                cutter.give(chunk, bytes)?;
            }
            outcome?;
            sources::check_unchanged(given)?;
            before += given.bytes;
            read.store(before, Relaxed);
        }
        Ok(())
    }
}

/// Errors: the option that is out of its range.
fn check(request: &Request) -> Result<()> {
    let refuse = |name, reason: &str| {
        Err(Error::Argument {
            name,
            reason: reason.into(),
        })
    };
    let choice = &request.choice;
    if request.out.as_os_str().is_empty() {
        return refuse("out", "it is empty: name a directory");
    }
    if request.threads == Some(0) {
        return refuse("threads", "it is 0: give 1 or more, or leave it out");
    }
    if choice.min_quality.is_some_and(f32::is_nan) {
        return refuse("min_quality", "it is no number");
    }
    if choice
        .max_tokens
        .is_some_and(|most| most < choice.min_tokens)
    {
        return refuse(
            "max_tokens",
            "it is below `min_tokens`: no record would be left",
        );
    }
    Ok(())
}
