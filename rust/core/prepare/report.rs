//! What a person is told of a preparation.

use serde::Serialize;

use crate::store::{Counts, Fidelity, SourcePart, TokenStore};

/// What [`prepare`] did; also in `report.json`.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The store's fingerprint.
    pub store: String,
    /// False where the store in use was already this one.
    pub built: bool,
    /// Over all sources.
    pub counts: Counts,
    /// Records whose ids were copied from the former store.
    pub reused: u64,
    /// Token ids in the store.
    pub tokens: u64,
    /// The share of them that is the unknown token.
    pub unknown_share: f64,
    /// Of the sample of targets that was read back.
    pub fidelity: Fidelity,
    /// Source by source.
    pub sources: Vec<SourcePart>,
    /// The first bad records.
    pub first_errors: Vec<String>,
}

impl Report {
    /// What the store knows of itself, with what only its making knows.
    pub(super) fn new(
        store: &TokenStore,
        built: bool,
        reused: u64,
        first_errors: Vec<String>,
    ) -> Self {
        let manifest = store.manifest();
        Report {
            store: store.fingerprint().to_string(),
            built,
            counts: store.origin().counts,
            reused,
            tokens: manifest.tokens,
            unknown_share: manifest.unknown_tokens as f64 / manifest.tokens.max(1) as f64,
            fidelity: store.origin().fidelity.clone(),
            sources: store.origin().sources.clone(),
            first_errors,
        }
    }
}
