//! `Loader`: the resettable epoch iterator; `chefgenius.data` dresses it in tensors.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use chefgenius::batch::{Delivery, Dtype};
use chefgenius::epoch::{Epochs, Position};
use chefgenius::memory::Pool;
use chefgenius::plan::{Plan, PlanSpec};
use chefgenius::state::{Allowed, State};
use chefgenius::tombstones::Tombstones;
use chefgenius::{Error, Result};
use numpy::{IntoPyArray, PyArray1};
use pyo3::prelude::*;

use crate::batch::{Delivered, Given, Held};
use crate::enter::{Inside, enter};
use crate::store::TokenStore;

type Ids<'py> = Bound<'py, PyArray1<i64>>;

/// The resettable epoch iterator.
#[pyclass(frozen, module = "chefgenius._core")]
pub struct Loader {
    inner: Arc<chefgenius::loader::Loader>,
    memory: Memory,
}

#[pymethods]
impl Loader {
    #[new]
    #[pyo3(signature = (store, *, plan, seed, rank, world_size, prefetch, threads, tombstones, narrow, given))]
    #[expect(clippy::too_many_arguments, reason = "keyword-only on the Python side")]
    fn new(
        py: Python<'_>,
        store: &TokenStore,
        plan: &str,
        seed: u64,
        rank: u32,
        world_size: u32,
        prefetch: usize,
        threads: usize,
        tombstones: Vec<u64>,
        narrow: bool,
        given: bool,
    ) -> PyResult<Self> {
        let store = Arc::clone(&store.inner);
        let pool = match given {
            true => Pool::given(),
            // What is built ahead, what is being built, and what the consumer has just let go of.
            false => Pool::heap(prefetch + threads + 4),
        };
        let delivery = Delivery {
            pool: pool.clone(),
            inputs: if narrow { Dtype::I32 } else { Dtype::I64 },
        };
        let inner = enter(py, |_| {
            let spec: PlanSpec =
                serde_json::from_str(plan).map_err(|e| Error::State(e.to_string()))?;
            let plan = Plan::new(&store, spec, seed)?;
            let tombstones = Tombstones::new(tombstones, store.len())?;
            let epochs = Epochs::new(store, plan, tombstones, delivery, (rank, world_size))?;
            chefgenius::loader::Loader::new(epochs, prefetch, threads)
        })?;
        Ok(Loader {
            inner: Arc::new(inner),
            memory: Memory {
                pool,
                ahead: prefetch,
                held: Held::default(),
                calls: Arc::default(),
            },
        })
    }

    #[getter]
    fn plan_fingerprint(&self) -> String {
        self.inner.epochs().plan().fingerprint().to_string()
    }

    #[getter]
    fn records(&self) -> usize {
        self.inner.epochs().plan().len()
    }

    #[getter]
    fn columns(&self) -> Option<[usize; 2]> {
        self.inner.epochs().plan().columns()
    }

