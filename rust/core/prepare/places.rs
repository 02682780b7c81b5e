//! Where records of a store begin in the files that it was made of: found by cutting them once more; nothing is parsed.
//!
//! A store keeps the number of each record within its source, not its line: a source that is whole says the rest.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use super::sources;
use crate::error::{Error, Result};
use crate::ingest::{self, Names};
use crate::recipe::Place;
use crate::store::{SourcePart, TokenStore};

/// Records that are cut between two looks at the clock.
const OFTEN: u64 = 256;

/// Where a record begins, or why nobody knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whereabouts {
    At(Place),
    /// Its source is not there, or cannot be read any more.
    Gone,
    /// Its source is not the one that the store was made of.
    Changed,
    /// It stands too far behind to be found within the patience of the caller.
    Far,
}

/// Where each of `records` begins, in their order. Reads the sources up to the last of them: at most for `patience`,
/// which `None` says is without end. `look_up` is called now and then, and ends the work when it fails.
///
/// # Errors
/// Those of the store, and what `look_up` says. What is wrong with a source is an outcome.
pub fn places(
    store: &TokenStore,
    records: &[usize],
    patience: Option<Duration>,
    look_up: &mut dyn FnMut() -> Result<()>,
) -> Result<Vec<Whereabouts>> {
    let names = Names::with(&store.origin().choice.map)?;
    let end = patience.and_then(|patience| Instant::now().checked_add(patience));
    let mut wanted: BTreeMap<u32, BTreeMap<u64, Whereabouts>> = BTreeMap::new();
    let mut keys = Vec::with_capacity(records.len());
    for &record in records {
        let info = store.info(record)?;
        let within = wanted.entry(info.source).or_default();
        within.insert(info.ordinal, Whereabouts::Far);
        keys.push((info.source, info.ordinal));
    }
    let mut is_late = false;
    for (&source, within) in &mut wanted {
        let found = match store.origin().sources.get(source as usize) {
            Some(part) => find(part, &names, within, &mut || {
                look_up()?;
                is_late = end.is_some_and(|end| Instant::now() >= end);
                if is_late {
                    Err(Error::Interrupted)
                } else {
                    Ok(())
                }
            }),
            None => Ok(false),
        };
        let instead = match found {
            Ok(true) => continue,
            Err(Error::Interrupted) if is_late => continue,
            Err(Error::Interrupted) => return Err(Error::Interrupted),
            Ok(false) => Whereabouts::Changed,
            Err(_) => Whereabouts::Gone,
        };
        for one in within.values_mut() {
            if !matches!(one, Whereabouts::At(_)) {
                *one = instead.clone();
            }
        }
    }
    let found = |(source, ordinal): &(u32, u64)| {
        let within = wanted.get(source);
        let one = within.and_then(|within| within.get(ordinal));
        one.cloned().unwrap_or(Whereabouts::Far)
    };
    Ok(keys.iter().map(found).collect())
}

/// Puts in where the wanted records of a source begin; false where it is not the one that the store was made of. `look`
/// is called often, and ends the work when it fails.
fn find(
    part: &SourcePart,
    names: &Names,
    wanted: &mut BTreeMap<u64, Whereabouts>,
    look: &mut dyn FnMut() -> Result<()>,
) -> Result<bool> {
    look()?;
    let source = ingest::detect(Path::new(&part.name))?;
    if !sources::is_still(part, &source, &mut |_| look())? {
        return Ok(false);
    }
    let Some(&last) = wanted.keys().next_back() else {
        return Ok(true);
    };
    let (mut ordinal, mut is_done) = (0, false);
    let read = ingest::read(&source, names, &mut |place, _| {
        if let Some(one) = wanted.get_mut(&ordinal) {
            *one = Whereabouts::At(place);
        }
        is_done = ordinal == last;
        ordinal += 1;
        match is_done {
            true => Err(Error::Interrupted),
            false if ordinal % OFTEN == 0 => look(),
            false => Ok(()),
        }
    });
    match read {
        Err(Error::Interrupted) if is_done => Ok(true),
        Err(e) => Err(e),
        // It ended too early.
        Ok(()) => Ok(false),
    }
}
