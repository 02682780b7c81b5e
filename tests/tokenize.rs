//! Tokenizers are loaded with the right special tokens, and their ids are the library's.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

#[path = "tokenize/any.rs"]
mod any;
#[path = "tokenize/made.rs"]
mod made;
#[path = "tokenize/real.rs"]
mod real;
#[path = "tokenize/refused.rs"]
mod refused;

use std::path::{Path, PathBuf};

use chefgenius::Error;
use chefgenius::tokenize::load;
use common::shared;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn bundled() -> PathBuf {
    root().join("python/chefgenius/cookbook/tokenizer.json")
}

#[test]
fn the_bundled_one_reads_back_what_it_wrote() {
    let tokenizer = load(bundled().parent().unwrap()).unwrap();
    let info = tokenizer.info();
    assert_eq!((info.pad_id, info.eos_id, info.unk_id), (0, 1, Some(2)));
    let text = "title: Lemon Rice | ingredients: 1/2 cup rice | 2 lemons | directions: Cook the rice. | Serve.";
    assert_eq!(tokenizer.method(), "word memo");
    let mut encoder = tokenizer.encoder().unwrap();
    let mut ids = Vec::new();
    encoder.encode("", &mut ids).unwrap();
    assert!(ids.is_empty(), "no special token is added");
    assert_eq!(encoder.encode(text, &mut ids).unwrap(), Some(true));
    assert!(!ids.is_empty() && ids.iter().all(|&id| id > 2 && id < info.vocab_size));
    assert_eq!(tokenizer.decode(&ids).unwrap(), text);
}

#[test]
fn ids_are_the_librarys_and_special_tokens_are_found() {
    let Some(shared) = shared().map(|data| data.join("tokenizers")) else {
        return;
    };
    let texts = [
        "1 1/2 cups flour, sifted | 2 eggs",
        "Crème brûlée, 180 °C",
        "  two  spaces ",
    ];
    for (name, vocab, eos, pad) in [
        ("t5", 32_100, 1, 0),
        ("gpt2", 50_257, 50_256, 50_256),
        ("mistral", 32_000, 2, 2),
        ("bert", 28_996, 102, 0),
    ] {
        let dir = shared.join(name);
        let tokenizer = load(&dir).unwrap();
        let info = tokenizer.info();
        assert_eq!(
            (info.vocab_size, info.eos_id, info.pad_id),
            (vocab, eos, pad),
            "{name}"
        );
        let library = tokenizers::Tokenizer::from_file(dir.join("tokenizer.json")).unwrap();
        assert_eq!(tokenizer.method(), "word memo", "{name}");
        let mut encoder = tokenizer.encoder().unwrap();
        for text in texts {
            let mut ids = Vec::new();
            encoder.encode(text, &mut ids).unwrap();
            assert_eq!(
                ids,
                library.encode(text, false).unwrap().get_ids(),
                "{name}"
            );
        }
    }
}

#[test]
fn a_tokenizer_without_an_end_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tokenizer.json");
    std::fs::write(&path, r#"{"version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": null, "post_processor": null, "decoder": null,
        "model": {"type": "WordLevel", "vocab": {"a": 0, "<stop>": 1}, "unk_token": "a"}}"#).unwrap();
    assert!(
        matches!(load(&path), Err(Error::Tokenizer { reason, .. }) if reason.contains("eos_token"))
    );
    let config = dir.path().join("tokenizer_config.json");
    std::fs::write(&config, r#"{"eos_token": {"content": "<stop>"}}"#).unwrap();
    assert_eq!(load(&path).unwrap().info().eos_id, 1);
    std::fs::write(&config, "{").unwrap();
    assert!(matches!(load(&path), Err(Error::Tokenizer { .. })));
}
