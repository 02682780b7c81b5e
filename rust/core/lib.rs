//! The core of chefgenius: from a recipe file to the exact batch of any step of any epoch.
//!
//! A record goes through the modules in the order in which they are declared below, and a module uses
//! only those above it (a test holds that):
//!
//! 1. [`ingest`] reads raw files into [`recipe`]s, one record at a time, good or bad.
//! 2. [`text`] makes a prompt and a target of each, in a form that survives a tokenizer; [`split`] names
//!    its body, which decides on which side of the split it stands.
//! 3. [`tokenize`] turns texts into ids, and [`spelling`] finds the characters that survive that. [`store`] keeps
//!    the ids: named by content, never written again. [`prepare`] drives these stages.
//! 4. [`layout`] says how a record becomes a row. [`view`] is what split and filter leave of a store, [`order`]
//!    permutes it anew in each epoch, and [`plan`] cuts the order into micro-batches and steps.
//! 5. [`batch`] builds one of them in [`memory`] of a pool, without the records that [`tombstones`] mask: a pure
//!    function of store, plan, seed, epoch and index.
//! 6. [`epoch`] is a position among them and [`state`] its saved form, [`queue`] keeps the order of what several threads
//!    build, [`prefetch`] builds batches ahead with it, and [`loader`] is the iterator that a trainer holds.
//!
//! Nothing here knows of Python; `rust/py` is the binding.

#[cfg(target_endian = "big")]
compile_error!("stores are little-endian files that are mapped as they are");

pub mod error;
pub mod durable;
pub mod snapshot;
pub mod fingerprint;
pub mod recipe;
pub mod ingest;
pub mod text;
pub mod split;
pub mod tokenize;
pub mod spelling;
pub mod store;
pub mod prepare;
pub mod layout;
pub mod view;
pub mod order;
pub mod plan;
pub mod tombstones;
pub mod memory;
pub mod batch;
pub mod epoch;
pub mod state;
pub mod queue;
pub mod prefetch;
pub mod loader;

// Whose locks the queue takes. Its test includes that file and gives it those of a model checker.
use std::sync::{Condvar, Mutex, MutexGuard};

pub use error::{Error, Result};
