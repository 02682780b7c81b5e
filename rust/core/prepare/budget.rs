//! How much is under way between threads.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Bytes that may be under way together.
pub(super) struct Budget {
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
    /// Nothing is under way.
    pub(super) fn new(limit: usize) -> Self {
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
    pub(super) fn take(&self, bytes: usize) -> bool {
        let is_full =
            |used: &mut Used| !used.is_closed && used.bytes > 0 && used.bytes + bytes > self.limit;
        let mut used = self
            .changed
            .wait_while(self.state(), is_full)
            .unwrap_or_else(PoisonError::into_inner);
        used.bytes += bytes;
        !used.is_closed
    }

    /// They are no longer under way.
    pub(super) fn give_back(&self, bytes: usize) {
        self.state().bytes -= bytes;
        self.changed.notify_one();
    }

    /// Whether nobody wants more.
    pub(super) fn is_closed(&self) -> bool {
        self.state().is_closed
    }

    /// Lets go whoever waits, for ever.
    pub(super) fn close(&self) {
        self.state().is_closed = true;
        self.changed.notify_all();
    }
}

/// Closes a budget when it goes.
pub(super) struct Closing<'a>(pub(super) &'a Budget);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}
