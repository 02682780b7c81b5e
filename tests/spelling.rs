//! Characters that a tokenizer does not spell, and what is left of a recipe once it had it.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use chefgenius::spelling::{Alphabet, SpellingCounts};
use chefgenius::text::{Spell, normalise};
use chefgenius::tokenize::{Tokenizer, load};
use common::shared;

mod common;
#[path = "spelling/any.rs"]
mod any;
#[path = "spelling/fidelity.rs"]
mod fidelity;

fn bundled() -> Box<dyn Tokenizer> {
    load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("python/chefgenius/cookbook")).unwrap()
}

/// The bundled tokenizer, and the real ones of these names where they are at hand.
fn tokenizers(names: &[&'static str]) -> Vec<(&'static str, Box<dyn Tokenizer>)> {
    let mut all = vec![("bundled", bundled())];
    if let Some(data) = shared() {
        all.extend(
            names
                .iter()
                .map(|name| (*name, load(&data.join("tokenizers").join(name)).unwrap())),
        );
    }
    all
}

/// An item as `Template::render` would have it.
fn respell(item: &str, spell: &mut dyn Spell) -> String {
    let mut text = normalise(item).into_owned();
    loop {
        let respelt = spell.spell(&text).into_owned();
        if respelt == text {
            return text;
        }
        text = normalise(&respelt).into_owned();
    }
}

fn assert_respelt(tokenizer: &dyn Tokenizer, cases: &[(&str, &str)]) {
    let alphabet = Alphabet::of(tokenizer).unwrap();
    let mut spelling = alphabet.spelling();
    for (given, wanted) in cases {
        assert_eq!(respell(given, &mut spelling), *wanted, "given {given:?}");
    }
    spelling.finish().unwrap();
}

#[test]
fn t5_has_no_enye_no_brackets_and_no_ordinal() {
    let Some(data) = shared() else { return };
    let t5 = load(&data.join("tokenizers/t5")).unwrap();
    assert_respelt(
        &*t5,
        &[
            ("jalapeño, açaí, naïve", "jalapeno, açai, naive"),
            ("Bake at 350º F or 180 º", "Bake at 350° F or 180 °"),
            ("350˚F, 350¡F, 177℃", "350°F, 350°F, 177°C"),
            ("~2 cups", "about 2 cups"),
            ("use ~ 2 cups (~500 g)", "use about 2 cups (about 500 g)"),
            ("2~3 cups", "2-3 cups"),
            ("salt ~ to taste", "salt - to taste"),
            ("cook < 5 minutes", "cook less than 5 minutes"),
            ("a < b", "a ( b"),
            ("{optional} [2]", "(optional) [2]"),
            ("and\\or", "and/or"),
            ("1\\2 cup", "1 / 2 cup"),
            ("1÷2", "1 / 2"),
            (
                "10^2, 5^2 and 350^F",
                "10 to the power of 2, 5 to the power of 2 and 350 F",
            ),
            (
                "2∶1, 1⧸2, 3⁓4, 5‰, 5 ∓ 1",
                "2:1, 1/2, 3-4, 5 per thousand, 5 +/- 1",
            ),
            (
                "🔟 eggs, 1️⃣ Mix, ⓷ Fry, ⑩, ⓫",
                "10 eggs, 1 Mix, 3 Fry, 10, 11",
            ),
            ("5μg, 5 μm, 5 µl", "5ug, 5 um, 5 ul"),
            ("1✓1/2 cups, 1 ✓ 2, 1✓✓.5", "1, 1/2 cups, 1, 2, 1, .5"),
            ("٢ كوب १/२", "2 كوب 1/2"),
            ("10² and 5 cm² of H₂O", "10 (2) and 5 cm2 of H2O"),
            ("① Mix. 1①2 ❷", "1 Mix. 1 (1) 2 2"),
            ("йод, ё", "йод, ё"),
            ("9×13 pan, 2 × 400g", "9x13 pan, 2 x 400g"),
            ("9´ by 13‟", "9' by 13\""),
            ("1‐2, 1‑2, 1−2", "1-2, 1-2, 1-2"),
            ("ﬂour and ﬁgs…", "flour and figs..."),
            ("smørrebrød, œuf, Þór, ı, đ", "smorrebrod, oeuf, Thór, i, d"),
            ("phở, Dvořák, Łódź", "pho, Dvorák, Lódz"),
            ("hot❤soup ❤ and rice❤", "hot soup and rice"),
            ("salt ＆ pepper｜rice", "salt and pepper/rice"),
            ("½ ⅔ ⅛", "1/2 2/3 1/8"),
            ("¿Que?", "Que?"),
        ],
    );
}

#[test]
fn the_bundled_one_has_ascii_alone() {
    assert_respelt(
        &*bundled(),
        &[
            ("jalapeño at 350°F", "jalapeno at 350 degrees F"),
            ("“a” – ‘b’ — «c»", "\"a\" - 'b' - \"c\""),
            ("~2 {a} <3 \\ ^ `", "~2 {a} <3 \\ ^ `"),
            ("Pam™, Crock-Pot® and 1®2", "Pam, Crock-Pot and 1, 2"),
            ("2·5 l, a·b", "2.5 l, a-b"),
            ("1\u{20e3}2\u{20e3} k\u{308}", "1, 2 k"),
            ("€5, 10¢, £3", "EUR 5, 10 cents, GBP 3"),
            ("&0； &ｘ30; &ｆrac12 cup", "& 0; & x30; & frac12 cup"),
            ("caf&eacute； au lait", "cafe au lait"),
        ],
    );
}

#[test]
fn byte_level_ones_need_no_respelling() {
    let Some(data) = shared() else { return };
    for name in ["gpt2", "mistral"] {
        let tokenizer = load(&data.join("tokenizers").join(name)).unwrap();
        let text = "jalapeño º ~2 { } < \\ ^ ` ❤ 汉字 я ع ① ™";
        assert_respelt(&*tokenizer, &[(text, text)]);
    }
}

#[test]
fn letters_of_other_scripts_stay_and_are_named() {
    let tokenizer = bundled();
    let alphabet = Alphabet::of(&*tokenizer).unwrap();
    let mut spelling = alphabet.spelling();
    assert_eq!(
        respell("汉堡 ñ 汉 ★ ٣ борщ ✓", &mut spelling),
        "汉堡 n 汉 * 3 борщ"
    );
    let counts = spelling.finish().unwrap();
    let named: Vec<(char, u64)> = counts.unspelt.clone().into_iter().collect();
    assert_eq!(
        named,
        [('б', 1), ('о', 1), ('р', 1), ('щ', 1), ('堡', 1), ('汉', 2)]
    );
    assert_eq!(counts.dropped.into_iter().collect::<Vec<_>>(), [('✓', 1)]);
    assert_eq!(counts.respelt[&'ñ']["n"], 1);
    assert_eq!(counts.respelt[&'★']["*"], 1);
    assert_eq!(counts.respelt.len(), 2);
}

#[test]
fn counts_of_threads_add_up() {
    let tokenizer = bundled();
    let alphabet = Alphabet::of(&*tokenizer).unwrap();
    let items = ["ñ ñ 350° ✓", "ñ 汉 ° 5°", "rice"];
    let mut alone = alphabet.spelling();
    let mut sum = SpellingCounts::default();
    for item in items {
        alone.spell(item);
        let mut spelling = alphabet.spelling();
        spelling.spell(item);
        sum.add(&spelling.finish().unwrap());
    }
    // 汉 stands in an item that changes: it is counted when that comes again.
    assert!(sum.unspelt.is_empty());
    assert_eq!(sum.respelt[&'ñ']["n"], 3);
    assert_eq!(sum, alone.finish().unwrap());
    let json = serde_json::to_string(&sum).unwrap();
    assert_eq!(serde_json::from_str::<SpellingCounts>(&json).unwrap(), sum);
}
