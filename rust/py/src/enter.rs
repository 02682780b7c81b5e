//! The one door from Python into the core: the GIL is free inside, errors are converted, Ctrl-C is seen.

use chefgenius::{Error, Result};
use pyo3::prelude::*;

use crate::errors::to_py;

/// Runs `work` without the GIL. `work` calls what it is given now and then, and ends when that fails:
/// then a signal handler raised, and its exception is the outcome.
pub fn enter<T: Send>(
    py: Python<'_>,
    work: impl FnOnce(&mut dyn FnMut() -> Result<()>) -> Result<T> + Send,
) -> PyResult<T> {
    let mut raised = None;
    let result = py.detach(|| {
        work(&mut || {
            Python::attach(|py| py.check_signals()).map_err(|e| {
                raised = Some(e);
                Error::Interrupted
            })
        })
    });
    match raised {
        Some(e) => Err(e),
        None => result.map_err(to_py),
    }
}
