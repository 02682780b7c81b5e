//! A bounded queue that several threads fill and one consumer empties, in the order of its jobs.
//!
//! 1. A builder's thread spends its life in [`Queue::work`]: it claims the next job, builds its item without
//!    holding the lock, and puts it into its place.
//! 2. The consumer calls [`Queue::next`]. Where the front item is not there yet it claims a job and builds as
//!    well, so that a queue without a single builder still delivers; it waits only when there is nothing left
//!    to claim.
//! 3. [`Queue::close`] sends the builders home.
//!
//! A job that was claimed and whose item was not yet delivered occupies a slot; there are never more than
//! `depth` of them, so `depth` bounds the memory. A wake costs a system call, so none is made where nobody
//! sleeps, and builders are woken by the half queue rather than by the item.
//!
//! Two locks and no atomics: the parent module says whose, and the test runs this very file with those of a
//! model checker.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::PoisonError;
use std::time::Duration;

use super::{Condvar, Mutex, MutexGuard};

/// How often a consumer that waits asks whether it should.
const ASK: Duration = Duration::from_millis(50);
/// How many wakes are left out at most after those that found nothing to do.
const PATIENCE: u32 = 15;

/// A queue of items `T`, each built from a job `J`.
pub struct Queue<J, T> {
    depth: usize,
    inner: Mutex<Inner<J, T>>,
    /// Builders sleep here.
    room: Condvar,
    /// The consumer sleeps here.
    ready: Condvar,
}

/// What [`Queue::next`] found.
#[derive(Debug, PartialEq, Eq)]
pub enum Next<T> {
    /// The item of the next job.
    Item(T),
    /// The next job's build panicked. The message is where the panic hook left it.
    Lost,
    /// The jobs are at their end, or the queue is closed.
    End,
}

enum Slot<T> {
    Building,
    Ready(T),
    Lost,
}

struct Inner<J, T> {
    jobs: Box<dyn Iterator<Item = J> + Send>,
    /// One per claimed job whose item was not delivered, in the order of the jobs.
    slots: VecDeque<Slot<T>>,
    /// The ticket of the first slot.
    first: u64,
    /// Whether there may be more jobs.
    open: bool,
    /// Builders asleep, and how many of them were called since.
    idle: usize,
    called: usize,
    /// Calls to leave out from now on, and how many to leave out after the next.
    quiet: u32,
    pause: u32,
    /// Whether the consumer sleeps.
    waiting: bool,
}

impl<J, T> Inner<J, T> {
    /// The place of a finished item; the item is dropped where the queue was closed meanwhile. Returns
    /// whether a sleeping consumer waits for just this one.
    fn put(&mut self, ticket: u64, item: Slot<T>) -> bool {
        let place = (ticket - self.first) as usize;
        if let Some(slot) = self.slots.get_mut(place) {
            *slot = item;
        }
        self.waiting && place == 0
    }

    /// Whether to wake a builder now, after an item was taken: when half the queue is empty, except for
    /// some calls after one that came to nothing, as they do while the consumer is quicker than a wake.
    fn call(&mut self, depth: usize) -> bool {
        let room = depth - self.slots.len();
        if !self.open || self.called == self.idle || room < depth.div_ceil(2) {
            return false;
        }
        if self.quiet > 0 {
            self.quiet -= 1;
            return false;
        }
        self.quiet = self.pause;
        self.called += 1;
        true
    }

    /// What a builder that was woken reports: whether there was `room` for it.
    fn woken(&mut self, room: bool) {
        self.idle -= 1;
        if self.called > 0 {
            self.called -= 1;
            self.pause = if room {
                0
            } else {
                PATIENCE.min(2 * self.pause + 1)
            };
            self.quiet = self.quiet.min(self.pause);
        }
    }
}

impl<J, T> Queue<J, T> {
    /// An empty queue over `jobs` with `depth` slots, at least one. `jobs` is advanced under the lock: it
    /// must be quick.
    pub fn new(jobs: impl Iterator<Item = J> + Send + 'static, depth: usize) -> Self {
        Queue {
            depth: depth.max(1),
            inner: Mutex::new(Inner {
                jobs: Box::new(jobs),
                slots: VecDeque::new(),
                first: 0,
                open: true,
                idle: 0,
                called: 0,
                quiet: 0,
                pause: 0,
                waiting: false,
            }),
            room: Condvar::new(),
            ready: Condvar::new(),
        }
    }

