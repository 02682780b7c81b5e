//! Lists that are spelt as text: any text gives items, or the reason why it is none.
#![no_main]

use std::path::Path;

use chefgenius::ingest::{Names, records_of_bytes};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let cell = serde_json::Value::from(text).to_string();
    let line = format!(r#"{{"title": "a", "ingredients": {cell}, "steps": [{cell}]}}"#);
    let mut records = 0;
    let outcome = records_of_bytes(Path::new("a.jsonl"), line.as_bytes(), &Names::default(), &mut |_| {
        records += 1;
        Ok(())
    });
    assert!(outcome.is_ok() && records == 1);
});
