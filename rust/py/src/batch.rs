//! `Delivered`: a batch that Python holds; its arrays are its memory, and nothing is copied.

use chefgenius::batch::{Batch, Dtype, Tensor};
use chefgenius::memory::{Memory, Slab};
use numpy::ndarray::{ArrayView, IxDyn};
use numpy::{Element, PyArray1, PyArrayDyn, PyArrayMethods, PyUntypedArrayMethods, ToPyArray};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A tensor's name, first word, rows, columns and whether its elements have eight bytes.
type Place = (&'static str, usize, usize, Option<usize>, bool);

/// A batch that was delivered. Its memory goes back to the pool when the last of its arrays is gone.
#[pyclass(frozen, module = "chefgenius._core")]
pub struct Delivered {
    #[pyo3(get)]
    epoch: u64,
    #[pyo3(get)]
    index: u64,
    record_ids: Vec<i64>,
    tensors: Vec<Tensor>,
    start: Start,
    /// `None` after [`Delivered::release`].
    slab: Mutex<Option<Slab>>,
}

/// Where the slab begins.
struct Start(NonNull<u64>);

// SAFETY: an address; what lies there is looked at through arrays only, under the GIL's rules for them.
#[allow(unsafe_code)]
unsafe impl Send for Start {}
// SAFETY: as above.
#[allow(unsafe_code)]
unsafe impl Sync for Start {}

impl From<Batch> for Delivered {
    fn from(batch: Batch) -> Self {
        Delivered {
            epoch: batch.epoch,
            index: batch.index,
            record_ids: batch.record_ids,
            tensors: batch.tensors,
            start: Start(batch.slab.start()),
            slab: Mutex::new(Some(batch.slab)),
        }
    }
}

#[pymethods]
impl Delivered {
    #[getter]
    fn record_ids<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i64>> {
        self.record_ids.to_pyarray(py)
    }

    /// Its tensors as arrays over its memory, by name; they keep it alive.
    fn arrays<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyDict>> {
        let arrays = PyDict::new(slf.py());
        let this = slf.get();
        if this
            .slab
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_none()
        {
            return Err(PyValueError::new_err("this batch was released"));
        }
        for tensor in &this.tensors {
            match tensor.dtype {
                Dtype::I32 => arrays.set_item(tensor.name, array::<i32>(slf, tensor))?,
                Dtype::I64 => arrays.set_item(tensor.name, array::<i64>(slf, tensor))?,
            }
        }
        Ok(arrays)
    }

    /// Lets go of memory that was given: its address, and where the tensors lie in it.
    fn release(&self) -> (usize, Vec<Place>) {
        let slab = self
            .slab
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        drop(slab.and_then(Slab::into_memory));
        let place = |t: &Tensor| (t.name, t.start, t.rows, t.columns, t.dtype == Dtype::I64);
        (
            self.start.0.addr().get(),
            self.tensors.iter().map(place).collect(),
        )
    }
}

fn array<'py, T: Element>(
    owner: &Bound<'py, Delivered>,
    tensor: &Tensor,
) -> Bound<'py, PyArrayDyn<T>> {
    let shape = match tensor.columns {
        Some(columns) => IxDyn(&[tensor.rows, columns]),
        None => IxDyn(&[tensor.rows]),
    };
    // SAFETY: the slab holds the tensor's elements from there on, aligned for u64, and lives as long as `owner`, which
    // the array keeps alive; from now on only arrays over it write to it.
    #[allow(unsafe_code)]
    unsafe {
        let start = owner.get().start.0.add(tensor.start).cast::<T>();
        let view = ArrayView::from_shape_ptr(shape, start.as_ptr());
        PyArrayDyn::borrow_from_array(&view, owner.clone().into_any())
    }
}

/// The sizes of the blocks that Python gave and the core still has.
#[derive(Clone, Default)]
pub struct Held(Arc<Mutex<Vec<usize>>>);

impl Held {
    fn lock(&self) -> MutexGuard<'_, Vec<usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many of them have `words` words.
    pub fn fitting(&self, words: usize) -> usize {
        self.lock().iter().filter(|&&has| has >= words).count()
    }
}

/// Memory of an array that Python gave.
pub struct Given {
    start: NonNull<u64>,
    words: usize,
    held: Held,
    _array: Py<PyArray1<i64>>,
}

impl Drop for Given {
    fn drop(&mut self) {
        let mut held = self.held.lock();
        if let Some(place) = held.iter().position(|&words| words == self.words) {
            held.swap_remove(place);
        }
    }
}

// SAFETY: the array is kept alive, and whoever holds this is the only one to write to it.
#[allow(unsafe_code)]
unsafe impl Send for Given {}
// SAFETY: its methods read nothing but the fields.
#[allow(unsafe_code)]
unsafe impl Sync for Given {}

impl Given {
    /// Errors: the array is not in one piece.
    pub fn new(array: &Bound<'_, PyArray1<i64>>, held: &Held) -> PyResult<Self> {
        let start = NonNull::new(array.data()).filter(|_| array.is_contiguous());
        let start = start.ok_or_else(|| PyValueError::new_err("the memory is not in one piece"))?;
        held.lock().push(array.len());
        Ok(Given {
            held: held.clone(),
            start: start.cast(),
            words: array.len(),
            _array: array.clone().unbind(),
        })
    }
}

impl Memory for Given {
    fn start(&self) -> NonNull<u64> {
        self.start
    }

    fn words(&self) -> usize {
        self.words
    }
}
