//! Real recipes and real tokenizers, where they are at hand.

use std::fs::{self, File};
use std::io::Read;

use chefgenius::recipe::{Content, Recipe};
use chefgenius::text::{AsIs, Template};
use serde_json::Value;

use super::made::Both;
use super::shared;

/// Texts of the quick suite; the long one, which sets `PROPTEST_CASES`, takes all.
const QUICK: usize = 1500;

fn unpacked(name: &str) -> Option<String> {
    let mut text = String::new();
    let file = File::open(shared()?.join(name)).unwrap();
    liblzma::read::XzDecoder::new(file)
        .read_to_string(&mut text)
        .unwrap();
    Some(text)
}

/// Prompts and targets of the English recipes, and the raw strings of all files that are text.
fn texts() -> Option<Vec<String>> {
    let template = Template::default();
    let mut texts = Vec::new();
    let strings = |list: &Value| -> Vec<String> {
        let list = list.as_array().unwrap().iter();
        list.map(|item| item.as_str().unwrap().to_owned()).collect()
    };
    for line in unpacked("english_21k.jsonl.xz")?.lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        let recipe = Recipe {
            title: record["title"].as_str().unwrap().to_owned(),
            ingredients: strings(&record["ingredients"]),
            directions: strings(&record["directions"]),
        };
        let pair = template.render(&Content::Recipe(recipe), &mut AsIs);
        texts.extend([pair.prompt, pair.target]);
        // As it is, white space and all.
        texts.push(strings(&record["directions"]).join("\n"));
    }
    let data = shared()?;
    for name in ["public_domain_array.json", "scrapers_dict.json"] {
        let whole: Value =
            serde_json::from_str(&fs::read_to_string(data.join(name)).unwrap()).unwrap();
        all_strings(&whole, &mut texts);
    }
    let table = fs::read_to_string(data.join("recipenlg_style.csv")).unwrap();
    texts.extend(table.split("\"\n").map(str::to_owned));
    for line in unpacked("old_format.jsonl.xz")?.lines() {
        all_strings(&serde_json::from_str(line).unwrap(), &mut texts);
    }
    for name in ["public-domain-recipes-md.tar.xz", "howtocook-zh-md.tar.xz"] {
        // The headers of the archive are strings too.
        texts.extend(
            unpacked(name)?
                .split('\0')
                .filter(|page| !page.is_empty())
                .map(str::to_owned),
        );
    }
    Some(texts)
}

fn all_strings(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) => texts.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| all_strings(item, texts)),
        Value::Object(fields) => fields.values().for_each(|field| all_strings(field, texts)),
        _ => {}
    }
}

#[test]
fn ids_of_real_texts_are_the_librarys() {
    let Some(texts) = texts() else { return };
    let long = std::env::var_os("PROPTEST_CASES").is_some();
    let stride = if long { 1 } else { texts.len().div_ceil(QUICK) };
    let data = shared().unwrap();
    for name in ["t5", "gpt2", "mistral", "bert"] {
        let both = Both::load(&data.join("tokenizers").join(name).join("tokenizer.json"));
        assert_eq!(both.ours.method(), "word memo");
        let mut encoder = both.ours.encoder().unwrap();
        for text in texts.iter().step_by(stride) {
            both.check(encoder.as_mut(), text);
        }
        let counts = encoder.counts();
        assert_eq!(counts.texts as usize, texts.len().div_ceil(stride));
        assert!(
            counts.audited >= 1 && counts.hits > counts.words / 3,
            "{name}: {counts:?}"
        );
        println!("{name}: {counts:?}");
    }
}

#[test]
fn ready_texts_need_the_library_for_almost_nothing() {
    let Some(texts) = texts() else { return };
    let data = shared().unwrap();
    let both = Both::load(&data.join("tokenizers/t5/tokenizer.json"));
    let mut encoder = both.ours.encoder().unwrap();
    let (mut exact, mut ids) = (0, Vec::new());
    for pair in texts.chunks(3).take(2000) {
        for text in &pair[..2] {
            ids.clear();
            exact += u64::from(encoder.encode(text, &mut ids).unwrap() == Some(true));
        }
    }
    let counts = encoder.counts();
    assert!(counts.texts_by_library <= 4, "{counts:?}");
    assert!(counts.own > 50 * counts.words_by_library, "{counts:?}");
    assert!(
        exact * 100 > counts.texts * 90,
        "{exact} of {} read back at once",
        counts.texts
    );
}
