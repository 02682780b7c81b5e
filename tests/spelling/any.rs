//! What holds for every item, whatever the tokenizer spells.

use chefgenius::spelling::Alphabet;
use chefgenius::text::quantities;
use proptest::prelude::*;

use super::{respell, tokenizers};
use crate::common::cases;

/// Items of what tokenizers tend not to have, beside numbers, markup and words.
fn item() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[0-9]{1,3}",
        "[a-zA-Z ]{1,5}",
        "\\PC{1,3}",
        prop::sample::select(vec![
            "½",
            "¾",
            "⅟",
            "²",
            "³",
            "①",
            "₂",
            "⁄",
            "/",
            "\\",
            "÷",
            ".",
            ",",
            "·",
            "․",
            "，",
            "－",
            "~",
            "≈",
            "<",
            ">",
            "{",
            "}",
            "^",
            "`",
            "´",
            "¨",
            "º",
            "°",
            "¡",
            "¿",
            "§",
            "ñ",
            "ø",
            "ǆ",
            "ﬁ",
            "㎏",
            "㍑",
            "％",
            "（",
            "：",
            "＆",
            "｜",
            "＜",
            "＞",
            "；",
            "&",
            "&amp;",
            "amp;",
            "#189;",
            "汉",
            "я",
            "ع",
            "❤",
            "✓",
            "‰",
            "∶",
            "⁓",
            "μ",
            "🔟",
            "٢",
            "❤\u{fe0f}",
            "1\u{fe0f}\u{20e3}",
            "\u{301}",
            "\u{338}",
            "…",
            "•",
            "directions:",
            "ｄirections:",
            "ⓣitle:",
            "|",
            " ",
            "  ",
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..10).prop_map(|pieces| pieces.concat())
}

fn digit_runs(text: &str) -> Vec<&str> {
    let runs = text.split(|char: char| !char.is_ascii_digit());
    runs.filter(|run| !run.is_empty()).collect()
}

fn is_subsequence(part: &[&str], whole: &[&str]) -> bool {
    let mut whole = whole.iter();
    part.iter().all(|wanted| whole.any(|given| given == wanted))
}

#[test]
fn a_respelt_item_comes_back() {
    let tokenizers = tokenizers(&["t5", "gpt2", "mistral"]);
    for (name, tokenizer) in &tokenizers {
        let alphabet = Alphabet::of(&**tokenizer).unwrap();
        let mut encoder = tokenizer.encoder().unwrap();
        let mut runner = proptest::test_runner::TestRunner::new(cases(256));
        let spelling = std::cell::RefCell::new(alphabet.spelling());
        let encoder = std::cell::RefCell::new(&mut encoder);
        let checked = runner.run(&item(), |item| {
            let mut spelling = spelling.borrow_mut();
            let before = chefgenius::text::normalise(&item);
            let respelt = respell(&item, &mut *spelling);
            prop_assert_eq!(respell(&respelt, &mut *spelling), respelt.clone());
            prop_assert!(!respelt.contains('|'));
            // No number is lost, and none grows together with another.
            prop_assert!(
                is_subsequence(&digit_runs(&before), &digit_runs(&respelt)),
                "{} -> {}",
                before,
                respelt
            );
            let fractions = |text: &str| {
                quantities(text)
                    .filter(|number| number.contains('/'))
                    .count()
            };
            prop_assert!(
                fractions(&before) >= fractions(&respelt),
                "{} -> {}",
                before,
                respelt
            );

            // Without the letters that nothing spells, all of it comes back.
            let mut alone = alphabet.spelling();
            respell(&respelt, &mut alone);
            let unspelt = alone.finish().unwrap().unspelt;
            let spelt: String = respelt
                .chars()
                .filter(|char| !unspelt.contains_key(char))
                .collect();
            let mut ids = Vec::new();
            encoder.borrow_mut().encode(&spelt, &mut ids).unwrap();
            let decoded = tokenizer.decode(&ids).unwrap();
            prop_assert!(
                decoded.split_whitespace().eq(spelt.split_whitespace()),
                "{} -> {} -> {}",
                item,
                spelt,
                decoded
            );
            Ok(())
        });
        checked.unwrap_or_else(|failure| panic!("{name}: {failure}"));
    }
}
