//! The memory that batches are written into: taken from a pool, given back with the last reference.
//!
//! Whoever holds a [`Slab`] is alone with it; only a slab that nobody holds any more is handed out again, so a
//! delivered tensor is never written while anything can see it.

use std::ptr::NonNull;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Result};

/// A piece of memory with one owner.
pub trait Memory: Send + Sync {
    /// Where it begins; aligned for u64.
    fn start(&self) -> NonNull<u64>;
    /// How many u64 words it has.
    fn words(&self) -> usize;
}

/// Memory of the process.
struct Heap {
    start: NonNull<u64>,
    words: usize,
}

// SAFETY: it is the only owner of its allocation.
#[allow(unsafe_code)]
unsafe impl Send for Heap {}
// SAFETY: its methods read nothing but the two fields.
#[allow(unsafe_code)]
unsafe impl Sync for Heap {}

impl Heap {
    fn new(words: usize) -> Self {
        let memory: &mut [u64] = Box::leak(vec![0; words].into_boxed_slice());
        Heap {
            words,
            start: NonNull::from(memory).cast(),
        }
    }
}

impl Memory for Heap {
    fn start(&self) -> NonNull<u64> {
        self.start
    }

    fn words(&self) -> usize {
        self.words
    }
}

impl Drop for Heap {
    fn drop(&mut self) {
        let memory = NonNull::slice_from_raw_parts(self.start, self.words);
        // SAFETY: `new` leaked this very box, and nothing else frees it.
        #[allow(unsafe_code)]
        drop(unsafe { Box::from_raw(memory.as_ptr()) });
    }
}

/// Where slabs come from and go back to. Clones are the same pool.
#[derive(Clone)]
pub struct Pool {
    shelf: Arc<Shelf>,
}

struct Shelf {
    free: Mutex<Vec<Box<dyn Memory>>>,
    /// How many free pieces are kept; `None` where all memory is given from outside.
    keep: Option<usize>,
}

impl Pool {
    /// A pool of process memory that keeps at most `keep` free pieces.
    pub fn heap(keep: usize) -> Self {
        Self::with(Some(keep))
    }

    /// A pool that hands out what [`Pool::give`] brought, and nothing else.
    pub fn given() -> Self {
        Self::with(None)
    }

    fn with(keep: Option<usize>) -> Self {
        Pool {
            shelf: Arc::new(Shelf {
                free: Mutex::default(),
                keep,
            }),
        }
    }

    /// Brings memory from outside.
    pub fn give(&self, memory: Box<dyn Memory>) {
        self.shelf.lock().push(memory);
    }

    /// At least `words` words that nobody else sees. What they hold is left over from earlier.
    ///
    /// # Errors
    /// [`Error::Loader`] where memory is given from outside and none of what is there is large enough.
    pub fn take(&self, words: usize) -> Result<Slab> {
        let mut free = self.shelf.lock();
        let fitting = free.iter().position(|memory| memory.words() >= words);
        let memory = match (fitting, self.shelf.keep) {
            (Some(place), _) => free.swap_remove(place),
            (None, None) => {
                return Err(Error::Loader(format!(
                    "no memory of {} bytes was given for a batch",
                    8 * words
                )));
            }
            (None, Some(_)) => {
                // One that is too small now would be too small again.
                free.pop();
                drop(free);
                // Batches are of similar sizes: with an eighth to spare the next ones fit too.
                Box::new(Heap::new(words + words / 8 + 64))
            }
        };
        Ok(Slab {
            memory: Some(memory),
            shelf: Arc::clone(&self.shelf),
        })
    }
}

impl Shelf {
    fn lock(&self) -> MutexGuard<'_, Vec<Box<dyn Memory>>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Memory in use; it goes back to its pool when it is dropped.
pub struct Slab {
    /// `None` only while it is dropped or taken out.
    memory: Option<Box<dyn Memory>>,
    shelf: Arc<Shelf>,
}

impl Slab {
    /// Where it begins.
    pub fn start(&self) -> NonNull<u64> {
        self.memory
            .as_ref()
            .map_or(NonNull::dangling(), |memory| memory.start())
    }

    /// All of it, to read.
    pub fn words(&self) -> &[u64] {
        let words = self.memory.as_ref().map_or(0, |memory| memory.words());
        // SAFETY: the memory is aligned, holds as many initialised words, and lives as long as this slab, which
        // is not written while it is borrowed.
        #[allow(unsafe_code)]
        unsafe {
            NonNull::slice_from_raw_parts(self.start(), words).as_ref()
        }
    }

    /// All of it, to write.
    pub fn words_mut(&mut self) -> &mut [u64] {
        let words = self.memory.as_ref().map_or(0, |memory| memory.words());
        // SAFETY: as above, and this is the only owner.
        #[allow(unsafe_code)]
        unsafe {
            NonNull::slice_from_raw_parts(self.start(), words).as_mut()
        }
    }

    /// The memory itself, which then does not go back to the pool.
    pub fn into_memory(mut self) -> Option<Box<dyn Memory>> {
        self.memory.take()
    }
}

impl Drop for Slab {
    fn drop(&mut self) {
        let Some(memory) = self.memory.take() else {
            return;
        };
        // Where another thread holds the lock, in this process or in the one that this was forked from, what can be
        // made anew is freed: dropping a tensor never waits.
        let (free, keep) = match self.shelf.keep {
            Some(keep) => (self.shelf.free.try_lock().ok(), keep),
            None => (Some(self.shelf.lock()), usize::MAX),
        };
        if let Some(mut free) = free.filter(|free| free.len() < keep) {
            free.push(memory);
        }
    }
}
