//! What a person is told of a preparation.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::store::{Choice, Lock, Making, SourcePart, TokenStore};

const NAME: &str = "report.json";

/// Which store a written report is about.
#[derive(Deserialize)]
struct Named {
    store: String,
}

/// What [`prepare`](super::prepare) did; also in `report.json`.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The store's fingerprint.
    pub store: String,
    /// False where the store in use was already this one.
    pub built: bool,
    /// Token ids in the store.
    pub tokens: u64,
    /// How many of them are the tokenizer's unknown token.
    pub unknown_tokens: u64,
    /// `unknown_tokens / tokens`.
    pub unknown_share: f64,
    /// Whether characters that the tokenizer cannot spell were written in others.
    pub respell: bool,
    /// Which records were wanted.
    pub choice: Choice,
    /// Source by source.
    pub sources: Vec<SourcePart>,
    /// What was found out; of a store that was built already: when it was built.
    #[serde(flatten)]
    pub making: Making,
}

impl Report {
    /// Of a store that was built just now, or was there.
    pub(super) fn of(store: &TokenStore, built: bool, seconds: f64) -> Self {
        let (manifest, origin) = (store.manifest(), store.origin());
        let mut making = origin.making.clone();
        making.seconds = seconds;
        if !built {
            making.reused = 0;
        }
        Report {
            store: store.fingerprint().to_string(),
            built,
            tokens: manifest.tokens,
            unknown_tokens: manifest.unknown_tokens,
            unknown_share: manifest.unknown_tokens as f64 / manifest.tokens.max(1) as f64,
            respell: manifest.text.respell,
            choice: origin.choice.clone(),
            sources: origin.sources.clone(),
            making,
        }
    }

    /// Whether `out/report.json` can be read and is about this store.
    pub(super) fn stands_in(&self, out: &Path) -> bool {
        let written = fs::read(out.join(NAME));
        let written = written.map(|json| serde_json::from_slice::<Named>(&json));
        matches!(written, Ok(Ok(named)) if named.store == self.store)
    }

    /// Puts it beside `current`, as `report.json`, by one rename.
    pub(super) fn write(&self, lock: &Lock) -> Result<()> {
        let path = lock.out().join(NAME);
        let json =
            serde_json::to_vec_pretty(self).map_err(|e| Error::io(&path, "write", e.into()))?;
        lock.put(NAME, &json)
    }
}
