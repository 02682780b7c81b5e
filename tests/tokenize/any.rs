//! Strings that were thought up to break the memo.

use proptest::prelude::*;

use super::made::{Both, byte_level, metaspace_bpe, unigram, word_piece};
use super::{bundled, shared};

/// What strings are made of: twelve plain words, everything that reaches over its edges, and all kinds of white space.
const PARTS: [&str; 102] = [
    "a",
    "ab",
    "test",
    "tests",
    "1",
    "1/2",
    "cups",
    "flour,",
    "don't",
    "it's",
    "(8-inch)",
    "|",
    "'s",
    "xyz",
    "xy",
    "é",
    "e\u{301}",
    "\u{301}",
    "\u{300}\u{301}",
    "\u{200B}",
    "\u{200C}",
    "\u{200D}",
    "\u{2060}",
    "\u{FEFF}",
    "\u{AD}",
    "\u{600}",
    "\u{6DD}",
    "\u{110BD}",
    "\u{903}",
    "\u{94D}",
    "\u{915}\u{94D}",
    "\u{1100}",
    "\u{1161}",
    "\u{AC00}",
    "\u{1F1E9}",
    "\u{1F1EA}",
    "\u{1F468}\u{200D}\u{1F469}",
    "\u{FE0F}",
    "\u{2764}\u{FE0F}",
    "½",
    "¼",
    "⁄",
    "°",
    "–",
    "—",
    "’",
    "“",
    "…",
    "ﬁ",
    "Å",
    "ß",
    "İ",
    "Σ",
    "ς",
    "中文",
    "。",
    "\u{1F355}",
    "김치",
    "すし",
    "שלום",
    "خبز",
    "ส้มตำ",
    "ａ",
    "０",
    "\u{3000}",
    "\u{A0}",
    "\u{2009}",
    "\u{202F}",
    "\u{2028}",
    "\u{2029}",
    "\u{85}",
    "\u{1680}",
    "\u{180E}",
    "\0",
    "\u{1}",
    "\u{8}",
    "\u{B}",
    "\u{C}",
    "\u{1C}",
    "\u{1F}",
    "\u{7F}",
    "\u{80}",
    "\u{81}",
    "\u{FFFD}",
    "\u{FFFF}",
    "\u{10FFFF}",
    "\u{2581}",
    "\u{2581}a",
    "a\u{2581}",
    "<extra_id_0>",
    "<extra_",
    "id_0>",
    "</s>",
    "</",
    "s>",
    "<unk>",
    "<|endoftext|>",
    "[SEP]",
    "[UNK]",
    "<0x0A>",
    "Ġ",
    "averyveryverylongwordthatnotableholds",
];
const SEPARATORS: [&str; 7] = ["", "  ", "\n", "\t", "\r", "\r\n", " \n "];

fn text() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        4 => prop::sample::select(&PARTS[..12]),
        1 => prop::sample::select(&PARTS[..]),
    ];
    let separator = || {
        prop_oneof![
            30 => Just(" "),
            1 => prop::sample::select(&SEPARATORS[..]),
        ]
    };
    let edges = prop_oneof![
        6 => Just(["", ""]),
        1 => [separator(), separator()],
    ];
    let steps = prop::collection::vec((separator(), part), 1..12);
    (edges, steps).prop_map(|([first, last], steps)| {
        let mut text = String::new();
        for (separator, part) in steps {
            text.push_str(if text.is_empty() { first } else { separator });
            text.push_str(part);
        }
        text + last
    })
}

/// The bundled one, the made ones, and the real ones where they are at hand.
fn all() -> Vec<Both> {
    let made = [unigram(), byte_level(), metaspace_bpe(), word_piece()];
    let mut all: Vec<Both> = made.iter().map(Both::of).collect();
    all.push(Both::load(&bundled()));
    if let Some(data) = shared() {
        for name in ["t5", "gpt2", "mistral", "bert"] {
            all.push(Both::load(
                &data.join("tokenizers").join(name).join("tokenizer.json"),
            ));
        }
    }
    all
}

#[test]
fn no_string_gets_other_ids_than_the_librarys() {
    let all = all();
    for both in &all {
        assert_eq!(both.ours.method(), "word memo");
        // One encoder for all strings: what it learned from one must hold in the next.
        let encoder = std::cell::RefCell::new(both.ours.encoder().unwrap());
        let mut runner = proptest::test_runner::TestRunner::new(crate::common::cases(200));
        let result = runner.run(&text(), |text| {
            both.check(encoder.borrow_mut().as_mut(), &text);
            Ok(())
        });
        result.unwrap();
        let counts = encoder.borrow().counts();
        assert!(
            counts.hits > 0 && counts.texts_by_library > 0 && counts.audited > 0,
            "{counts:?}"
        );
        assert!(counts.texts_by_library < counts.texts, "{counts:?}");
        // Words that hold an added token are asked of nobody.
        let made = counts.hits + counts.own + counts.words_by_library;
        assert!(
            made <= counts.words && made * 2 > counts.words,
            "{counts:?}"
        );
    }
}

#[test]
fn every_part_between_words_and_at_the_edges() {
    for both in &all() {
        let mut encoder = both.ours.encoder().unwrap();
        for part in PARTS {
            for text in [
                part.to_owned(),
                format!("a {part}"),
                format!("{part} a"),
                format!("a {part} a {part} {part} 1/2"),
                format!("a\n{part}\ta"),
                format!("{part}{part}"),
            ] {
                both.check(encoder.as_mut(), &text);
            }
        }
    }
}

#[test]
fn long_words_and_long_runs() {
    for both in &all()[..5] {
        let mut encoder = both.ours.encoder().unwrap();
        for length in [15, 16, 17, 63, 64, 65, 127, 128, 1023, 1024, 1025, 20_000] {
            for part in ["a", "ab", "é", " ", "\u{2581}", "1/2"] {
                let long = part.repeat(length);
                both.check(encoder.as_mut(), &long);
                both.check(encoder.as_mut(), &format!("test {long} test"));
            }
        }
    }
    let both = Both::of(&unigram());
    let mut encoder = both.ours.encoder().unwrap();
    both.check(encoder.as_mut(), &format!("a {} b", "best".repeat(1 << 18)));
    assert_eq!(encoder.counts().texts_by_library, 1);
}

#[test]
fn plain_text_is_said_to_read_back() {
    let both = Both::of(&unigram());
    let mut encoder = both.ours.encoder().unwrap();
    for (text, exact) in [
        ("a test, 1/2 best", true),
        ("é", true),
        ("a  test", false),
        ("a\ntest", false),
        (" a", false),
        ("a ", false),
        ("a zest", false),
        ("", false),
    ] {
        // Twice: from what was learned, and from what was remembered.
        for _ in 0..2 {
            let said = both.check(encoder.as_mut(), text);
            assert_eq!(said == Some(true), exact, "{text:?}");
        }
    }
    let both = Both::of(&word_piece());
    let mut encoder = both.ours.encoder().unwrap();
    assert_eq!(
        both.check(encoder.as_mut(), "a b"),
        None,
        "its decoder moves spaces"
    );
    for (file, text) in [
        (byte_level(), "a té st 1/2, 中"),
        (metaspace_bpe(), "a té st 1/2, 中"),
    ] {
        let both = Both::of(&file);
        let mut encoder = both.ours.encoder().unwrap();
        assert_eq!(both.check(encoder.as_mut(), text), Some(true));
        assert_eq!(both.check(encoder.as_mut(), text), Some(true));
    }
}
