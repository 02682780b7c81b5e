//! Small tokenizers, made for the purpose, and the check that everything here is about.

use std::collections::BTreeMap;
use std::path::Path;

use chefgenius::tokenize::{self, Encoder, Tokenizer};
use serde_json::{Value, json};

/// One of ours and the library's, of the same file.
pub struct Both {
    pub ours: Box<dyn Tokenizer>,
    pub reference: tokenizers::Tokenizer,
}

impl Both {
    pub fn load(path: &Path) -> Both {
        Both {
            ours: tokenize::load(path).unwrap(),
            reference: tokenizers::Tokenizer::from_file(path).unwrap(),
        }
    }

    pub fn of(file: &Value) -> Both {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokenizer.json");
        std::fs::write(&path, file.to_string()).unwrap();
        Both::load(&path)
    }

    /// The ids are the library's, and what is said of reading back is true. Gives back what was said.
    pub fn check(&self, encoder: &mut dyn Encoder, text: &str) -> Option<bool> {
        let mut ids = vec![7];
        let exact = encoder.encode(text, &mut ids).unwrap();
        let expected = self.reference.encode_fast(text, false).unwrap();
        assert_eq!(ids[1..], *expected.get_ids(), "{text:?}");
        if exact == Some(true) {
            assert_eq!(self.ours.decode(&ids[1..]).unwrap(), text);
        }
        exact
    }
}

fn added(contents: &[&str]) -> Vec<Value> {
    (0..)
        .zip(contents)
        .map(|(id, content)| {
            json!({"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
                "normalized": false, "special": true})
        })
        .collect()
}

/// Like T5, with few pieces, of which many score alike, and unknown characters that cost little.
pub fn unigram() -> Value {
    let mut vocab = vec![
        json!(["<unk>", 0.0]),
        json!(["</s>", 0.0]),
        json!(["<extra_id_0>", 0.0]),
    ];
    for piece in ["\u{2581}", "a", "b", "e", "s", "t", "1", "2", "/", ",", "é"] {
        vocab.push(json!([piece, -2.0]));
    }
    for piece in [
        "\u{2581}a",
        "ab",
        "ba",
        "es",
        "st",
        "\u{2581}1",
        "1/2",
        "te",
        "aba",
        "bab",
        "1",
    ] {
        vocab.push(json!([piece, -4.0]));
    }
    vocab.push(json!(["xyz", 500.0]));
    json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": added(&["<unk>", "</s>", "<extra_id_0>"]),
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Strip", "strip_left": false, "strip_right": true},
            {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": "\u{2581}"}]},
        "pre_tokenizer": {"type": "Metaspace", "replacement": "\u{2581}", "prepend_scheme": "always", "split": true},
        "post_processor": null,
        "decoder": {"type": "Metaspace", "replacement": "\u{2581}", "prepend_scheme": "always", "split": true},
        "model": {"type": "Unigram", "unk_id": 0, "vocab": vocab, "byte_fallback": false},
    })
}

fn bpe(mut vocab: Vec<String>, merges: &[&str]) -> Value {
    for merge in merges {
        vocab.push(merge.replace(' ', ""));
    }
    let vocab: BTreeMap<String, usize> = vocab.into_iter().zip(0..).collect();
    json!({"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
        "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
        "vocab": vocab, "merges": merges})
}

/// Like GPT-2, with few merges.
pub fn byte_level() -> Value {
    let mut vocab = vec!["<|endoftext|>".to_owned()];
    let shown = |byte: u32| matches!(byte, 0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF);
    vocab.extend(
        (0..256)
            .filter(|byte| shown(*byte))
            .filter_map(char::from_u32)
            .map(String::from),
    );
    vocab.extend((256..256 + 68).filter_map(char::from_u32).map(String::from));
    let merges = [
        "Ġ a", "a b", "Ġ t", "t e", "s t", "Ġt e", "Ġte st", "1 /", "1/ 2", "' s", "Ġ Ġ", "Ã ©",
    ];
    let mut file = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added(&["<|endoftext|>"]),
        "normalizer": null,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        "post_processor": null,
        "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
        "model": bpe(vocab, &merges),
    });
    file["added_tokens"][0]["normalized"] = json!(true);
    file
}

/// Like Mistral, with few merges.
pub fn metaspace_bpe() -> Value {
    let mut vocab: Vec<String> = ["<unk>", "<s>", "</s>"].map(String::from).to_vec();
    vocab.extend((0..256).map(|byte| format!("<0x{byte:02X}>")));
    vocab.extend("\u{2581}abest12/,é".chars().map(String::from));
    let merges = [
        "\u{2581} a",
        "a b",
        "\u{2581} t",
        "t e",
        "s t",
        "\u{2581}t e",
        "1 /",
        "1/ 2",
        "\u{2581} \u{2581}",
    ];
    let mut file = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added(&["<unk>", "<s>", "</s>"]),
        "normalizer": null,
        "pre_tokenizer": {"type": "Metaspace", "replacement": "\u{2581}", "prepend_scheme": "first", "split": false},
        "post_processor": null,
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "\u{2581}"}, "content": " "}, {"type": "ByteFallback"},
            {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
        "model": bpe(vocab, &merges),
    });
    file["model"]["unk_token"] = json!("<unk>");
    file["model"]["fuse_unk"] = json!(true);
    file["model"]["byte_fallback"] = json!(true);
    file
}

/// Like BERT, with few pieces.
pub fn word_piece() -> Value {
    let vocab = [
        "[PAD]", "[UNK]", "[SEP]", "a", "##a", "b", "##b", "test", "##s", "1", "/", "2", ",", "'",
        "s",
    ];
    let vocab: BTreeMap<&str, usize> = vocab.into_iter().zip(0..).collect();
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added(&["[PAD]", "[UNK]", "[SEP]"]),
        "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
            "strip_accents": null, "lowercase": true},
        "pre_tokenizer": {"type": "BertPreTokenizer"}, "post_processor": null,
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": vocab},
    })
}
