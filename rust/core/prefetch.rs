//! A thread that builds batches ahead into a bounded queue, in order. It is only a cache: it holds no
//! state, and dropping it loses nothing.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};

use crate::batch::Batch;
use crate::epoch::{Epochs, Position};
use crate::error::{Error, Result};

/// A running thread and its queue.
pub struct Prefetch {
    queue: Option<Receiver<(Position, Result<Batch>)>>,
    thread: Option<JoinHandle<()>>,
}

impl Prefetch {
    /// Starts building from `from` on, at most `depth` (at least 1) batches ahead of the reader.
    pub fn start(epochs: Arc<Epochs>, from: Position, depth: usize) -> Result<Self> {
        let (send, queue) = bounded(depth);
        let thread = std::thread::Builder::new()
            .name("chefgenius".into())
            .spawn(move || {
                for at in own_positions(&epochs, from) {
                    let batch = epochs.build(at);
                    let failed = batch.is_err();
                    // The reader has gone, or is told why there is no next batch: the end either way.
                    if send.send((at, batch)).is_err() || failed {
                        return;
                    }
                }
            })
            .map_err(|e| Error::Loader(format!("cannot start the prefetch thread: {e}")))?;
        Ok(Prefetch {
            queue: Some(queue),
            thread: Some(thread),
        })
    }

    /// The next batch and where it stands. While it waits it calls `waiting` twenty times a second and
    /// gives up when that fails.
    pub fn next(
        &self,
        waiting: &mut dyn FnMut() -> Result<()>,
    ) -> Result<(Position, Result<Batch>)> {
        let ended = || Error::Loader("the prefetch thread has ended: make the loader anew".into());
        let queue = self.queue.as_ref().ok_or_else(ended)?;
        loop {
            match queue.recv_timeout(Duration::from_millis(50)) {
                Ok(next) => return Ok(next),
                Err(RecvTimeoutError::Timeout) => waiting()?,
                Err(RecvTimeoutError::Disconnected) => return Err(ended()),
            }
        }
    }
}

impl Drop for Prefetch {
    /// Ends the thread within the time of one batch.
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was seen by the reader as an ended queue.
            drop(thread.join());
        }
    }
}

/// A rank's own positions from `from` on, through all epochs to come.
fn own_positions(epochs: &Epochs, from: Position) -> impl Iterator<Item = Position> {
    let mut at = from;
    std::iter::from_fn(move || {
        let own = epochs
            .next_own(at)
            .or_else(|| epochs.next_own(Position::start(at.epoch + 1)))?;
        at = epochs.after(own);
        Some(own)
    })
}
