//! Threads that build batches ahead into a [`Queue`]. They are only a cache: they hold no state, and dropping
//! them loses nothing.

use std::sync::Arc;
use std::thread::JoinHandle;

use crate::batch::Batch;
use crate::epoch::{Epochs, Position};
use crate::error::{Error, Result};
use crate::queue::{Next, Queue};

/// What was built ahead.
struct Built {
    at: Position,
    batch: Result<Batch>,
    /// Names the batch in a state. A thread takes the time for it where it is well ahead of the reader.
    witness: Option<String>,
}

/// Running threads and their queue.
pub struct Prefetch {
    epochs: Arc<Epochs>,
    queue: Arc<Queue<Position, Built>>,
    threads: Vec<JoinHandle<()>>,
}

impl Prefetch {
    /// Starts building from `from` on, at most `depth` (at least 1) batches ahead of the reader, those in the
    /// making included, on `threads` threads; more than `depth` would find nothing to do and are not started.
    ///
    /// # Errors
    /// [`Error::Loader`] where the system refuses a thread.
    pub fn start(
        epochs: Arc<Epochs>,
        from: Position,
        depth: usize,
        threads: usize,
    ) -> Result<Self> {
        let jobs = own_positions(Arc::clone(&epochs), from);
        let queue = Arc::new(Queue::new(jobs, depth));
        let mut prefetch = Prefetch {
            epochs,
            queue,
            threads: Vec::new(),
        };
        for number in 0..threads.min(depth) {
            let epochs = Arc::clone(&prefetch.epochs);
            let queue = Arc::clone(&prefetch.queue);
            let thread = std::thread::Builder::new()
                .name(format!("chefgenius-{number}"))
                .spawn(move || {
                    queue.work(|at, ahead| Built {
                        witness: match 2 * ahead >= depth {
                            true => epochs.witness(at).ok(),
                            false => None,
                        },
                        ..build(&epochs, at)
                    });
                })
                .map_err(|e| Error::Loader(format!("cannot start a prefetch thread: {e}")))?;
            prefetch.threads.push(thread);
        }
        Ok(prefetch)
    }

    /// The next batch and where it stands, built here where no thread was quicker. While it waits it calls
    /// `waiting` twenty times a second and gives up when that fails.
    ///
    /// # Errors
    /// What `waiting` says; [`Error::Loader`] where building the batch panicked.
    pub fn next(
        &mut self,
        waiting: &mut dyn FnMut() -> Result<()>,
    ) -> Result<(Position, Result<Batch>)> {
        let ended = |how| Error::Loader(format!("a prefetch thread {how}: make the loader anew"));
        match self.queue.next(|at| build(&self.epochs, at), waiting)? {
            Next::Item(built) => Ok((built.at, built.batch)),
            Next::Lost => Err(ended(
                "has ended with a panic, whose message stands in the log",
            )),
            Next::End => Err(ended("has ended")),
        }
    }

    /// The witness of the next batch, where that is the one at `at`, is ready, and has one.
    pub fn witness(&self, at: Position) -> Option<String> {
        let of_front = |built: &Built| (built.at == at).then(|| built.witness.clone());
        self.queue.front(of_front)??
    }
}

impl Drop for Prefetch {
    /// Ends the threads within the time of one batch.
    fn drop(&mut self) {
        self.queue.close();
        for thread in self.threads.drain(..) {
            // A panic of the thread was seen by the reader as a lost batch.
            drop(thread.join());
        }
    }
}

fn build(epochs: &Epochs, at: Position) -> Built {
    Built {
        at,
        batch: epochs.build(at),
        witness: None,
    }
}

/// A rank's own positions from `from` on, through all epochs to come.
fn own_positions(epochs: Arc<Epochs>, from: Position) -> impl Iterator<Item = Position> {
    let mut at = from;
    std::iter::from_fn(move || {
        let own = epochs
            .next_own(at)
            .or_else(|| epochs.next_own(Position::start(at.epoch + 1)))?;
        at = epochs.after(own);
        Some(own)
    })
}
