//! One writer at a time in a store's directory.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use crate::error::{Error, Result};

/// Between two looks at a lock that another one holds.
const PAUSE: Duration = Duration::from_millis(50);

/// The right to write in a directory, until it is dropped or its process ends, however that ends.
pub struct Lock {
    out: PathBuf,
    has_waited: bool,
    _file: File,
}

impl Lock {
    /// Takes it, and makes `out` where that is missing. While another writer has it, `waiting` is called twenty times
    /// a second; what it fails with is the outcome.
    pub fn take(out: &Path, waiting: &mut dyn FnMut() -> Result<()>) -> Result<Self> {
        fs::create_dir_all(out).map_err(|e| Error::io(out, "create", e))?;
        let path = out.join(".lock");
        let file = File::create(&path).map_err(|e| Error::io(&path, "create", e))?;
        let mut has_waited = false;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) => {
                    has_waited = true;
                    waiting()?;
                    thread::sleep(PAUSE);
                }
                Err(TryLockError::Error(e)) => return Err(Error::io(&path, "lock", e)),
            }
        }
        Ok(Lock {
            out: out.to_owned(),
            has_waited,
            _file: file,
        })
    }

    /// The directory.
    pub fn out(&self) -> &Path {
        &self.out
    }

    /// Whether another writer had it before: there may be another store now.
    pub fn has_waited(&self) -> bool {
        self.has_waited
    }
}
