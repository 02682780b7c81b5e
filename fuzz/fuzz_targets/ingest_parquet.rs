//! Parquet: any bytes give rows or an error.
#![no_main]

use std::io::Write;

use chefgenius::ingest::{Names, detect, records};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut file = tempfile::Builder::new().suffix(".parquet").tempfile().expect("a temporary file");
    file.write_all(data).expect("it takes bytes");
    if let Ok(source) = detect(file.path()) {
        let outcome = records(&source, &Names::default(), &mut |_| Ok(()));
        drop(outcome);
    }
});
