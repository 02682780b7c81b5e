//! The resettable epoch iterator: a position that moves by one batch a call, over all that lies above.
//!
//! 1. [`Loader::begin`] names the epoch of an iteration, [`Loader::next`] delivers its next own batch, and
//!    `None` at its end.
//! 2. [`Loader::set_epoch`], [`Loader::reset`] and [`Loader::restore`] set the position and drop what was
//!    built ahead; the threads start again with the next batch.
//! 3. [`Loader::state`] is the position after the last delivered batch, never that of the threads.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::batch::Batch;
use crate::epoch::{Epochs, Position};
use crate::error::{Error, Result};
use crate::prefetch::Prefetch;
use crate::state::{Allowed, State};

/// The most batches that are built ahead.
pub const DEEPEST: usize = 4096;
/// The most threads that build them.
pub const MOST_THREADS: usize = 64;

/// A loader. All calls are safe from several threads; each batch is delivered once.
pub struct Loader {
    /// Another one after a restore to an epoch of another plan; locked for a moment only.
    epochs: Mutex<Arc<Epochs>>,
    depth: usize,
    threads: usize,
    process: u32,
    inner: Mutex<Inner>,
}

struct Inner {
    at: Position,
    prefetch: Option<Prefetch>,
    closed: bool,
}

impl Loader {
    /// A loader at the beginning of epoch 0 that builds `depth` batches ahead on `threads` threads; with a
    /// depth of 0 it builds each when it is asked for. No thread is started before the first batch.
    ///
    /// # Errors
    /// [`Error::Argument`] for a depth above [`DEEPEST`], or no thread, or more than [`MOST_THREADS`].
    pub fn new(epochs: Epochs, depth: usize, threads: usize) -> Result<Self> {
        if depth > DEEPEST {
            return Err(Error::Argument {
                name: "prefetch",
                reason: format!("{depth} is above {DEEPEST}"),
            });
        }
        if threads == 0 || threads > MOST_THREADS {
            return Err(Error::Argument {
                name: "threads",
                reason: format!("{threads} is outside 1 to {MOST_THREADS}"),
            });
        }
        Ok(Loader {
            epochs: Mutex::new(Arc::new(epochs)),
            depth,
            threads,
            process: std::process::id(),
            inner: Mutex::new(Inner {
                at: Position::start(0),
                prefetch: None,
                closed: false,
            }),
        })
    }

