//! `Loader`: the resettable epoch iterator; `chefgenius.data` dresses it in tensors.

use std::sync::Arc;

use chefgenius::batch::Batch;
use chefgenius::epoch::{Epochs, Position, State};
use chefgenius::plan::{Plan, PlanKind, PlanSpec};
use chefgenius::view::ViewSpec;
use chefgenius::{Error, Result};
use numpy::{IntoPyArray, PyArray1, PyArray2, PyArrayMethods};
use pyo3::prelude::*;

use crate::enter::enter;
use crate::store::TokenStore;

type Ids<'py> = Bound<'py, PyArray1<i64>>;
type Rows<'py> = Bound<'py, PyArray2<i64>>;
/// Input ids, attention mask, labels, record ids, epoch, index.
type Arrays<'py> = (Rows<'py>, Rows<'py>, Rows<'py>, Ids<'py>, u64, u64);

/// The resettable epoch iterator.
#[pyclass(frozen, module = "chefgenius._core")]
pub struct Loader {
    inner: Arc<chefgenius::loader::Loader>,
}

#[pymethods]
impl Loader {
    #[new]
    #[pyo3(signature = (
        store, *, batch_size, seed, split, rank, world_size, micro_batches_per_step, prefetch, threads,
        validation_fraction, validation_sources, split_seed, min_quality, max_input_length, max_target_length
    ))]
    #[expect(clippy::too_many_arguments, reason = "keyword-only on the Python side")]
    fn new(
        py: Python<'_>,
        store: &TokenStore,
        batch_size: u32,
        seed: u64,
        split: &str,
        rank: u32,
        world_size: u32,
        micro_batches_per_step: u32,
        prefetch: usize,
        threads: usize,
        validation_fraction: f64,
        validation_sources: Vec<String>,
        split_seed: u64,
        min_quality: Option<f32>,
        max_input_length: u32,
        max_target_length: u32,
    ) -> PyResult<Self> {
        let store = Arc::clone(&store.inner);
        let inner = enter(py, |_| {
            let spec = PlanSpec {
                kind: PlanKind::Fixed,
                view: ViewSpec {
                    split: split.parse()?,
                    validation_fraction,
                    validation_sources: validation_sources
                        .iter()
                        .map(|name| store.source_number(name))
                        .collect::<Result<_>>()?,
                    split_seed,
                    min_quality,
                },
                batch_size,
                max_input_length,
                max_target_length,
                micro_batches_per_step,
                eos_id: store.manifest().tokenizer.eos_id,
                pad_id: store.manifest().tokenizer.pad_id,
            };
            let plan = Plan::new(&store, spec)?;
            let epochs = Epochs::new(store, plan, seed, rank, world_size)?;
            chefgenius::loader::Loader::new(epochs, prefetch, threads)
        })?;
        Ok(Loader {
            inner: Arc::new(inner),
        })
    }

    #[getter]
    fn plan_fingerprint(&self) -> String {
        self.inner.epochs().plan().fingerprint().to_string()
    }

    #[getter]
    fn records(&self) -> usize {
        self.inner.epochs().plan().view().len()
    }

    #[getter]
    fn micro_batches(&self) -> u64 {
        self.inner.epochs().plan().micro_batches()
    }

    #[getter]
    fn steps_per_epoch(&self) -> u64 {
        self.inner.epochs().plan().steps()
    }

    #[getter]
    fn own_batches(&self) -> u64 {
        self.inner.epochs().own_batches()
    }

    /// Epoch and index of the next micro-batch.
    fn position(&self, py: Python<'_>) -> PyResult<(u64, u64)> {
        let at = enter(py, |_| self.inner.position())?;
        Ok((at.epoch, at.index))
    }

    fn begin(&self, py: Python<'_>) -> PyResult<u64> {
        enter(py, |_| self.inner.begin())
    }

    fn next<'py>(&self, py: Python<'py>, epoch: u64) -> PyResult<Option<Arrays<'py>>> {
        let batch = enter(py, |waiting| self.inner.next(epoch, waiting))?;
        batch.map(|batch| arrays(py, batch)).transpose()
    }

    fn batch_at<'py>(&self, py: Python<'py>, epoch: u64, index: u64) -> PyResult<Arrays<'py>> {
        let batch = enter(py, |_| self.inner.epochs().build(Position { epoch, index }))?;
        arrays(py, batch)
    }

    fn record_ids_at<'py>(&self, py: Python<'py>, epoch: u64, index: u64) -> PyResult<Ids<'py>> {
        let epochs = self.inner.epochs();
        let records = enter(py, |_| epochs.plan().records(epochs.seed(), epoch, index))?;
        Ok(numbers(records).into_pyarray(py))
    }

    /// The first `n` records of the view in the order of the store.
    fn first_records<'py>(&self, py: Python<'py>, n: usize) -> Ids<'py> {
        let view = self.inner.epochs().plan().view();
        let records = (0..view.len().min(n)).map(|position| view.record(position as u64));
        numbers(records.collect()).into_pyarray(py)
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

    fn restore(&self, py: Python<'_>, state: &str) -> PyResult<()> {
        enter(py, |_| self.inner.restore(state))
    }

    fn close(&self, py: Python<'_>) {
        py.detach(|| self.inner.close());
    }
}

fn json(state: &State) -> Result<String> {
    serde_json::to_string(state).map_err(|e| Error::State(e.to_string()))
}

fn numbers(records: Vec<usize>) -> Vec<i64> {
    records.into_iter().map(|record| record as i64).collect()
}

/// Moves the batch's memory into numpy arrays; nothing is copied.
fn arrays(py: Python<'_>, batch: Batch) -> PyResult<Arrays<'_>> {
    let inputs = [batch.rows, batch.input_length];
    let labels = [batch.rows, batch.target_length];
    Ok((
        batch.input_ids.into_pyarray(py).reshape(inputs)?,
        batch.attention_mask.into_pyarray(py).reshape(inputs)?,
        batch.labels.into_pyarray(py).reshape(labels)?,
        batch.record_ids.into_pyarray(py),
        batch.epoch,
        batch.index,
    ))
}
