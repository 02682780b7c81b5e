//! Raw files to a published store.
//!
//! 1. The sources are sorted by the bytes of their names and named by their content (`sources`); where the store in
//!    use was made of the same, with the same tokenizer, text and filters (`task`), [`prepare`] gives that one back.
//! 2. One thread cuts records out of them (`ingest`). Others (`pipeline`, `worker`) parse them, make them text (`text`),
//!    key them (`split`), turn them into ids (`tokenize`), or take those of the former store (`known`), and read them back.
//! 3. The calling thread takes the outcomes in the records' order (`build`), so that the store does not depend on the
//!    number of threads: it leaves duplicates out, counts (`statistics`, `loss`), and writes.
//! 4. The store is published; `report.json` beside `current` says what became of every record.
//! 5. [`places()`], later: where records of the store begin in their files.

mod budget;
mod build;
mod known;
mod loss;
mod pipeline;
mod places;
mod report;
mod sources;
mod statistics;
mod task;
mod worker;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

pub use places::{Whereabouts, places};
pub use report::Report;

use crate::error::{Error, Result};
use crate::store::{Choice, Lock, TokenStore};
use crate::text::Template;
use crate::tokenize::Method;
use task::Task;

/// What to prepare, and how.
pub struct Request {
    /// Files, directories, archives and globs, in any order.
    pub sources: Vec<PathBuf>,
    /// A `tokenizer.json`, or a directory that holds one.
    pub tokenizer: PathBuf,
    /// How it is used; the ids are the same.
    pub method: Method,
    /// The directory of the store.
    pub out: PathBuf,
    /// Makes prompt and target of a record.
    pub template: Template,
    /// Whether characters that the tokenizer cannot spell are written in others.
    pub respell: bool,
    /// Which records are kept, and from which fields they are read.
    pub choice: Choice,
    /// How many bad records are counted and left out; `None`: the first one ends it.
    pub max_bad: Option<u64>,
    /// Threads that tokenize; `None`: one for each core. The store does not depend on it.
    pub threads: Option<usize>,
}

impl Request {
    /// All records of `sources`, duplicates left out, with the tokenizer and the template that are usual; it ends at the
    /// first bad record.
    #[must_use]
    pub fn new(sources: Vec<PathBuf>, tokenizer: PathBuf, out: PathBuf) -> Self {
        Request {
            sources,
            tokenizer,
            method: Method::Auto,
            out,
            template: Template::default(),
            respell: true,
            choice: Choice::default(),
            max_bad: None,
            threads: None,
        }
    }
}

/// What [`prepare`] is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Another one writes in the same place.
    Wait,
    /// Finding out whether the sources changed.
    Hash,
    /// Making the store.
    Read,
    /// Bringing it to the disk.
    Write,
}

impl Stage {
    /// `wait`, `hash`, `read` or `write`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Stage::Wait => "wait",
            Stage::Hash => "hash",
            Stage::Read => "read",
            Stage::Write => "write",
        }
    }
}

/// How far [`prepare`] has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    pub stage: Stage,
    /// Bytes of the sources that this stage has seen.
    pub done: u64,
    /// Bytes of the sources.
    pub total: u64,
    /// Records that were read.
    pub records: u64,
}

/// Builds the store, or finds that it is built. A stop at any moment leaves the former store in use.
///
/// `progress` is called at least five times a second, in this thread, and ends the work when it fails.
///
/// # Errors
/// Each names the file, the record or the option, and the remedy; the former store stays in use.
pub fn prepare(
    request: &Request,
    progress: &mut dyn FnMut(Progress) -> Result<()>,
) -> Result<(TokenStore, Report)> {
    let begin = Instant::now();
    let task = Task::new(request)?;
    let mut former = task.former(progress)?;
    let parts = task.hash(former.as_ref(), progress)?;
    if let Some(store) = former.take_if(|store| task.is_answered_by(store, &parts)) {
        task.let_go();
        return already(store, &request.out, begin);
    }
    let lock = Lock::take(&request.out, &mut || progress(task.at(Stage::Wait)))?;
    if lock.has_waited() {
        // Whoever had the lock may have built this very store.
        former = task.former(progress)?;
        if let Some(store) = former.take_if(|store| task.is_answered_by(store, &parts)) {
            drop(lock);
            return already(store, &request.out, begin);
        }
    }
    let lock = Arc::new(lock);
    let store = task.build(&lock, former.as_ref(), parts, progress, begin)?;
    let report = Report::of(&store, true, begin.elapsed().as_secs_f64());
    report.write(&lock)?;
    task.let_go();
    Ok((store, report))
}

/// Of a store that is in use. Nothing is written where its report is there too.
fn already(store: TokenStore, out: &Path, begin: Instant) -> Result<(TokenStore, Report)> {
    let report = Report::of(&store, false, begin.elapsed().as_secs_f64());
    if report.stands_in(out) {
        return Ok((store, report));
    }
    match Lock::try_take(out) {
        Ok(Some(lock)) => report.write(&lock)?,
        // Another call is at work there, and leaves its own report.
        Ok(None) => {}
        // A store that may only be read is as good: nothing was to be written.
        Err(Error::Io { source, .. })
            if matches!(
                source.kind(),
                ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem
            ) => {}
        Err(e) => return Err(e),
    }
    Ok((store, report))
}
