//! `prepare`: raw files to a published store.

use std::path::PathBuf;
use std::sync::Arc;

use chefgenius::Error;
use chefgenius::prepare::{Progress, Request};
use chefgenius::store::Choice;
use chefgenius::text::Template;
use chefgenius::tokenize::Method;
use pyo3::prelude::*;

use crate::enter::Inside;
use crate::errors::to_py;
use crate::store::TokenStore;

/// The store, and the report as JSON.
#[pyfunction]
#[pyo3(signature = (
    sources, *, tokenizer, library, out, prompt_template, target_template, max_bad, columns, min_quality, min_tokens,
    max_tokens, keep_duplicates, score_quality, respell, threads, progress,
))]
#[expect(clippy::too_many_arguments, reason = "keyword-only on the Python side")]
#[expect(
    clippy::fn_params_excessive_bools,
    reason = "keyword-only on the Python side"
)]
pub fn prepare(
    py: Python<'_>,
    sources: Vec<PathBuf>,
    tokenizer: PathBuf,
    library: bool,
    out: PathBuf,
    prompt_template: &str,
    target_template: &str,
    max_bad: Option<u64>,
    columns: Vec<(String, String)>,
    min_quality: Option<f32>,
    min_tokens: u32,
    max_tokens: Option<u32>,
    keep_duplicates: bool,
    score_quality: bool,
    respell: bool,
    threads: Option<usize>,
    progress: Option<Py<PyAny>>,
) -> PyResult<(TokenStore, String)> {
    let request = Request {
        template: Template::new(prompt_template, target_template).map_err(to_py)?,
        method: match library {
            true => Method::Library,
            false => Method::Auto,
        },
        choice: Choice {
            min_quality,
            min_tokens,
            max_tokens,
            keep_duplicates,
            score_quality,
            map: columns,
        },
        max_bad,
        respell,
        threads,
        ..Request::new(sources, tokenizer, out)
    };
    let inside = Inside::new(py);
    let mut raised = None;
    let result = py.detach(|| {
        let result = chefgenius::prepare::prepare(&request, &mut |now: Progress| {
            inside.stay_at_exit();
            Python::attach(|py| {
                py.check_signals()?;
                if let Some(progress) = &progress {
                    progress.call1(py, (now.stage.name(), now.done, now.total, now.records))?;
                }
                Ok(())
            })
            .map_err(|e| {
                raised = Some(e);
                Error::Interrupted
            })
        });
        inside.stay_at_exit();
        result
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
