//! A plan's arrangement, kept beside its store: `views/<plan fingerprint>.safetensors`.
//!
//! It is only a cache of what a pass over the store's records gives, and may be deleted at any time; but as
//! long as it is there, a plan can be found by its fingerprint, which a saved position names.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};
use serde::Serialize;
use serde::de::DeserializeOwned;
use xxhash_rust::xxh3::Xxh3;

use crate::error::{Error, Result};
use crate::fingerprint::Fingerprint;
use crate::store::TokenStore;

/// What is kept.
pub struct Kept<T> {
    /// The text that the plan's fingerprint names.
    pub spec: String,
    /// The plan's members in its order; empty where they are all records as they stand.
    pub members: Vec<u32>,
    /// Everything else.
    pub tables: T,
}

fn path(store: &TokenStore, plan: &Fingerprint) -> PathBuf {
    store
        .path()
        .join("views")
        .join(format!("{}.safetensors", plan.hex()))
}

fn check(spec: &str, tables: &str, members: &[u8]) -> [u8; 8] {
    let mut hasher = Xxh3::new();
    for part in [spec.as_bytes(), tables.as_bytes(), members] {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.digest().to_le_bytes()
}

/// What is kept for the plan of this name; `None` where there is nothing, or nothing whole.
pub fn read<T: DeserializeOwned>(store: &TokenStore, plan: &Fingerprint) -> Option<Kept<T>> {
    let bytes = fs::read(path(store, plan)).ok()?;
    let (_, header) = SafeTensors::read_metadata(&bytes).ok()?;
    let texts = header.metadata().as_ref()?;
    let (spec, tables) = (texts.get("spec")?, texts.get("tables")?);
    let tensors = SafeTensors::deserialize(&bytes).ok()?;
    let members = tensors.tensor("members").ok()?;
    let sum = tensors.tensor("check").ok()?;
    let whole = members.dtype() == Dtype::U32
        && sum.data() == check(spec, tables, members.data())
        && Fingerprint::of(spec.as_bytes()) == *plan;
    if !whole {
        return None;
    }
    let words = members.data().chunks_exact(4);
    Some(Kept {
        spec: spec.clone(),
        members: words.map(bytemuck::pod_read_unaligned).collect(),
        tables: serde_json::from_str(tables).ok()?,
    })
}

/// Keeps it. Errors: a full disk, a read-only place.
pub fn write<T: Serialize>(store: &TokenStore, plan: &Fingerprint, kept: &Kept<T>) -> Result<()> {
    let path = path(store, plan);
    let tables = serde_json::to_string(&kept.tables).map_err(|e| Error::State(e.to_string()))?;
    let members: &[u8] = bytemuck::cast_slice(&kept.members);
    let sum = check(&kept.spec, &tables, members);
    let state = |e: safetensors::SafeTensorError| Error::State(e.to_string());
    let tensors = [
        (
            "members",
            TensorView::new(Dtype::U32, vec![kept.members.len()], members).map_err(state)?,
        ),
        (
            "check",
            TensorView::new(Dtype::U64, vec![1], &sum).map_err(state)?,
        ),
    ];
    let texts = HashMap::from([
        ("spec".into(), kept.spec.clone()),
        ("tables".into(), tables),
    ]);
    let file = serialize(tensors, Some(texts)).map_err(state)?;
    // Other processes, and other threads of this one, may be keeping the same plan.
    static WRITES: AtomicU64 = AtomicU64::new(0);
    let number = WRITES.fetch_add(1, Ordering::Relaxed);
    let temporary = path.with_extension(format!("new-{}-{number}", std::process::id()));
    let written = fs::create_dir_all(store.path().join("views"))
        .and_then(|()| fs::write(&temporary, file))
        .and_then(|()| fs::rename(&temporary, &path));
    if written.is_err() {
        // Half of it is of no use, and there may be nothing to remove.
        drop(fs::remove_file(&temporary));
    }
    written.map_err(|e| Error::io(&path, "write", e))
}
