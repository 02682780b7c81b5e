//! The one door from Python into the core: the GIL is free inside, errors are converted, Ctrl-C is seen.
//!
//! When the interpreter ends, it ends every other thread that asks for the GIL, which the process does not
//! survive where that thread is inside of the core. So the door closes before: see [`exiting`].

use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use chefgenius::{Error, Result};
use pyo3::prelude::*;

use crate::errors::to_py;

/// The thread that ends the interpreter, once it does.
static EXITING: OnceLock<ThreadId> = OnceLock::new();
/// Threads that are inside.
static INSIDE: AtomicUsize = AtomicUsize::new(0);
/// How long the end of the interpreter waits for them.
const PATIENCE: Duration = Duration::from_secs(1);

thread_local! {
    /// How many times over this thread is inside.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// Says that the interpreter ends in this thread. Others that are inside come out, or stay for ever; those that
/// come later stay too.
#[pyfunction]
pub fn exiting(py: Python<'_>) {
    EXITING.get_or_init(|| thread::current().id());
    py.detach(|| {
        let begin = Instant::now();
        while INSIDE.load(Ordering::SeqCst) > 0 && begin.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(1));
        }
    });
}

fn is_ended() -> bool {
    EXITING
        .get()
        .is_some_and(|ending| *ending != thread::current().id())
}

fn stay() -> ! {
    loop {
        thread::park();
    }
}

/// A thread that is inside, as long as this lives.
pub struct Inside(());

impl Inside {
    /// Comes in; does not come back where the interpreter ends.
    pub fn new(py: Python<'_>) -> Self {
        if DEPTH.get() == 0 {
            if is_ended() {
                py.detach(|| stay());
            }
            INSIDE.fetch_add(1, Ordering::SeqCst);
        }
        DEPTH.set(DEPTH.get() + 1);
        Inside(())
    }

    /// Stays where the interpreter ends. Not to be called with the GIL.
    pub fn stay_at_exit(&self) {
        if is_ended() {
            INSIDE.fetch_sub(1, Ordering::SeqCst);
            stay();
        }
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
        if DEPTH.get() == 0 {
            INSIDE.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

/// Runs `work` without the GIL. `work` calls what it is given now and then, and ends when that fails:
/// then a signal handler raised, and its exception is the outcome.
pub fn enter<T: Send>(
    py: Python<'_>,
    work: impl FnOnce(&mut dyn FnMut() -> Result<()>) -> Result<T> + Send,
) -> PyResult<T> {
    let inside = Inside::new(py);
    let mut raised = None;
    let result = py.detach(|| {
        let result = work(&mut || {
            inside.stay_at_exit();
            Python::attach(|py| py.check_signals()).map_err(|e| {
                raised = Some(e);
                Error::Interrupted
            })
        });
        inside.stay_at_exit();
        result
    });
    match raised {
        Some(e) => Err(e),
        None => result.map_err(to_py),
    }
}