    #[getter]
    fn tombstones<'py>(&self, py: Python<'py>) -> Ids<'py> {
        let epochs = self.inner.epochs();
        let records = epochs.tombstones().records().iter();
        numbers(records.map(|&record| record as usize).collect()).into_pyarray(py)
    }

    #[getter]
    fn micro_batches(&self) -> u64 {
        self.inner.epochs().plan_of(self.epoch()).micro_batches()
    }

    #[getter]
    fn steps_per_epoch(&self) -> u64 {
        self.inner.epochs().plan_of(self.epoch()).steps()
    }

    #[getter]
    fn own_batches(&self) -> u64 {
        self.inner.epochs().own_batches(self.epoch())
    }

    /// Brings memory for a batch.
    fn give(&self, memory: &Bound<'_, PyArray1<i64>>) -> PyResult<()> {
        let given = Given::new(memory, &self.memory.held)?;
        self.memory.pool.give(Box::new(given));
        Ok(())
    }

    /// Epoch and index of the next micro-batch.
    fn position(&self, py: Python<'_>) -> PyResult<(u64, u64)> {
        let at = enter(py, |_| self.inner.position())?;
        Ok((at.epoch, at.index))
    }

    /// An iterator over the rest of an epoch, as `make` makes batches of what is delivered.
    #[pyo3(signature = (make, supply=None))]
    fn batches(&self, make: Py<PyAny>, supply: Option<Py<PyAny>>) -> Batches {
        Batches {
            inner: Arc::clone(&self.inner),
            memory: self.memory.clone(),
            epoch: OnceLock::new(),
            make,
            supply,
        }
    }

    /// Any batch, as `make` makes it of what is delivered.
    #[pyo3(signature = (epoch, index, make, supply=None))]
    fn batch_at(
        &self,
        py: Python<'_>,
        epoch: u64,
        index: u64,
        make: Py<PyAny>,
        supply: Option<Py<PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        // Also while Python makes the batch.
        let _inside = Inside::new(py);
        let _call = self.memory.call(py, &self.inner, supply.as_ref())?;
        let batch = enter(py, |_| self.inner.epochs().build(Position { epoch, index }))?;
        make.call1(py, (Delivered::from(batch),))
    }

    fn record_ids_at<'py>(&self, py: Python<'py>, epoch: u64, index: u64) -> PyResult<Ids<'py>> {
        let records = enter(py, |_| {
            self.inner.epochs().records(Position { epoch, index })
        })?;
        Ok(numbers(records).into_pyarray(py))
    }

    fn when(&self, py: Python<'_>, epoch: u64, record: usize) -> Vec<u64> {
        py.detach(|| self.inner.epochs().when(epoch, record))
    }

    /// The first `n` records of the view in the order of the store.
    fn first_records<'py>(&self, py: Python<'py>, n: usize) -> Ids<'py> {
        numbers(self.inner.epochs().plan().first_records(n)).into_pyarray(py)
    }

    /// Micro-batches, samples, input tokens and target tokens of a step over all ranks.
    fn step_info(&self, py: Python<'_>, epoch: u64, step: u64) -> PyResult<(u64, u64, u64, u64)> {
        let info = enter(py, |_| self.inner.epochs().step_info(epoch, step))?;
        Ok((
            info.micro_batches,
            info.samples,
            info.input_tokens,
            info.target_tokens,
        ))
    }

    fn set_epoch(&self, py: Python<'_>, epoch: u64) -> PyResult<()> {
        enter(py, |_| self.inner.set_epoch(epoch))
    }

    fn reset(&self, py: Python<'_>) -> PyResult<()> {
        enter(py, |_| self.inner.reset())
    }

    fn state(&self, py: Python<'_>) -> PyResult<String> {
        enter(py, |_| json(&self.inner.state()?))
    }

    fn state_after(&self, py: Python<'_>, epoch: u64, index: u64) -> PyResult<String> {
        enter(py, |_| {
            json(&self.inner.state_after(Position { epoch, index })?)
        })
    }

    fn skip(&self, py: Python<'_>, steps: u64) -> PyResult<()> {
        enter(py, |_| self.inner.skip(steps))
    }

    #[pyo3(signature = (state, *, other_plan, other_tombstones))]
    fn restore(
        &self,
        py: Python<'_>,
        state: &str,
        other_plan: bool,
        other_tombstones: bool,
    ) -> PyResult<()> {
        let allowed = Allowed {
            plan: other_plan,
            tombstones: other_tombstones,
        };
        enter(py, |_| self.inner.restore(state, allowed))
    }

    fn close(&self, py: Python<'_>) {
        py.detach(|| self.inner.close());
    }
}

/// Where a loader's batches lie.
#[derive(Clone)]
struct Memory {
    pool: Pool,
    ahead: usize,
    held: Held,
    calls: Arc<AtomicUsize>,
}

/// A call that takes a batch, as long as this lives.
struct Call(Arc<AtomicUsize>);

impl Drop for Call {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Memory {
    /// Before a batch is taken: has `supply` bring as many blocks as are missing, where memory is given.
    fn call(
        &self,
        py: Python<'_>,
        loader: &chefgenius::loader::Loader,
        supply: Option<&Py<PyAny>>,
    ) -> PyResult<Call> {
        let calls = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        let call = Call(Arc::clone(&self.calls));
        if let Some(supply) = supply {
            let words = enter(py, |_| loader.epochs().most_words())?;
            let missing = (self.ahead + calls).saturating_sub(self.held.fitting(words));
            if missing > 0 {
                supply.call1(py, (words, missing))?;
            }
        }
        Ok(call)
    }
}

/// The rest of one epoch. What is returned was delivered; where Ctrl-C or an error comes before, the position stays.
#[pyclass(frozen, module = "chefgenius._core")]
pub struct Batches {
    inner: Arc<chefgenius::loader::Loader>,
    memory: Memory,
    /// The epoch that is gone through, from the first call on.
    epoch: OnceLock<u64>,
    make: Py<PyAny>,
    supply: Option<Py<PyAny>>,
}

#[pymethods]
impl Batches {
    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        // Also while Python makes the batch.
        let _inside = Inside::new(py);
        let epoch = match self.epoch.get() {
            Some(epoch) => *epoch,
            None => {
                let epoch = enter(py, |_| self.inner.begin())?;
                *self.epoch.get_or_init(|| epoch)
            }
        };
        let call = self.memory.call(py, &self.inner, self.supply.as_ref())?;
        let Some(batch) = enter(py, |waiting| self.inner.next(epoch, waiting))? else {
            return Ok(None);
        };
        drop(call);
        let at = Position {
            epoch: batch.epoch,
            index: batch.index,
        };
        let made = self.make.call1(py, (Delivered::from(batch),));
        if made.is_err() {
            py.detach(|| self.inner.undo(at));
        }
        made.map(Some)
    }
}

impl Loader {
    /// The current epoch; one that is never reached where there is none, as in a closed loader.
    fn epoch(&self) -> u64 {
        self.inner.position().map_or(u64::MAX, |at| at.epoch)
    }
}

fn json(state: &State) -> Result<String> {
    serde_json::to_string(state).map_err(|e| Error::State(e.to_string()))
}

fn numbers(records: Vec<usize>) -> Vec<i64> {
    records.into_iter().map(|record| record as i64).collect()
}
