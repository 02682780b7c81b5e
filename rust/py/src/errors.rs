//! The core's errors as Python's: built-in classes where there is one, else a class under `ChefGeniusError`.

use chefgenius::Error;
use chefgenius::error::remedy;
use pyo3::create_exception;
use pyo3::exceptions::{
    PyException, PyFileNotFoundError, PyKeyboardInterrupt, PyOSError, PyValueError,
};
use pyo3::prelude::*;

create_exception!(
    chefgenius._core,
    ChefGeniusError,
    PyException,
    "What chefgenius itself can go wrong with."
);
create_exception!(
    chefgenius._core,
    DataError,
    ChefGeniusError,
    "A source file, or a record in it, cannot be used."
);
create_exception!(
    chefgenius._core,
    StoreError,
    ChefGeniusError,
    "A token store is damaged, incomplete or of another kind."
);
create_exception!(
    chefgenius._core,
    TokenizerError,
    ChefGeniusError,
    "A tokenizer cannot be used."
);
create_exception!(
    chefgenius._core,
    StateMismatchError,
    ChefGeniusError,
    "A saved loader state does not belong to this loader; the message says what differs."
);
create_exception!(
    chefgenius._core,
    LoaderError,
    ChefGeniusError,
    "A loader is closed, or is used in a forked process."
);

/// The Python exception of a core error.
pub fn to_py(error: Error) -> PyErr {
    let text = error.to_string();
    match error {
        Error::NotFound { .. } => PyFileNotFoundError::new_err(text),
        Error::Io {
            path,
            action,
            source,
        } => match source.raw_os_error() {
            // With a number OSError becomes its fitting subclass, and the caller can tell a full disk.
            Some(number) => PyOSError::new_err((
                number,
                format!("cannot {action} it: {source}{}", remedy(&source)),
                path.to_string_lossy().into_owned(),
            )),
            None => PyOSError::new_err(text),
        },
        Error::BadRecord { .. } | Error::TooManyBad { .. } | Error::Source { .. } => {
            DataError::new_err(text)
        }
        Error::Tokenizer { .. } => TokenizerError::new_err(text),
        Error::Store { .. } => StoreError::new_err(text),
        Error::Template(_) | Error::Argument { .. } | Error::State(_) => {
            PyValueError::new_err(text)
        }
        Error::StateMismatch { .. } => StateMismatchError::new_err(text),
        Error::Threads(_) => PyOSError::new_err(text),
        Error::Loader(_) => LoaderError::new_err(text),
        Error::Interrupted => PyKeyboardInterrupt::new_err(text),
    }
}
