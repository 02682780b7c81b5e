//! Records to text and back, one thread: what `prepare` does to every record beside tokenizing it.
//!
//! On real recipes where they are at hand (`CHEFGENIUS_BENCH_DATA` names another folder), else on the seeded corpus.
#![allow(clippy::unwrap_used, reason = "a bench ends at the first surprise")]

mod common;

use std::hint::black_box;
use std::path::{Path, PathBuf};

use chefgenius::ingest;
use chefgenius::recipe::Content;
use chefgenius::spelling::Alphabet;
use chefgenius::split::split_key;
use chefgenius::text::{AsIs, Template, TextPair, quality, quantities, read_back, recipe_of};
use chefgenius::tokenize;
use common::{Work, corpus, run, size};

fn main() {
    let (name, contents) = contents();
    let path = data().map(|data| data.join("tokenizers/t5"));
    let path = path
        .filter(|path| path.exists())
        .unwrap_or_else(common::tokenizer);
    let tokenizer = tokenize::load(&path).unwrap();
    let alphabet = Alphabet::of(&*tokenizer).unwrap();
    let template = Template::default();
    let pairs: Vec<TextPair> = contents
        .iter()
        .map(|content| template.render(content, &mut AsIs))
        .collect();
    let bytes: usize = pairs
        .iter()
        .map(|pair| pair.prompt.len() + pair.target.len())
        .sum();
    let work = Work {
        elements: Some((contents.len() as u64, "records")),
        bytes: Some(bytes as u64),
    };
    let title = |what: &str| format!("{what}, {name} {}", size(bytes));
    run("text", |benches| {
        benches.measure(&title("render"), work, |b| {
            b.iter(|| {
                for content in &contents {
                    black_box(template.render(content, &mut AsIs));
                }
            });
        });
        benches.measure(&title("render, respelt"), work, |b| {
            let mut spelling = alphabet.spelling();
            b.iter(|| {
                for content in &contents {
                    black_box(template.render(content, &mut spelling));
                }
            });
        });
        benches.measure(&title("split key"), work, |b| {
            b.iter(|| {
                pairs
                    .iter()
                    .fold(0, |keys, pair| keys ^ split_key(&pair.body))
            });
        });
        benches.measure(&title("quantities"), work, |b| {
            b.iter(|| -> usize {
                pairs
                    .iter()
                    .map(|pair| quantities(&pair.target).count())
                    .sum()
            });
        });
        benches.measure(&title("read back, equal"), work, |b| {
            let decoded: Vec<String> = pairs.iter().map(|pair| pair.target.clone()).collect();
            b.iter(|| {
                for (pair, decoded) in pairs.iter().zip(&decoded) {
                    black_box(read_back(&pair.target, decoded));
                }
            });
        });
        benches.measure(&title("read back, spaced"), work, |b| {
            let spaced = |pair: &TextPair| pair.target.replace(" | ", "  |");
            let decoded: Vec<String> = pairs.iter().map(spaced).collect();
            b.iter(|| {
                for (pair, decoded) in pairs.iter().zip(&decoded) {
                    black_box(read_back(&pair.target, decoded));
                }
            });
        });
        benches.measure(&title("quality"), work, |b| {
            b.iter(|| -> f32 {
                let recipes = contents.iter().filter_map(recipe_of);
                recipes.map(|recipe| quality(&recipe)).sum()
            });
        });
    });
}

/// The folder with real recipes and tokenizers.
fn data() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let path = std::env::var_os("CHEFGENIUS_BENCH_DATA").map_or_else(beside, PathBuf::from);
    path.is_dir().then_some(path)
}

fn contents() -> (&'static str, Vec<Content>) {
    let Some(path) = data().map(|data| data.join("english_21k.jsonl.xz")) else {
        println!("the real recipes are not here: these are of the seeded corpus");
        let recipes = corpus::recipes(4096).into_iter();
        return ("corpus", recipes.map(Content::Recipe).collect());
    };
    let mut contents = Vec::new();
    let source = ingest::detect(&path).unwrap();
    ingest::records(&source, &ingest::Names::default(), &mut |(_, record)| {
        contents.push(record.unwrap().content);
        Ok(())
    })
    .unwrap();
    ("english_21k", contents)
}
