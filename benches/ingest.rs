//! Raw files to records, one thread: unpacked bytes per second of each format, and of cutting without parsing.
#![allow(clippy::unwrap_used, reason = "a bench ends at the first surprise")]

mod common;

#[path = "../tests/common/parquet.rs"]
mod parquet_file;

use std::fs;
use std::hint::black_box;
use std::io::Write;
use std::path::Path;

use chefgenius::ingest::{self, Names};
use common::{Work, corpus, run, size};

const RECORDS: u64 = 4096;

fn main() {
    let dir = tempfile::tempdir().unwrap();
    let recipes = corpus::recipes(RECORDS);
    let lines = corpus::json_lines(&recipes);
    run("ingest", |benches| {
        let mut measure = |name: &str, packed: &[u8], unpacked: usize| {
            let path = dir.path().join(name);
            fs::write(&path, packed).unwrap();
            let title = format!("{name} {}", size(unpacked));
            let work = Work {
                elements: Some((RECORDS, "records")),
                bytes: Some(unpacked as u64),
            };
            benches.measure(&title, work, |b| b.iter(|| read(&path)));
            if matches!(name, "recipes.jsonl" | "recipes.json" | "recipes.csv") {
                benches.measure(&format!("{title}, cut only"), work, |b| {
                    b.iter(|| cut(&path))
                });
            }
        };
        measure("recipes.jsonl", lines.as_bytes(), lines.len());
        let array = corpus::json_array(&recipes);
        measure("recipes.json", array.as_bytes(), array.len());
        let table = corpus::csv(&recipes);
        measure("recipes.csv", table.as_bytes(), table.len());
        let columns = parquet_file::of_recipes(&recipes);
        measure("recipes.parquet", &columns, columns.len());

        let mut pages = tar::Builder::new(Vec::new());
        for (recipe, number) in recipes.iter().zip(0..) {
            let page = corpus::page(recipe);
            let mut header = tar::Header::new_gnu();
            header.set_size(page.len() as u64);
            pages
                .append_data(&mut header, format!("{number}.md"), page.as_bytes())
                .unwrap();
        }
        let pages = pages.into_inner().unwrap();
        measure("pages.tar", &pages, pages.len());

        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gzip.write_all(lines.as_bytes()).unwrap();
        measure("recipes.jsonl.gz", &gzip.finish().unwrap(), lines.len());
        let zstd = zstd::encode_all(lines.as_bytes(), 3).unwrap();
        measure("recipes.jsonl.zst", &zstd, lines.len());
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 6);
        xz.write_all(lines.as_bytes()).unwrap();
        measure("recipes.jsonl.xz", &xz.finish().unwrap(), lines.len());
    });
}

fn read(path: &Path) {
    let source = ingest::detect(path).unwrap();
    let mut good = 0;
    ingest::records(&source, &Names::default(), &mut |(_, record)| {
        good += u64::from(black_box(record).is_ok());
        Ok(())
    })
    .unwrap();
    assert_eq!(good, RECORDS);
}

fn cut(path: &Path) {
    let source = ingest::detect(path).unwrap();
    let mut bytes = 0;
    ingest::read(&source, &Names::default(), &mut |_, cut| {
        bytes += black_box(cut).map_or(0, |raw| raw.len());
        Ok(())
    })
    .unwrap();
    assert!(bytes > 0);
}
