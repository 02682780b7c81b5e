//! The one error type of the core. Every message says where, what, and what to do about it.

use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};

/// What can go wrong between a raw file and a batch.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file that was asked for is not there.
    #[error("no such file: `{}`: check the path of this {what}", path.display())]
    NotFound { path: PathBuf, what: &'static str },

    /// The operating system refused; `path` is the file it happened to.
    #[error("cannot {action} `{}`: {source}{}", path.display(), remedy(source))]
    Io {
        path: PathBuf,
        action: &'static str,
        source: io::Error,
    },

    /// One record of a source could not be read, and the policy was `fail`.
    #[error(
        "bad record: {place}: {reason}: mend it, or set `on_error` to `skip`, which counts and leaves out up to `max_bad` of them"
    )]
    BadRecord { place: String, reason: String },

    /// More bad records than the cap of the policy `skip` allows.
    #[error(
        "more than {cap} bad records; the last is {place}: {reason}: mend the source, or raise `max_bad`"
    )]
    TooManyBad {
        cap: u64,
        place: String,
        reason: String,
    },

    /// A source as a whole cannot be read: empty, unknown format, broken archive.
    #[error("cannot use source `{}`: {reason}", path.display())]
    Source { path: PathBuf, reason: String },

    /// The tokenizer cannot be loaded, or is of no use here.
    #[error("cannot use tokenizer `{}`: {reason}", path.display())]
    Tokenizer { path: PathBuf, reason: String },

    /// A template that cannot be rendered.
    #[error("bad template: {0}")]
    Template(String),

    /// A store that is damaged, incomplete or not a store.
    #[error("bad store: `{}`: {reason}", path.display())]
    Store { path: PathBuf, reason: String },

    /// An argument outside its range. `name` is the option as the user spells it.
    #[error("bad value for `{name}`: {reason}")]
    Argument { name: &'static str, reason: String },

    /// A saved state that is not one of this loader's.
    #[error("bad loader state: {0}: pass what `state_dict()` gave")]
    State(String),

    /// A saved state of another run of batches. `field` names what differs.
    #[error("loader state does not fit: `{field}` differs: saved {saved}, here {here}: {remedy}")]
    StateMismatch {
        field: &'static str,
        saved: String,
        here: String,
        remedy: &'static str,
    },

    /// A loader that was closed, or is used in another process than the one that made it.
    #[error("{0}")]
    Loader(String),

    /// The system refused a thread.
    #[error("cannot start a thread: {0}: close other programs, or set `threads` lower")]
    Threads(io::Error),

    /// The caller asked to stop (Ctrl-C); nothing was left behind.
    #[error("interrupted")]
    Interrupted,
}

/// The result of everything in the core.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An [`Error::Store`] of a store that `prepare` can build anew.
    pub fn damaged(path: &Path, reason: impl Display) -> Self {
        Error::Store {
            path: path.to_owned(),
            reason: format!("{reason}: run `prepare` again to build it anew"),
        }
    }

    /// An [`Error::Io`], or [`Error::NotFound`] when that is what the system said.
    pub fn io(path: &Path, action: &'static str, source: io::Error) -> Self {
        if source.kind() == io::ErrorKind::NotFound {
            return Error::NotFound {
                path: path.to_owned(),
                what: "file",
            };
        }
        Error::Io {
            path: path.to_owned(),
            action,
            source,
        }
    }
}

/// What to do about what the system said, with a colon before it; empty where nobody can tell.
pub fn remedy(error: &io::Error) -> &'static str {
    use io::ErrorKind::{
        FileTooLarge, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull,
    };
    match error.kind() {
        StorageFull | QuotaExceeded | FileTooLarge => {
            ": free some space there, or choose another place, and run it again"
        }
        PermissionDenied | ReadOnlyFilesystem => ": check its permissions, or choose another place",
        _ => "",
    }
}
