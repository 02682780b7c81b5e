//! `TokenStore`: a store opened for reading.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chefgenius::prepare::{Whereabouts, places};
use chefgenius::recipe::Position;
use numpy::{IntoPyArray, PyArray1};
use pyo3::prelude::*;

use crate::enter::enter;

type Ids<'py> = Bound<'py, PyArray1<i64>>;
/// `line`, `row` or why it is not known; its number, and the file where the source holds several.
type Found = (&'static str, u64, Option<String>);

/// A token store opened for reading.
#[pyclass(frozen, module = "chefgenius._core")]
pub struct TokenStore {
    pub inner: Arc<chefgenius::store::TokenStore>,
}

#[pymethods]
impl TokenStore {
    #[staticmethod]
    fn open(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        let store = enter(py, |_| chefgenius::store::TokenStore::open(&path))?;
        Ok(TokenStore {
            inner: Arc::new(store),
        })
    }

    #[getter]
    fn path(&self) -> PathBuf {
        self.inner.path().to_owned()
    }

    #[getter]
    fn fingerprint(&self) -> String {
        self.inner.fingerprint().to_string()
    }

    #[getter]
    fn tokenizer_fingerprint(&self) -> String {
        self.inner.manifest().tokenizer.fingerprint.to_string()
    }

    #[getter]
    fn vocab_size(&self) -> u32 {
        self.inner.manifest().tokenizer.vocab_size
    }

    #[getter]
    fn eos_token_id(&self) -> u32 {
        self.inner.manifest().tokenizer.eos_id
    }

    #[getter]
    fn pad_token_id(&self) -> u32 {
        self.inner.manifest().tokenizer.pad_id
    }

    /// The number of the source of this name, which `weights` or `validation_sources` gave.
    fn source_number(&self, py: Python<'_>, name: &str, weights: bool) -> PyResult<u32> {
        let option = if weights {
            "weights"
        } else {
            "validation_sources"
        };
        enter(py, |_| self.inner.source_number(name, option))
    }

    #[getter]
    fn tokens(&self) -> u64 {
        self.inner.manifest().tokens
    }

    fn __len__(&self) -> usize {
        self.inner.len()
    }

    /// Prompt ids, target ids, quality, source and ordinal of a record.
    fn record<'py>(
        &self,
        py: Python<'py>,
        record_id: usize,
    ) -> PyResult<(Ids<'py>, Ids<'py>, Option<f32>, String, u64)> {
        let (prompt, target, info) = enter(py, |_| {
            let (prompt, target) = self.inner.ids(record_id)?;
            let widen = |ids: Vec<u32>| ids.into_iter().map(i64::from).collect::<Vec<_>>();
            let info = self.inner.info(record_id)?;
            Ok((widen(prompt.to_vec()), widen(target.to_vec()), info))
        })?;
        let sources = &self.inner.origin().sources;
        let source = sources.get(info.source as usize);
        Ok((
            prompt.into_pyarray(py),
            target.into_pyarray(py),
            (!info.quality.is_nan()).then_some(info.quality),
            source.map(|s| s.name.clone()).unwrap_or_default(),
            info.ordinal,
        ))
    }

    /// Where records begin in their sources.
    fn places(
        &self,
        py: Python<'_>,
        records: Vec<usize>,
        seconds: Option<f64>,
    ) -> PyResult<Vec<Found>> {
        let patience = seconds.map(Duration::try_from_secs_f64);
        let patience = patience.and_then(Result::ok);
        let found = enter(py, |look_up| {
            places(&self.inner, &records, patience, look_up)
        })?;
        Ok(found
            .into_iter()
            .map(|one| match one {
                Whereabouts::At(place) => {
                    let file = place.file.map(|file| file.to_string());
                    match place.position {
                        Position::Line { line, .. } => ("line", line, file),
                        Position::Row(row) => ("row", row, file),
                    }
                }
                Whereabouts::Gone => ("gone", 0, None),
                Whereabouts::Changed => ("changed", 0, None),
                Whereabouts::Far => ("far", 0, None),
            })
            .collect())
    }

    /// The text of ids of this store.
    fn decode(&self, py: Python<'_>, ids: Vec<u32>) -> PyResult<String> {
        enter(py, |_| self.inner.decode(&ids))
    }

    fn verify(&self, py: Python<'_>) -> PyResult<()> {
        enter(py, |look_up| self.inner.verify_while(look_up))
    }
}
