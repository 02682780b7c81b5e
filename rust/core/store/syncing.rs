//! Bringing files to the disk while others are written: a disk takes several at once.

use std::fs;
use std::panic;
use std::path::PathBuf;
use std::thread::{self, JoinHandle};

use crate::durable::sync;
use crate::error::{Error, Result};

/// Files on their way to the disk.
#[derive(Default)]
pub struct Syncing(Vec<JoinHandle<Result<()>>>);

impl Syncing {
    /// Writes a file and sends it on its way.
    pub fn write(&mut self, path: PathBuf, bytes: &[u8]) -> Result<()> {
        fs::write(&path, bytes).map_err(|e| Error::io(&path, "write", e))?;
        self.send(path)
    }

    /// Sends a file on its way that was written.
    pub fn send(&mut self, path: PathBuf) -> Result<()> {
        let own = path.clone();
        let thread = thread::Builder::new().name("chefgenius-sync".into());
        match thread.spawn(move || sync(&own)) {
            Ok(thread) => self.0.push(thread),
            // No thread to be had: here, then.
            Err(_) => sync(&path)?,
        }
        Ok(())
    }

    /// Waits until all have arrived. Errors: the first that did not.
    pub fn wait(&mut self) -> Result<()> {
        let threads = std::mem::take(&mut self.0);
        let ends: Vec<Result<()>> = threads
            .into_iter()
            .map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|payload| panic::resume_unwind(payload))
            })
            .collect();
        ends.into_iter().collect()
    }
}

impl Drop for Syncing {
    /// Where nothing was published, nobody asks what became of the files; no thread stays behind.
    fn drop(&mut self) {
        for thread in self.0.drain(..) {
            drop(thread.join());
        }
    }
}