    /// What it iterates over. Batches can be built of it alone, also after [`Loader::close`].
    pub fn epochs(&self) -> Arc<Epochs> {
        Arc::clone(&self.epochs.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn lock(&self) -> Result<MutexGuard<'_, Inner>> {
        if std::process::id() != self.process {
            return Err(Error::Loader(format!(
                "this loader was made in process {} and does not survive a fork: make a new one in the child and give it the `state_dict()`",
                self.process
            )));
        }
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.closed {
            return Err(Error::Loader(
                "this loader is closed: make a new one and give it the `state_dict()`".into(),
            ));
        }
        Ok(inner)
    }

    /// The epoch that an iteration begun now goes through: the current one, or the next where this rank has done
    /// its part of the last step. A rank that has no slot in that step still goes through its epoch, and finds
    /// nothing, as long as the others have something.
    pub fn begin(&self) -> Result<u64> {
        let mut inner = self.lock()?;
        let epochs = self.epochs();
        if epochs.next_own(inner.at).is_none() {
            inner.at = epochs.boundary(inner.at);
        }
        Ok(inner.at.epoch)
    }

    /// The next own batch of `epoch`; `None` where the loader is past it. `waiting` is called now and
    /// then while the batch is not ready, and ends the call when it fails.
    ///
    /// # Errors
    /// An error belongs to its batch: the position stays, and the next call meets it again.
    pub fn next(
        &self,
        epoch: u64,
        waiting: &mut dyn FnMut() -> Result<()>,
    ) -> Result<Option<Batch>> {
        let mut inner = self.lock()?;
        if inner.at.epoch != epoch {
            return Ok(None);
        }
        let Some(own) = self.epochs().next_own(inner.at) else {
            inner.at = Position::start(epoch + 1);
            return Ok(None);
        };
        let built = self.take(&mut inner, own, waiting);
        match built {
            Ok(batch) => {
                inner.at = self.epochs().after(own);
                Ok(Some(batch))
            }
            // What is being built is still wanted.
            Err(Error::Interrupted) => Err(Error::Interrupted),
            Err(e) => {
                inner.prefetch = None;
                Err(e)
            }
        }
    }

    fn take(
        &self,
        inner: &mut Inner,
        own: Position,
        waiting: &mut dyn FnMut() -> Result<()>,
    ) -> Result<Batch> {
        if self.depth == 0 {
            return self.epochs().build(own);
        }
        let prefetch = match &mut inner.prefetch {
            Some(running) => running,
            none => none.insert(Prefetch::start(
                self.epochs(),
                own,
                self.depth,
                self.threads,
            )?),
        };
        let (at, built) = prefetch.next(waiting)?;
        debug_assert_eq!(at, own);
        built
    }

    /// Takes back the delivery of the batch at `at`, which its reader never saw: it is the next again. Nothing
    /// happens where another batch was delivered since.
    pub fn undo(&self, at: Position) {
        if let Ok(mut inner) = self.lock()
            && inner.at == self.epochs().after(at)
        {
            Self::go(&mut inner, at);
        }
    }

    /// The current epoch and the next batch in it.
    pub fn position(&self) -> Result<Position> {
        Ok(self.lock()?.at)
    }

    /// Goes to the beginning of `epoch`; nothing happens when that is the current one.
    pub fn set_epoch(&self, epoch: u64) -> Result<()> {
        let mut inner = self.lock()?;
        if inner.at.epoch != epoch {
            Self::go(&mut inner, Position::start(epoch));
        }
        Ok(())
    }

    /// Goes to the beginning of the current epoch.
    pub fn reset(&self) -> Result<()> {
        let mut inner = self.lock()?;
        let epoch = inner.at.epoch;
        Self::go(&mut inner, Position::start(epoch));
        Ok(())
    }

    /// What to save to go on after the last delivered batch.
    pub fn state(&self) -> Result<State> {
        let at = self.lock()?.at;
        self.state_at(at)
    }

    /// A builder that is ahead has named the next batch already; elsewhere that is done here.
    fn state_at(&self, at: Position) -> Result<State> {
        let named = |next| {
            if std::process::id() != self.process {
                return None;
            }
            // Not while another thread waits for a batch.
            let inner = self.inner.try_lock().ok()?;
            inner.prefetch.as_ref()?.witness(next)
        };
        self.epochs().state_knowing(at, named)
    }

    /// What to save to go on after the batch at `at`.
    pub fn state_after(&self, at: Position) -> Result<State> {
        self.state_at(Position {
            index: at.index + 1,
            ..at
        })
    }

    /// Goes to the beginning of the step that lies `steps` after the current one.
    pub fn skip(&self, steps: u64) -> Result<()> {
        let mut inner = self.lock()?;
        let at = self.epochs().skip(inner.at, steps);
        Self::go(&mut inner, at);
        Ok(())
    }

    /// Goes to where a saved state stands. Errors leave the loader where it is.
    pub fn restore(&self, saved: &str, allowed: Allowed) -> Result<()> {
        let mut inner = self.lock()?;
        let (epochs, at) = self.epochs().restore(saved, allowed)?;
        *self.epochs.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(epochs);
        Self::go(&mut inner, at);
        Ok(())
    }

    /// Ends the threads. The loader delivers nothing afterwards and has no position; batches can still be built alone.
    pub fn close(&self) {
        if std::process::id() != self.process {
            return;
        }
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.closed = true;
        inner.prefetch = None;
    }

    fn go(inner: &mut Inner, at: Position) {
        inner.at = at;
        inner.prefetch = None;
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        if std::process::id() != self.process {
            // The threads stayed behind in the process that forked; there is nobody here to wait for.
            let inner = self.inner.get_mut().unwrap_or_else(PoisonError::into_inner);
            std::mem::forget(inner.prefetch.take());
        }
    }
}
