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
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::budget::{Budget, Closing};
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

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Squares numbers, after a while; stumbles over one.
    struct Squares<'a> {
        bad: Option<(u64, bool)>,
        /// How many are still there.
        alive: &'a AtomicUsize,
    }

    impl<'a> Squares<'a> {
        fn many(count: usize, bad: Option<(u64, bool)>, alive: &'a AtomicUsize) -> Vec<Self> {
            alive.store(count, Ordering::SeqCst);
            (0..count).map(|_| Squares { bad, alive }).collect()
        }
    }

    impl Drop for Squares<'_> {
        fn drop(&mut self) {
            self.alive.fetch_sub(1, Ordering::SeqCst);
        }
    }

    impl Worker for Squares<'_> {
        type Item = u64;
        type Done = u64;

        fn work(&mut self, number: u64) -> Result<u64> {
            thread::sleep(Duration::from_micros(number * 7919 % 300));
            match self.bad {
                Some((bad, true)) if bad == number => panic!("number {number}"),
                Some((bad, false)) if number >= bad => Err(Error::Loader(number.to_string())),
                _ => Ok(number * number),
            }
        }
    }

    fn numbers(count: u64) -> impl FnOnce(&mut Cutter<'_, u64>) -> Result<()> + Send {
        move |cutter| (0..count).try_for_each(|number| cutter.give(number, 1 + number as usize % 5))
    }

    #[test]
    fn everything_comes_in_order_whatever_the_threads() {
        for (threads, limit) in [(1, 1), (2, 3), (5, 100), (3, 0)] {
            let alive = AtomicUsize::new(0);
            let mut taken = Vec::new();
            let take = |square| {
                taken.push(square);
                Ok(())
            };
            let workers = Squares::many(threads, None, &alive);
            let workers = run(workers, limit, numbers(300), take, &mut || Ok(())).unwrap();
            assert_eq!(workers.len(), threads);
            assert!(taken.iter().copied().eq((0..300).map(|n| n * n)));
        }
    }

    #[test]
    fn no_more_is_under_way_than_the_limit() {
        let alive = AtomicUsize::new(0);
        let (given, taken) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let most = AtomicUsize::new(0);
        let cut = |cutter: &mut Cutter<'_, u64>| {
            for number in 0..200 {
                cutter.give(number, 10)?;
                let under_way =
                    given.fetch_add(1, Ordering::SeqCst) + 1 - taken.load(Ordering::SeqCst);
                most.fetch_max(under_way, Ordering::SeqCst);
            }
            Ok(())
        };
        let take = |_| {
            taken.fetch_add(1, Ordering::SeqCst);
            Ok(())
        };
        run(
            Squares::many(4, None, &alive),
            60,
            cut,
            take,
            &mut || Ok(()),
        )
        .unwrap();
        let most = most.load(Ordering::SeqCst);
        assert!((2..=6).contains(&most), "{most}");
    }

    #[test]
    fn the_first_error_in_order_is_the_one_and_what_stands_before_it_is_taken() {
        for threads in [1, 4] {
            let alive = AtomicUsize::new(0);
            let mut last = None;
            let take = |square| {
                last = Some(square);
                Ok(())
            };
            let workers = Squares::many(threads, Some((50, false)), &alive);
            match run(workers, 1000, numbers(300), take, &mut || Ok(())) {
                Err(Error::Loader(number)) => assert_eq!(number, "50"),
                other => panic!("{:?}", other.map(|_| ())),
            }
            assert_eq!(last, Some(49 * 49));
            assert_eq!(alive.load(Ordering::SeqCst), 0, "no thread is left");
        }
    }

    #[test]
    fn an_error_of_the_cutting_comes_after_all_that_was_cut() {
        let alive = AtomicUsize::new(0);
        let mut count = 0;
        let cut = |cutter: &mut Cutter<'_, u64>| {
            numbers(20)(cutter)?;
            Err(Error::Loader("cut".into()))
        };
        let take = |_| {
            count += 1;
            Ok(())
        };
        let workers = Squares::many(3, None, &alive);
        let outcome = run(workers, 5, cut, take, &mut || Ok(())).map(|_| ());
        assert!(matches!(outcome, Err(Error::Loader(text)) if text == "cut"));
        assert_eq!(count, 20);
    }

    #[test]
    fn a_stop_is_seen_while_everything_waits() {
        let alive = AtomicUsize::new(0);
        let begin = Instant::now();
        let cut = |cutter: &mut Cutter<'_, u64>| {
            thread::sleep(Duration::from_millis(400));
            numbers(1_000_000)(cutter)
        };
        let mut ticks = 0;
        let mut tick = || {
            ticks += 1;
            match ticks {
                2 => Err(Error::Interrupted),
                _ => Ok(()),
            }
        };
        let workers = Squares::many(2, None, &alive);
        let outcome = run(workers, 10, cut, |_| Ok(()), &mut tick).map(|_| ());
        assert!(matches!(outcome, Err(Error::Interrupted)));
        assert!(begin.elapsed() < Duration::from_secs(5));
        assert_eq!(alive.load(Ordering::SeqCst), 0, "no thread is left");
    }

    #[test]
    fn a_panic_goes_on_in_the_calling_thread_and_no_thread_is_left() {
        for threads in [1, 3] {
            let alive = AtomicUsize::new(0);
            let workers = Squares::many(threads, Some((30, true)), &alive);
            let outcome = panic::catch_unwind(AssertUnwindSafe(|| {
                run(workers, 20, numbers(300), |_| Ok(()), &mut || Ok(())).map(|_| ())
            }));
            let payload = outcome.unwrap_err();
            assert_eq!(payload.downcast_ref::<String>().unwrap(), "number 30");
            assert_eq!(alive.load(Ordering::SeqCst), 0);
        }
        let alive = AtomicUsize::new(0);
        let workers = Squares::many(2, None, &alive);
        let cut = |_: &mut Cutter<'_, u64>| -> Result<()> { panic!("cutting") };
        let outcome = panic::catch_unwind(AssertUnwindSafe(|| {
            run(workers, 20, cut, |_| Ok(()), &mut || Ok(())).map(|_| ())
        }));
        assert_eq!(
            outcome.unwrap_err().downcast_ref::<&str>(),
            Some(&"cutting")
        );
        assert_eq!(alive.load(Ordering::SeqCst), 0);
    }
}
