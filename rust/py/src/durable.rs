//! A checkpoint: its memory copied, its files written through to the disk, hashed, and put in each other's place.

use std::path::PathBuf;

use chefgenius::{Error, durable, snapshot};
use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;

use crate::enter::enter;
use crate::errors::to_py;

/// Copies each part to its place in `memory`.
#[pyfunction]
pub fn fill(
    py: Python<'_>,
    memory: PyBuffer<u8>,
    parts: Vec<(usize, PyBuffer<u8>)>,
) -> PyResult<()> {
    let sources: Vec<_> = parts
        .iter()
        .map(|(place, part)| Ok((*place, bytes("parts", part)?)))
        .collect::<PyResult<_>>()?;
    let own = bytes("memory", &memory)?.as_ptr_range();
    let apart = |part: &[u8]| {
        let other = part.as_ptr_range();
        other.is_empty() || own.is_empty() || other.end <= own.start || own.end <= other.start
    };
    if memory.readonly() || !sources.iter().all(|(_, part)| apart(part)) {
        return Err(refused("memory", "is read-only, or a part is of it"));
    }
    if memory.len_bytes() == 0 {
        return enter(py, |_| snapshot::fill(&mut [], &sources));
    }
    // SAFETY: the buffer is contiguous, can be written and keeps its owner's memory alive; no part lies in it, and
    // `_core.pyi` says that nobody else reads or writes there during the call.
    #[expect(unsafe_code, reason = "Python lends memory without a lifetime")]
    let own = unsafe {
        std::slice::from_raw_parts_mut(memory.buf_ptr().cast::<u8>(), memory.len_bytes())
    };
    enter(py, |_| snapshot::fill(own, &sources))
}

/// Size and BLAKE3 of a new file with these bytes.
#[pyfunction]
pub fn write_file(
    py: Python<'_>,
    path: PathBuf,
    chunks: Vec<PyBuffer<u8>>,
) -> PyResult<(u64, String)> {
    let pieces = chunks
        .iter()
        .map(|chunk| bytes("chunks", chunk))
        .collect::<PyResult<Vec<_>>>()?;
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
fn bytes<'a>(name: &'static str, buffer: &'a PyBuffer<u8>) -> PyResult<&'a [u8]> {
    if !buffer.is_c_contiguous() {
        return Err(refused(
            name,
            "one of them is not contiguous: copy it before",
        ));
    }
    if buffer.len_bytes() == 0 {
        return Ok(&[]);
    }
    // SAFETY: the buffer is contiguous and keeps its owner's memory alive; `_core.pyi` says that nobody may write there
    // during the call, which only reads.
    #[expect(unsafe_code, reason = "Python lends memory without a lifetime")]
    let bytes = unsafe { std::slice::from_raw_parts(buffer.buf_ptr().cast(), buffer.len_bytes()) };
    Ok(bytes)
}

fn refused(name: &'static str, reason: &str) -> PyErr {
    to_py(Error::Argument {
        name,
        reason: reason.into(),
    })
}
