//! Texts to ids and back, with the bundled tokenizer, on all cores.
#![allow(clippy::unwrap_used, reason = "a bench ends at the first surprise")]

mod common;

use std::hint::black_box;

use chefgenius::recipe::Content;
use chefgenius::text::{AsIs, Template};
use chefgenius::tokenize;
use common::{Work, corpus, run, size};

fn main() {
    let tokenizer = tokenize::load(&common::tokenizer()).unwrap();
    let template = Template::default();
    let pairs: Vec<_> = corpus::recipes(256)
        .into_iter()
        .map(|recipe| template.render(&Content::Recipe(recipe), &mut AsIs))
        .collect();
    let prompts: Vec<&str> = pairs.iter().map(|pair| pair.prompt.as_str()).collect();
    let targets: Vec<&str> = pairs.iter().map(|pair| pair.target.as_str()).collect();
    run("tokenize", |benches| {
        for (name, texts) in [("prompts", &prompts), ("targets", &targets)] {
            let bytes: usize = texts.iter().map(|text| text.len()).sum();
            let work = Work {
                elements: Some((texts.len() as u64, "texts")),
                bytes: Some(bytes as u64),
            };
            let title = format!("{} {name} {}", texts.len(), size(bytes));
            benches.measure(&title, work, |b| {
                b.iter(|| black_box(tokenizer.encode_batch(texts).unwrap()));
            });
        }
        let ids = tokenizer.encode_batch(&targets).unwrap();
        let count: usize = ids.iter().map(Vec::len).sum();
        let title = format!("decode {} targets", ids.len());
        benches.measure(&title, Work::elements(count as u64, "ids"), |b| {
            b.iter(|| {
                for ids in &ids {
                    black_box(tokenizer.decode(ids).unwrap());
                }
            });
        });
    });
}
