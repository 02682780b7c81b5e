//! One thread cuts, several work, and the calling one takes what they made in the order of the cutting.
//!
//! 1. `cut` hands out items one by one; [`Cutter::give`] waits while too much is under way ([`Budget`]).
//! 2. Each worker takes the next item, makes something of it, and sends it on with its number.
//! 3. [`run`] puts them in order. An error stands in that order too, so that which one is seen first does not depend on
//!    the threads; a panic goes on in the calling thread.
//!
//! Whatever ends it, no thread is left when [`run`] returns.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{self, AssertUnwindSafe};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// How often the calling thread looks up.
const TICK: Duration = Duration::from_millis(100);

/// What a thread does with items.
pub(super) trait Worker: Send {
    type Item: Send;
    type Done: Send;
    /// One item. Its errors end everything, once all items before it were taken.
    fn work(&mut self, item: Self::Item) -> Result<Self::Done>;
}

/// Why something came out of its turn.
enum Failure {
    Error(Error),
    Panic(Box<dyn Any + Send>),
}

/// Number and size of an item, and what became of it.
type Made<D> = (u64, usize, std::result::Result<D, Failure>);

/// Runs `cut` in a thread of its own and every worker in one, and gives what they made to `take` here, in order.
/// `tick` is called ten times a second or more. Items under way hold about `limit` bytes together, or are one.
/// Returns the workers.
///
/// # Errors
/// What `take` or `tick` says, at once; else the first error of an item or, after the last, of `cut`.
pub(super) fn run<W: Worker>(
    workers: Vec<W>,
    limit: usize,
    cut: impl FnOnce(&mut Cutter<'_, W::Item>) -> Result<()> + Send,
    mut take: impl FnMut(W::Done) -> Result<()>,
    tick: &mut dyn FnMut() -> Result<()>,
) -> Result<Vec<W>> {
    let budget = Budget::new(limit);
    let (items, waiting) = mpsc::channel();
    let (made, ready) = mpsc::channel();
    let waiting = Mutex::new(waiting);
    let (budget, waiting) = (&budget, &waiting);
    let outcome = thread::scope(|scope| {
        // Closed on every way out of here, a panic of `take` included: the scope waits for the threads.
        let _closing = Closing(budget);
        let failed = made.clone();
        spawn(scope, "chefgenius-cut".into(), move || {
            let mut cutter = Cutter {
                items,
                budget,
                next: 0,
            };
            let outcome = caught(|| cut(&mut cutter));
            // Where nobody listens any more, the calling thread has an error of its own.
            let last = outcome
                .err()
                .map(|failure| failed.send((cutter.next, 0, Err(failure))));
            drop(last);
        })?;
        let mut threads = Vec::new();
        for (number, worker) in workers.into_iter().enumerate() {
            let made = made.clone();
            let name = format!("chefgenius-work-{number}");
            threads.push(spawn(scope, name, move || {
                serve(worker, waiting, &made, budget)
            })?);
        }
        drop(made);
        in_order(&ready, budget, &mut take, tick)?;
        let ended = threads.into_iter().map(|thread| thread.join());
        Ok(ended.map(|worker| worker.map_err(Failure::Panic)).collect())
    });
    let ended: Vec<std::result::Result<W, Failure>> = outcome.map_err(surface)?;
    ended
        .into_iter()
        .map(|worker| worker.map_err(surface))
        .collect()
}

/// Goes on with a panic; gives an error back.
fn surface(failure: Failure) -> Error {
    match failure {
        Failure::Error(error) => error,
        Failure::Panic(payload) => panic::resume_unwind(payload),
    }
}

fn spawn<'scope, T: Send + 'scope>(
    scope: &'scope thread::Scope<'scope, '_>,
    name: String,
    work: impl FnOnce() -> T + Send + 'scope,
) -> std::result::Result<thread::ScopedJoinHandle<'scope, T>, Failure> {
    let refused = |e| Failure::Error(Error::Threads(e));
    thread::Builder::new()
        .name(name)
        .spawn_scoped(scope, work)
        .map_err(refused)
}

fn caught<T>(work: impl FnOnce() -> Result<T>) -> std::result::Result<T, Failure> {
    match panic::catch_unwind(AssertUnwindSafe(work)) {
        Ok(outcome) => outcome.map_err(Failure::Error),
        Err(payload) => Err(Failure::Panic(payload)),
    }
}

/// A worker's life. After a failure it takes nothing more.
fn serve<W: Worker>(
    mut worker: W,
    waiting: &Mutex<Receiver<(u64, usize, W::Item)>>,
    made: &Sender<Made<W::Done>>,
    budget: &Budget,
) -> W {
    loop {
        let next = waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .recv();
        let Ok((number, bytes, item)) = next else {
            return worker;
        };
        if budget.is_closed() {
            return worker;
        }
        let outcome = caught(|| worker.work(item));
        let is_failed = outcome.is_err();
        if made.send((number, bytes, outcome)).is_err() || is_failed {
            return worker;
        }
    }
}

/// Gives everything that was made to `take`, by number, until no thread can make more.
fn in_order<D>(
    ready: &Receiver<Made<D>>,
    budget: &Budget,
    take: &mut impl FnMut(D) -> Result<()>,
    tick: &mut dyn FnMut() -> Result<()>,
) -> std::result::Result<(), Failure> {
    let mut early = BTreeMap::new();
    let mut next = 0;
    let mut ticked = Instant::now();
    loop {
        match ready.recv_timeout(TICK) {
            Ok((number, bytes, outcome)) => {
                early.insert(number, (bytes, outcome));
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
        while let Some((bytes, outcome)) = early.remove(&next) {
            take(outcome?).map_err(Failure::Error)?;
            budget.give_back(bytes);
            next += 1;
        }
        if ticked.elapsed() >= TICK {
            tick().map_err(Failure::Error)?;
            ticked = Instant::now();
        }
    }
}

/// Hands out items.
pub(super) struct Cutter<'a, I> {
    items: Sender<(u64, usize, I)>,
    budget: &'a Budget,
    next: u64,
}

impl<I> Cutter<'_, I> {
    /// Hands out an item of about this many bytes, once there is room for it.
    ///
    /// # Errors
    /// [`Error::Interrupted`] where nobody wants more.
    pub(super) fn give(&mut self, item: I, bytes: usize) -> Result<()> {
        if !self.budget.take(bytes) || self.items.send((self.next, bytes, item)).is_err() {
            return Err(Error::Interrupted);
        }
        self.next += 1;
        Ok(())
    }
}

/// Bounds how much is under way.
struct Budget {
    limit: usize,
    state: Mutex<Used>,
    changed: Condvar,
}

#[derive(Default)]
struct Used {
    bytes: usize,
    is_closed: bool,
}

impl Budget {
    fn new(limit: usize) -> Self {
        Budget {
            limit,
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, Used> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `bytes` fit, or nothing else is under way; false where it is closed.
    fn take(&self, bytes: usize) -> bool {
        let is_full =
            |used: &mut Used| !used.is_closed && used.bytes > 0 && used.bytes + bytes > self.limit;
        let mut used = self
            .changed
            .wait_while(self.state(), is_full)
            .unwrap_or_else(PoisonError::into_inner);
        used.bytes += bytes;
        !used.is_closed
    }

    fn give_back(&self, bytes: usize) {
        self.state().bytes -= bytes;
        self.changed.notify_one();
    }

    fn is_closed(&self) -> bool {
        self.state().is_closed
    }

    fn close(&self) {
        self.state().is_closed = true;
        self.changed.notify_all();
    }
}

/// Closes a budget when it goes.
struct Closing<'a>(&'a Budget);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}
