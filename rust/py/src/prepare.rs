//! `prepare`: raw files to a published store.

use std::path::PathBuf;
use std::sync::Arc;

use chefgenius::Error;
use chefgenius::prepare::{Progress, Request};
use chefgenius::text::Template;
use pyo3::prelude::*;

use crate::errors::to_py;
use crate::store::TokenStore;

/// The store, and the report as JSON.
#[pyfunction]
#[pyo3(signature = (sources, *, tokenizer, out, prompt_template, target_template, max_bad, progress))]
#[expect(clippy::too_many_arguments, reason = "keyword-only on the Python side")]
pub fn prepare(
    py: Python<'_>,
    sources: Vec<PathBuf>,
    tokenizer: PathBuf,
    out: PathBuf,
    prompt_template: &str,
    target_template: &str,
    max_bad: Option<u64>,
    progress: Option<Py<PyAny>>,
) -> PyResult<(TokenStore, String)> {
    let request = Request {
        sources,
        tokenizer,
        out,
        template: Template::new(prompt_template, target_template).map_err(to_py)?,
        max_bad,
    };
    let mut raised = None;
    let result = py.detach(|| {
        chefgenius::prepare::prepare(&request, &mut |now: Progress| {
            Python::attach(|py| {
                py.check_signals()?;
                if let Some(progress) = &progress {
                    progress.call1(py, (now.records, now.reused))?;
                }
                Ok(())
            })
            .map_err(|e| {
                raised = Some(e);
                Error::Interrupted
            })
        })
    });
    if let Some(e) = raised {
        return Err(e);
    }
    let (store, report) = result.map_err(to_py)?;
    let json = serde_json::to_string(&report).map_err(|e| to_py(Error::State(e.to_string())))?;
    Ok((
        TokenStore {
            inner: Arc::new(store),
        },
        json,
    ))
}
