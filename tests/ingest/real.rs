//! Real recipes, where they are at hand.

use std::path::Path;

use chefgenius::ingest::detect;
use chefgenius::recipe::Record;
use chefgenius::split::split_key;
use chefgenius::text::{AsIs, Template};

use super::common::shared;
use super::read_all;

fn records(path: &Path) -> Vec<Record> {
    let given = read_all(path).unwrap();
    given
        .into_iter()
        .map(|(place, read)| read.unwrap_or_else(|bad| panic!("{place}: {}", bad.reason)))
        .collect()
}

#[test]
fn real_files_are_read_whole() {
    let Some(data) = shared() else { return };
    for (name, kind, count) in [
        ("english_21k.jsonl.xz", "JSON Lines, xz", 21_158),
        ("public_domain_array.json", "JSON array", 405),
        ("recipenlg_style.csv", "CSV", 1_883),
        ("recipes.parquet", "Parquet", 1_883),
        ("howtocook-zh-md.tar.xz", "Markdown in tar, xz", 369),
        ("old_format.jsonl.xz", "JSON Lines, xz", 1_883),
    ] {
        let path = data.join(name);
        assert_eq!(detect(&path).unwrap().to_string(), kind);
        assert_eq!(records(&path).len(), count, "{name}");
    }
}

#[test]
fn real_files_with_bad_records() {
    let Some(data) = shared() else { return };
    for (name, kind, good, wanted) in [
        (
            "scrapers_dict.json",
            "JSON object of records",
            1_107,
            &[
                "line 1, byte 597778: `directions` is missing",
                "line 1, byte 2418180: `directions` is missing",
            ][..],
        ),
        (
            // Of its 412 pages one is the licence, and this one the collection's own front page.
            "public-domain-recipes-md.tar.xz",
            "Markdown in tar, xz",
            410,
            &[
                "public-domain-recipes/content/_index.md, line 1, byte 0: the page has no ingredients: put them below a \
               heading `## Ingredients`",
            ],
        ),
    ] {
        let path = data.join(name);
        assert_eq!(detect(&path).unwrap().to_string(), kind);
        let given = read_all(&path).unwrap();
        let bad: Vec<String> = given
            .iter()
            .filter_map(|(place, read)| Some(format!("{place}: {}", read.as_ref().err()?.reason)))
            .collect();
        assert_eq!(bad, wanted, "{name}");
        assert_eq!(given.len() - bad.len(), good, "{name}");
    }
}

#[test]
fn real_recipes_split_alike_in_every_format() {
    let Some(data) = shared() else { return };
    let template = Template::default();
    let keys = |name: &str| -> Vec<u64> {
        let records = records(&data.join(name));
        records
            .iter()
            .map(|record| split_key(&template.render(&record.content, &mut AsIs).body))
            .collect()
    };
    let array = keys("public_domain_array.json");
    let table = keys("recipenlg_style.csv");
    let pairs = keys("old_format.jsonl.xz");
    assert_eq!(table, keys("recipes.parquet"));
    assert_eq!(array[..], table[..array.len()]);
    let differing: Vec<usize> = (0..table.len())
        .filter(|index| table[*index] != pairs[*index])
        .collect();
    assert_eq!((table.len(), differing), (pairs.len(), Vec::new()));
}
