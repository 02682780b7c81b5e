//! Files of every kind, good and bad, to records.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use chefgenius::error::{Error, Result};
use chefgenius::ingest::{Names, detect, records};
use chefgenius::recipe::{Content, Place, Position, Read, Recipe, Record};
use tempfile::TempDir;

mod common;
#[path = "ingest/any.rs"]
mod any;
#[path = "ingest/array.rs"]
mod array;
#[path = "ingest/csv.rs"]
mod csv;
#[path = "ingest/detect.rs"]
mod detect;
#[path = "ingest/documents.rs"]
mod documents;
#[path = "ingest/entries.rs"]
mod entries;
#[path = "ingest/lists.rs"]
mod lists;
#[path = "ingest/pages.rs"]
mod pages;
#[path = "ingest/parquet.rs"]
mod parquet;
#[path = "common/parquet.rs"]
mod parquet_file;
#[path = "ingest/real.rs"]
mod real;
#[path = "ingest/record.rs"]
mod record;
#[path = "ingest/sources.rs"]
mod sources;
#[path = "ingest/stream.rs"]
mod stream;

/// A directory for one test's files.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Files(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }
}

/// Everything that the file at `path` gives.
fn read_all(path: &Path) -> Result<Vec<Read>> {
    let source = detect(path)?;
    let mut given = Vec::new();
    records(&source, &Names::default(), &mut |read| {
        given.push(read);
        Ok(())
    })?;
    Ok(given)
}

/// The same of a file `name` with these bytes, made for the occasion.
fn read_bytes(name: &str, bytes: impl AsRef<[u8]>) -> Result<Vec<Read>> {
    read_all(&Files::new().write(name, bytes))
}

fn line_of(place: &Place) -> u64 {
    match place.position {
        Position::Line { line, .. } => line,
        Position::Row(row) => row,
    }
}

/// Line (or row) and outcome of each record: its title or output, or why it is bad.
fn outline(given: &[Read]) -> Vec<(u64, String)> {
    given
        .iter()
        .map(|(place, read)| {
            let outcome = match read {
                Ok(record) => match &record.content {
                    Content::Recipe(recipe) => recipe.title.clone(),
                    Content::Pair(pair) => pair.output.clone(),
                },
                Err(bad) => format!("bad: {}", bad.reason),
            };
            (line_of(place), outcome)
        })
        .collect()
}

/// What the reading of these bytes gives, as lines of `line outcome`.
fn outline_of(name: &str, bytes: impl AsRef<[u8]>) -> Vec<String> {
    let given = read_bytes(name, bytes).unwrap();
    outline(&given)
        .iter()
        .map(|(line, outcome)| format!("{line} {outcome}"))
        .collect()
}

fn error_of(name: &str, bytes: impl AsRef<[u8]>) -> String {
    let files = Files::new();
    let path = files.write(name, bytes);
    let error = read_all(&path).unwrap_err();
    assert!(
        matches!(&error, Error::Source { path: of, .. } if *of == path),
        "{error:?}"
    );
    let message = error.to_string();
    assert!(message.contains(name), "{message}");
    message
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

type Pack = fn(&[u8]) -> Vec<u8>;
/// Extension, name and packer of each compression.
const PACKED: [(&str, &str, Pack); 4] = [
    ("", "", <[u8]>::to_vec),
    (".gz", ", gzip", gzip),
    (".zst", ", zstd", zstd),
    (".xz", ", xz", xz),
];

fn lemon_rice() -> Record {
    Record {
        content: Content::Recipe(Recipe {
            title: "Lemon Rice".to_owned(),
            ingredients: vec![
                "1 cup rice".to_owned(),
                "2 \"big\" lemons,\nripe".to_owned(),
            ],
            directions: vec!["Cook the rice.".to_owned()],
        }),
        quality: Some(0.5),
    }
}

const JSON: &str = r#"{"title": "Lemon Rice", "ingredients": ["1 cup rice", "2 \"big\" lemons,\nripe"], "directions": ["Cook the rice."], "quality_score": 0.5, "source": "x"}"#;
const CSV: &str = "\u{feff},title,ingredients,directions,link,source,NER,quality_score\r\n\
     0,Lemon Rice,\"[\"\"1 cup rice\"\", \"\"2 \\\"\"big\\\"\" lemons,\\nripe\"\"]\",\"Cook the rice.\",,x,[],0.5\r\n";

#[test]
fn every_format_in_every_compression() {
    let files = Files::new();
    let lines = format!("\u{feff}\n  {JSON}\r\n\n{JSON}");
    let array = format!("\u{feff} [\n{JSON},\n {JSON} ]\n");
    let table = format!("{CSV}\r\n1{}", &CSV[CSV.find(",Lemon").unwrap()..]);
    for (name, text, format, places) in [
        ("a.jsonl", &lines, "JSON Lines", [2, 4]),
        ("a.ndjson", &lines, "JSON Lines", [2, 4]),
        ("a.JSON", &lines, "JSON Lines", [2, 4]),
        ("a.json", &array, "JSON array", [2, 3]),
        ("a", &array, "JSON array", [2, 3]),
        ("a.csv", &table, "CSV", [2, 4]),
    ] {
        for (extension, compression, pack) in PACKED {
            let path = files.write(&format!("{name}{extension}"), pack(text.as_bytes()));
            let source = detect(&path).unwrap();
            assert_eq!(source.path, path);
            assert_eq!(source.to_string(), format!("{format}{compression}"));
            let given = read_all(&path).unwrap();
            let lines: Vec<u64> = given.iter().map(|(place, _)| line_of(place)).collect();
            assert_eq!(lines, places, "{}", path.display());
            for (place, read) in given {
                assert_eq!(read, Ok(lemon_rice()), "{}", path.display());
                let Position::Line { byte, .. } = place.position else {
                    panic!("{place}");
                };
                let rest = &text[byte as usize..];
                assert!(
                    rest.starts_with('{') || rest.starts_with(['0', '1']),
                    "{rest}"
                );
            }
        }
    }
}
