//! The queue under a model checker: the very file of the core with the checker's locks, in random schedules of
//! builders, a consumer that helps, failures, panics and early ends. A wake that is lost shows as a deadlock,
//! since no wait of the checker's times out. Then the core's own queue with real threads.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;
// The queue takes its locks from the module above it: from this one here, from `lib.rs` in the core.
#[path = "../rust/core/queue.rs"]
mod modelled;

use std::convert::Infallible;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use chefgenius::queue::{Next, Queue};
use common::{Random, cases};
use shuttle::rand::{Rng, thread_rng};
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::sync::{Condvar, Mutex, MutexGuard};
use shuttle::{Config, Runner, thread};

fn never() -> Result<(), Infallible> {
    Ok(())
}

/// How one run of the model goes; all of it drawn anew in each schedule.
#[derive(Clone, Copy, Debug)]
struct Run {
    builders: usize,
    depth: usize,
    jobs: usize,
    /// This job's build gives an error, this one's panics.
    fails: usize,
    panics: usize,
    /// The consumer closes the queue after as many items.
    leaves: usize,
    /// Another thread closes it some time.
    closed: bool,
}

impl Run {
    fn draw() -> Self {
        let mut random = thread_rng();
        let jobs = random.gen_range(0..=8);
        // Half of the time a place within the run, else one that it does not reach.
        let mut place = |chance| match random.gen_bool(chance) {
            true => random.gen_range(0..=jobs),
            false => usize::MAX,
        };
        let (fails, panics, leaves) = (place(0.5), place(0.5), place(0.3));
        Run {
            builders: random.gen_range(1..=3),
            depth: random.gen_range(1..=4),
            jobs,
            fails,
            panics,
            leaves,
            closed: random.gen_bool(0.2),
        }
    }

    /// What becomes of a job, whoever builds it.
    fn expected(&self, job: usize) -> modelled::Next<Result<usize, usize>> {
        match job {
            _ if job == self.panics => modelled::Next::Lost,
            _ if job == self.fails => modelled::Next::Item(Err(job)),
            _ => modelled::Next::Item(Ok(job)),
        }
    }
}

/// What the run's threads count. These are no points of the schedule.
#[derive(Default)]
struct Counts {
    claimed: AtomicUsize,
    asked: AtomicUsize,
    built: [AtomicUsize; 9],
}

