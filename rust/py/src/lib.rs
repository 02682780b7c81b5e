//! The Python module `chefgenius._core`: a list of what the core shows to Python.

mod batch;
mod durable;
mod enter;
mod errors;
mod loader;
mod prepare;
mod store;
mod text;

/// The core of chefgenius; `python/chefgenius/_core.pyi` documents it.
#[pyo3::pymodule]
mod _core {
    use numpy::{PyArray1, PyArrayMethods};
    use pyo3::prelude::*;

    #[pymodule_export]
    use super::batch::Delivered;
    #[pymodule_export]
    use super::durable::{exchange, fill, hash_file, write_file};
    #[pymodule_export]
    use super::enter::exiting;
    #[pymodule_export]
    use super::errors::{
        ChefGeniusError, DataError, LoaderError, StateMismatchError, StoreError, TokenizerError,
    };
    #[pymodule_export]
    use super::loader::{Batches, Loader};
    #[pymodule_export]
    use super::prepare::prepare;
    #[pymodule_export]
    use super::store::TokenStore;
    #[pymodule_export]
    use super::text::{default_template, ingredient_name, parse_recipe, recipe_text};

    /// Imports numpy's own interface now: later a signal handler could raise in the middle of that. Here one that
    /// does is passed on; the line after the import would end in a panic.
    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.py().import("numpy")?;
        PyArray1::<i64>::zeros(module.py(), 1, false).readwrite();
        Ok(())
    }

    /// Whether the extension was built without optimisation.
    #[pymodule_export]
    const DEBUG_BUILD: bool = cfg!(debug_assertions);
}
