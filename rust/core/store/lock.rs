//! One writer at a time in a store's directory.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use crate::durable::{sync, write_through};
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
        let mut has_waited = false;
        loop {
            if let Some(lock) = Self::try_take(out)? {
                return Ok(Lock { has_waited, ..lock });
            }
            has_waited = true;
            waiting()?;
            thread::sleep(PAUSE);
        }
    }

    /// Takes it where no other writer has it.
    pub fn try_take(out: &Path) -> Result<Option<Self>> {
        let path = out.join(".lock");
        let mut how = File::options();
        // As it is, where it is there: a call that changes nothing leaves no trace.
        how.write(true).create(true).truncate(false);
        let file = how.open(&path).map_err(|e| Error::io(&path, "create", e))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Lock {
                out: out.to_owned(),
                has_waited: false,
                _file: file,
            })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(e)) => Err(Error::io(&path, "lock", e)),
        }
    }

    /// Puts a file there by one rename. After a power cut it may be the former one, or empty.
    pub fn put(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let (new, path) = (self.new_name(name), self.out.join(name));
        fs::write(&new, bytes).map_err(|e| Error::io(&new, "write", e))?;
        fs::rename(&new, &path).map_err(|e| Error::io(&path, "replace", e))
    }

    /// [`put`](Self::put), through to the disk: after a power cut it is this one, or whole and the former one.
    pub(super) fn replace(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let (new, path) = (self.new_name(name), self.out.join(name));
        write_through(&new, bytes)?;
        fs::rename(&new, &path).map_err(|e| Error::io(&path, "replace", e))?;
        sync(&self.out)
    }

    fn new_name(&self, name: &str) -> PathBuf {
        self.out.join(format!(".{name}.new"))
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