/// An item that is seen while it lives.
struct Item(Result<usize, usize>, #[expect(dead_code)] Arc<()>);

fn model() {
    let run = Run::draw();
    let counts = Arc::new(Counts::default());
    let alive = Arc::new(());
    let jobs = {
        let counts = Arc::clone(&counts);
        (0..run.jobs).inspect(move |_| {
            // Taken are at most as many items as were asked for, so this holds at each claim.
            let claimed = 1 + counts.claimed.fetch_add(1, SeqCst);
            assert!(claimed <= counts.asked.load(SeqCst) + run.depth, "{run:?}");
        })
    };
    let build = {
        let (counts, alive) = (Arc::clone(&counts), Arc::clone(&alive));
        move |job: usize| {
            counts.built[job].fetch_add(1, SeqCst);
            thread::yield_now();
            if job == run.panics {
                // Not `panic!`: the checker reports those.
                resume_unwind(Box::new(job));
            }
            let result = if job == run.fails { Err(job) } else { Ok(job) };
            Item(result, Arc::clone(&alive))
        }
    };
    let queue = Arc::new(modelled::Queue::new(jobs, run.depth));
    let mut threads: Vec<_> = (0..run.builders)
        .map(|_| {
            let (queue, build) = (Arc::clone(&queue), build.clone());
            thread::spawn(move || queue.work(|job, _| build(job)))
        })
        .collect();
    if run.closed {
        let queue = Arc::clone(&queue);
        threads.push(thread::spawn(move || queue.close()));
    }

    let mut taken = 0;
    while taken < run.leaves {
        // One was begun that brings nothing at the end, and it takes nothing either.
        counts.asked.fetch_add(1, SeqCst);
        let front = queue.front(|item: &Item| item.0);
        assert!(
            front.is_none_or(|front| modelled::Next::Item(front) == run.expected(taken)),
            "{run:?}"
        );
        let next = match queue.next(&build, &mut never).unwrap() {
            modelled::Next::Item(item) => modelled::Next::Item(item.0),
            modelled::Next::Lost => modelled::Next::Lost,
            modelled::Next::End => break,
        };
        assert_eq!(next, run.expected(taken), "{run:?}");
        taken += 1;
    }
    if !run.closed && run.leaves > run.jobs {
        assert_eq!(taken, run.jobs, "{run:?}");
    }
    if taken == run.leaves {
        queue.close();
        assert!(matches!(
            queue.next(&build, &mut never),
            Ok(modelled::Next::End)
        ));
    }
    for thread in threads {
        thread.join().unwrap();
    }
    let claimed = counts.claimed.load(SeqCst);
    for (job, built) in counts.built.iter().enumerate() {
        assert_eq!(built.load(SeqCst), usize::from(job < claimed), "{run:?}");
    }
    drop((queue, build));
    assert_eq!(Arc::strong_count(&alive), 1, "an item outlived {run:?}");
}

fn check(scheduler: impl Scheduler + 'static) -> usize {
    let mut config = Config::new();
    config.stack_size = 1 << 17;
    Runner::new(scheduler, config).run(model)
}

#[test]
fn any_schedule_delivers_each_item_once_in_order_and_ends() {
    let schedules = 10 * cases(1000).cases as usize;
    assert_eq!(check(RandomScheduler::new(schedules)), schedules);
}

/// Few switches at the worst places find what many random ones pass by.
#[test]
fn so_do_schedules_with_few_switches() {
    let schedules = cases(1000).cases as usize;
    for switches in 1..=4 {
        assert_eq!(check(PctScheduler::new(switches, schedules)), schedules);
    }
}

#[test]
fn a_queue_without_builders_delivers() {
    for depth in [0, 1, 5] {
        let queue = Queue::new(0..10, depth);
        for job in 0..10 {
            assert_eq!(queue.next(|job| job, &mut never), Ok(Next::Item(job)));
        }
        assert_eq!(queue.next(|job| job, &mut never), Ok(Next::End));
    }
}

/// Closes a queue when the scope of its threads is left, by a failed assertion too: else they would be waited
/// for without end.
struct Closing<'a, J, T>(&'a Queue<J, T>);

impl<J, T> Drop for Closing<'_, J, T> {
    fn drop(&mut self) {
        self.0.close();
    }
}

fn spin(microseconds: u64) {
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_micros(microseconds) {
        std::hint::spin_loop();
    }
}

/// Real threads, uneven builds, a consumer that is now quicker and now slower than they are.
#[test]
fn real_threads_keep_the_order() {
    let mut runs = 0;
    for builders in [1, 2, 4] {
        for depth in [1, 2, 3, 8, 64] {
            let asked = Arc::new(AtomicUsize::new(0));
            let seen = Arc::clone(&asked);
            let jobs = (0u64..1500).inspect(move |&job| {
                assert!(job < (seen.load(SeqCst) + depth) as u64);
            });
            let queue = Queue::new(jobs, depth);
            let build = |job: u64| {
                spin(Random(job).next() % 16);
                job
            };
            std::thread::scope(|scope| {
                let _closing = Closing(&queue);
                for _ in 0..builders {
                    scope.spawn(|| queue.work(|job, _| build(job)));
                }
                for job in 0..1500 {
                    asked.fetch_add(1, SeqCst);
                    assert_eq!(queue.next(build, &mut never), Ok(Next::Item(job)));
                    spin(if job / 300 % 2 == 0 { 0 } else { 20 });
                }
                assert_eq!(queue.next(build, &mut never), Ok(Next::End));
            });
            runs += 1;
        }
    }
    assert_eq!(runs, 15);
}