    /// Builds items until the jobs end, the queue is closed, or `build` panics; that panic goes no further.
    /// `build` is also told how many slots were taken before the job's. Sleeps while the queue is full. Any
    /// number of threads may call it.
    pub fn work(&self, build: impl Fn(J, usize) -> T) {
        let mut inner = self.lock();
        loop {
            if let Some((ticket, job)) = self.claim(&mut inner) {
                let ahead = inner.slots.len() - 1;
                drop(inner);
                let item = attempt(|job| build(job, ahead), job);
                let lost = matches!(item, Slot::Lost);
                inner = self.lock();
                if inner.put(ticket, item) {
                    self.ready.notify_one();
                }
                if lost {
                    return;
                }
            } else if inner.open {
                inner.idle += 1;
                inner = self
                    .room
                    .wait(inner)
                    .unwrap_or_else(PoisonError::into_inner);
                let room = inner.slots.len() < self.depth;
                inner.woken(room);
            } else {
                return;
            }
        }
    }

    /// What became of the next job: waits for its item, and uses the time to `build` itself. Only one thread
    /// at a time may call it. While it sleeps it calls `waiting` twenty times a second and gives up with its
    /// error; the item then stays the next.
    pub fn next<E>(
        &self,
        build: impl Fn(J) -> T,
        waiting: &mut dyn FnMut() -> Result<(), E>,
    ) -> Result<Next<T>, E> {
        let mut inner = self.lock();
        loop {
            if let Some(slot) = inner
                .slots
                .pop_front_if(|slot| !matches!(slot, Slot::Building))
            {
                inner.first += 1;
                let call = inner.call(self.depth);
                drop(inner);
                if call {
                    self.room.notify_one();
                }
                return Ok(match slot {
                    Slot::Ready(item) => Next::Item(item),
                    _ => Next::Lost,
                });
            }
            if let Some((ticket, job)) = self.claim(&mut inner) {
                drop(inner);
                let item = attempt(&build, job);
                inner = self.lock();
                inner.put(ticket, item);
            } else if inner.slots.is_empty() {
                return Ok(Next::End);
            } else {
                inner.waiting = true;
                let (awake, slept) = self
                    .ready
                    .wait_timeout(inner, ASK)
                    .unwrap_or_else(PoisonError::into_inner);
                inner = awake;
                inner.waiting = false;
                if slept.timed_out() {
                    drop(inner);
                    waiting()?;
                    inner = self.lock();
                }
            }
        }
    }

    /// What `look` sees in the front item, if that is there.
    pub fn front<R>(&self, look: impl FnOnce(&T) -> R) -> Option<R> {
        match self.lock().slots.front() {
            Some(Slot::Ready(item)) => Some(look(item)),
            _ => None,
        }
    }

    /// Drops what was built ahead and ends every call of [`Queue::work`], and of [`Queue::next`]: at once, or
    /// after the item that it builds or waits for.
    pub fn close(&self) {
        let mut inner = self.lock();
        inner.open = false;
        let dropped = std::mem::take(&mut inner.slots);
        drop(inner);
        self.room.notify_all();
        drop(dropped);
    }

    /// The next job and the ticket of its slot, if there are both.
    fn claim(&self, inner: &mut Inner<J, T>) -> Option<(u64, J)> {
        if !inner.open || inner.slots.len() >= self.depth {
            return None;
        }
        let Some(job) = inner.jobs.next() else {
            inner.open = false;
            self.room.notify_all();
            return None;
        };
        let ticket = inner.first + inner.slots.len() as u64;
        inner.slots.push_back(Slot::Building);
        Some((ticket, job))
    }

    fn lock(&self) -> MutexGuard<'_, Inner<J, T>> {
        // Nothing that panics is done under the lock, save for the jobs' own code.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What `build` makes of `job`. The lock is not held, so a panic finds the queue whole.
fn attempt<J, T>(build: impl Fn(J) -> T, job: J) -> Slot<T> {
    catch_unwind(AssertUnwindSafe(|| build(job))).map_or(Slot::Lost, Slot::Ready)
}
