//! Files of a checkpoint: written through to the disk, hashed, and put in each other's place.

use std::path::PathBuf;

use chefgenius::{Error, durable};
use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;

use crate::enter::enter;
use crate::errors::to_py;

/// Size and BLAKE3 of a new file with these bytes.
#[pyfunction]
pub fn write_file(
    py: Python<'_>,
    path: PathBuf,
    chunks: Vec<PyBuffer<u8>>,
) -> PyResult<(u64, String)> {
    if chunks.iter().any(|chunk| !chunk.is_c_contiguous()) {
        return Err(to_py(Error::Argument {
            name: "chunks",
            reason: "one of them is not contiguous: copy it before".into(),
        }));
    }
    let pieces: Vec<&[u8]> = chunks.iter().map(bytes).collect();
    let (size, hash) = enter(py, |check| durable::write_new(&path, &pieces, check))?;
    Ok((size, hash.to_hex().to_string()))
}

/// BLAKE3 of a file.
#[pyfunction]
pub fn hash_file(py: Python<'_>, path: PathBuf) -> PyResult<String> {
    let hash = enter(py, |check| durable::hash_file(&path, check))?;
    Ok(hash.to_hex().to_string())
}

/// Whether two names were exchanged: not where the file system cannot.
#[pyfunction]
pub fn exchange(py: Python<'_>, one: PathBuf, other: PathBuf) -> PyResult<bool> {
    enter(py, |_| durable::exchange(&one, &other))
}

/// What a contiguous buffer shows, which its owner leaves alone as long as this is used.
fn bytes(buffer: &PyBuffer<u8>) -> &[u8] {
    if buffer.len_bytes() == 0 {
        return &[];
    }
    // SAFETY: the buffer is contiguous and keeps its owner's memory alive; `_core.pyi` says that nobody may write there
    // during the call, which only reads.
    #[expect(unsafe_code, reason = "Python lends memory without a lifetime")]
    unsafe {
        std::slice::from_raw_parts(buffer.buf_ptr().cast(), buffer.len_bytes())
    }
}