/// The front is stuck: the consumer fills what room there is, then asks whether to go on.
#[test]
fn a_consumer_that_waits_asks_and_loses_nothing() {
    let go = AtomicBool::new(false);
    let (claimed, stuck) = (Arc::new(AtomicUsize::new(0)), AtomicBool::new(false));
    let counted = Arc::clone(&claimed);
    let queue = Queue::new(
        (0..20).inspect(move |_| {
            counted.fetch_add(1, SeqCst);
        }),
        4,
    );
    let build = |job| {
        while job == 0 && !go.load(SeqCst) {
            stuck.store(true, SeqCst);
            std::thread::sleep(Duration::from_millis(1));
        }
        job
    };
    std::thread::scope(|scope| {
        let _closing = Closing(&queue);
        scope.spawn(|| queue.work(|job, _| build(job)));
        while !stuck.load(SeqCst) {
            std::thread::yield_now();
        }
        assert_eq!(queue.next(build, &mut || Err("stop")), Err("stop"));
        assert_eq!(claimed.load(SeqCst), 4);
        let mut asked = 0;
        let first = queue.next(build, &mut || {
            asked += 1;
            go.store(asked >= 2, SeqCst);
            Ok::<(), Infallible>(())
        });
        assert_eq!(first, Ok(Next::Item(0)));
        assert!(asked >= 2);
        for job in 1..20 {
            assert_eq!(queue.next(build, &mut never), Ok(Next::Item(job)));
        }
    });
}

#[test]
fn closing_ends_sleeping_and_building_threads_at_once() {
    let mut times = Vec::new();
    for _ in 0..51 {
        let queue = Queue::new(0u64.., 8);
        let build = |job| {
            spin(job % 3 * 100);
            job
        };
        std::thread::scope(|scope| {
            let _closing = Closing(&queue);
            let threads: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| queue.work(|job, _| build(job))))
                .collect();
            assert_eq!(queue.next(build, &mut never), Ok(Next::Item(0)));
            spin(500);
            let begin = Instant::now();
            queue.close();
            threads.into_iter().for_each(|t| t.join().unwrap());
            times.push(begin.elapsed());
        });
        assert_eq!(queue.next(build, &mut never), Ok(Next::End));
    }
    // Not the longest, which a busy machine decides.
    times.sort();
    assert!(times[25] < Duration::from_millis(50), "{times:?}");
}

/// How many of 200 items a consumer builds itself that has a millisecond of other work for each.
fn own_work_of_a_slow_consumer(depth: usize) -> usize {
    let queue = Queue::new(0..200, depth);
    let own = std::cell::Cell::new(0);
    std::thread::scope(|scope| {
        let _closing = Closing(&queue);
        scope.spawn(|| queue.work(|job, _| job));
        for job in 0..200 {
            std::thread::sleep(Duration::from_millis(1));
            let build = |job| {
                own.set(own.get() + 1);
                job
            };
            assert_eq!(queue.next(build, &mut never), Ok(Next::Item(job)));
        }
    });
    own.get()
}

/// Builders sleep while the queue is full and are woken while it empties: a consumer with work of its own
/// builds next to nothing. A busy machine may let the builder wait; one that is never woken fails each time.
#[test]
fn builders_keep_up_with_a_slow_consumer() {
    for depth in [1, 2, 8] {
        let own: Vec<_> = (0..5)
            .map(|_| own_work_of_a_slow_consumer(depth))
            .take_while(|&own| own >= 100)
            .collect();
        assert!(own.len() < 5, "{own:?} of 200 at depth {depth}");
    }
}

#[test]
fn the_front_is_what_next_gives() {
    let queue = Queue::new(0..100_u32, 4);
    std::thread::scope(|scope| {
        let _closing = Closing(&queue);
        scope.spawn(|| queue.work(|job, ahead| (job, ahead)));
        for job in 0..100 {
            let seen = queue.front(|item| item.0);
            assert!(seen.is_none_or(|seen| seen == job), "{seen:?} before {job}");
            let next = queue.next(|job| (job, 0), &mut never);
            let Ok(Next::Item((number, ahead))) = next else {
                panic!("no item {job}");
            };
            assert!(number == job && ahead < 4, "{number}, {ahead} ahead");
        }
        assert_eq!(queue.front(|item| item.0), None);
    });
}
