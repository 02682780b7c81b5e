//! Tokenizers whose words do not stand alone, or may not: the library has every text, and it is said why.

use chefgenius::tokenize::{Method, load_with};
use serde_json::{Value, json};

use super::bundled;
use super::made::{Both, byte_level, metaspace_bpe, word_piece};

const TEXTS: [&str; 5] = ["a test", "  ab  1/2 ", "a\n\nb best", "A\u{2581}b", ""];

/// Changes a file at a path of keys.
fn with(mut file: Value, path: &str, value: Value) -> Value {
    let mut place = &mut file;
    for key in path.split('.') {
        place = match key.parse::<usize>() {
            Ok(index) => &mut place[index],
            Err(_) => &mut place[key],
        };
    }
    *place = value;
    file
}

fn refused(file: &Value, reason: &str, random: bool) {
    let both = Both::of(file);
    let method = both.ours.method();
    assert!(
        method.starts_with("library: ") && method.contains(reason),
        "{method}"
    );
    let mut encoder = both.ours.encoder().unwrap();
    for text in TEXTS {
        if random {
            encoder.encode(text, &mut Vec::new()).unwrap();
        } else {
            assert_eq!(both.check(encoder.as_mut(), text), None);
        }
    }
    let counts = encoder.counts();
    assert_eq!((counts.texts, counts.texts_by_library), (5, 5));
}

#[test]
fn unigram() {
    let of = |path: &str, value: Value| with(super::made::unigram(), path, value);
    refused(&of("model.alpha", json!(0.1)), "at random", false);
    refused(&of("model.nbest_size", json!(4)), "at random", false);
    refused(
        &of("model.byte_fallback", json!(true)),
        "falls back to bytes",
        false,
    );
    refused(
        &of("normalizer", json!({"type": "Lowercase"})),
        "Lowercase",
        false,
    );
    refused(
        &of("normalizer.normalizers.1.content", json!("_")),
        "normalizer",
        false,
    );
    refused(
        &of("normalizer.normalizers.1.pattern", json!({"String": "a"})),
        "normalizer",
        false,
    );
    refused(&of("normalizer", Value::Null), "runs of white space", false);
    refused(
        &of("pre_tokenizer.split", json!(false)),
        "pre-tokenizer",
        false,
    );
    refused(
        &of("pre_tokenizer.prepend_scheme", json!("first")),
        "pre-tokenizer",
        false,
    );
    refused(
        &of("pre_tokenizer.replacement", json!("_")),
        "pre-tokenizer",
        false,
    );
    refused(
        &of("pre_tokenizer", json!({"type": "Whitespace"})),
        "pre-tokenizer",
        false,
    );
    refused(
        &of("added_tokens.2.content", json!("<extra id>")),
        "white space",
        false,
    );
    refused(
        &of("added_tokens.2.normalized", json!(true)),
        "normalized text",
        false,
    );
    // Every character of these texts is a piece, so that the library can do without an unknown one.
    let mut complete = of("model.unk_id", Value::Null);
    for character in "A\n".chars() {
        let vocab = complete["model"]["vocab"].as_array_mut().unwrap();
        vocab.push(json!([character.to_string(), -3.0]));
    }
    refused(&complete, "no unknown piece", false);
}

#[test]
fn bpe() {
    let of = |path: &str, value: Value| with(byte_level(), path, value);
    refused(&of("model.dropout", json!(0.5)), "at random", true);
    refused(
        &of("model.end_of_word_suffix", json!("a")),
        "end_of_word_suffix",
        false,
    );
    refused(&of("normalizer", json!({"type": "NFC"})), "normaliz", false);
    refused(
        &of("pre_tokenizer.use_regex", json!(false)),
        "pre-tokenizer",
        false,
    );
    let split = json!({"type": "Sequence", "pretokenizers": [
        {"type": "Split", "pattern": {"Regex": "\\w+| "}, "behavior": "Isolated", "invert": false},
        {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false}]});
    refused(&of("pre_tokenizer", split), "pre-tokenizer", false);

    let of = |path: &str, value: Value| with(metaspace_bpe(), path, value);
    refused(
        &of("model.ignore_merges", json!(true)),
        "whole texts",
        false,
    );
    refused(
        &of("model.vocab.a\u{2581}b", json!(999)),
        "reaches over a space",
        false,
    );
    refused(
        &of("pre_tokenizer.split", json!(true)),
        "pre-tokenizer",
        false,
    );
    let mut bare = of("model.merges", json!(["a b"]));
    bare["model"]["vocab"]
        .as_object_mut()
        .unwrap()
        .remove("\u{2581}");
    refused(&bare, "no piece for a space", false);
}

#[test]
fn others() {
    let of = |path: &str, value: Value| with(word_piece(), path, value);
    refused(
        &of("pre_tokenizer", json!({"type": "Whitespace"})),
        "pre-tokenizer",
        false,
    );
    refused(
        &of("normalizer", json!({"type": "Lowercase"})),
        "normalizer",
        false,
    );
    let level = json!({"type": "WordLevel", "vocab": {"a": 0, "test": 1, "</s>": 2, "[UNK]": 3}, "unk_token": "[UNK]"});
    refused(
        &with(super::made::unigram(), "model", level),
        "WordLevel",
        false,
    );
}

#[test]
fn and_when_it_is_asked_for() {
    let tokenizer = load_with(&bundled(), Method::Library).unwrap();
    assert_eq!(tokenizer.method(), "library: it was asked for");
    let mut encoder = tokenizer.encoder().unwrap();
    let mut ids = Vec::new();
    assert_eq!(encoder.encode("cook the rice", &mut ids).unwrap(), None);
    assert_eq!(tokenizer.decode(&ids).unwrap(), "cook the rice");
    assert_eq!(
        (encoder.counts().texts, encoder.counts().texts_by_library),
        (1, 1)
    );
}

#[test]
fn older_files_are_allowed() {
    // The pre-tokenizer of older files.
    let old = json!({"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"},
        {"type": "Metaspace", "replacement": "\u{2581}", "add_prefix_space": true}]});
    let file = with(
        with(super::made::unigram(), "pre_tokenizer", old),
        "normalizer",
        Value::Null,
    );
    let both = Both::of(&file);
    assert_eq!(both.ours.method(), "word memo");
    let mut encoder = both.ours.encoder().unwrap();
    for text in TEXTS {
        both.check(encoder.as_mut(), text);
    }
}

#[test]
fn a_model_need_not_be_named() {
    // Files of old versions tell the kind of a model by what it has.
    for file in [
        super::made::unigram(),
        byte_level(),
        metaspace_bpe(),
        word_piece(),
    ] {
        let mut nameless = file;
        let model = nameless["model"].as_object_mut().unwrap();
        model.remove("type").unwrap();
        let both = Both::of(&nameless);
        assert_eq!(both.ours.method(), "word memo");
        let mut encoder = both.ours.encoder().unwrap();
        for text in TEXTS {
            both.check(encoder.as_mut(), text);
        }
    }
}
