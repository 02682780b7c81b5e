//! Raw files to a published store.
//!
//! 1. The sources are sorted by the bytes of their names and hashed (`sources`); where the store in use was made of
//!    the same, with the same tokenizer and text, [`prepare`] gives that one back.
//! 2. In `build`, records are read (`ingest`), made text (`text`), keyed (`split`), and turned into ids (`tokenize`);
//!    ids of texts that the former store holds are copied from there.
//! 3. The store is published; `report.json` beside `current` says what became of every record.

mod build;
mod report;
mod sources;

use std::fs;
use std::path::PathBuf;

pub use report::Report;

use crate::error::{Error, Result};
use crate::store::{StoreWriter, TextPart, TokenStore, TokenizerPart};
use crate::text::{self, Template};
use crate::tokenize;
use build::Build;
use sources::{describe, same_sources};

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
    if request.out.as_os_str().is_empty() {
        return Err(Error::Argument {
            name: "out",
            reason: "it is empty: name a directory".into(),
        });
    }
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
        let report = Report::new(store, false, 0, Vec::new());
        return TokenStore::open(store.path()).map(|store| (store, report));
    }

    let writer = StoreWriter::begin(&request.out, tokenizer_part, info.unk_id, text_part)?;
    let mut build = Build::new(
        request,
        tokenizer.as_ref(),
        former.as_ref(),
        writer,
        progress,
    )?;
    for (source, part) in sources {
        build.source(&source, part)?;
    }
    let (store, report) = build.finish()?;
    let path = request.out.join("report.json");
    let json = serde_json::to_vec_pretty(&report).map_err(|e| Error::State(e.to_string()))?;
    fs::write(&path, json).map_err(|e| Error::io(&path, "write", e))?;
    Ok((store, report))
}
