//! Markdown pages: any bytes give records, good or bad, or an error.
#![no_main]

use std::path::Path;

use chefgenius::ingest::{Names, records_of_bytes};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let outcome = records_of_bytes(Path::new("page.md"), data, &Names::default(), &mut |_| Ok(()));
    drop(outcome);
});
