//! Recipes and their quantities survive the tokenizers.

use chefgenius::ingest::{Names, detect, records};
use chefgenius::recipe::{Content, Recipe};
use chefgenius::spelling::{Alphabet, SpellingCounts};
use chefgenius::text::{Template, quantities, read_back};
use chefgenius::tokenize::Tokenizer;

use super::{bundled, shared, tokenizers};

/// Records and quantities, each with how many came back.
#[derive(Debug, Default, PartialEq, Eq)]
struct Figures {
    records: [u32; 2],
    quantities: [u32; 2],
}

/// Renders, encodes and decodes.
fn fidelity<'a>(
    tokenizer: &dyn Tokenizer,
    contents: impl Iterator<Item = &'a Content>,
) -> (Figures, SpellingCounts) {
    let alphabet = Alphabet::of(tokenizer).unwrap();
    let mut spelling = alphabet.spelling();
    let mut encoder = tokenizer.encoder().unwrap();
    let template = Template::default();
    let mut figures = Figures::default();
    for content in contents {
        let text = template.render(content, &mut spelling);
        let mut ids = Vec::new();
        encoder.encode(&text.target, &mut ids).unwrap();
        let back = read_back(&text.target, &tokenizer.decode(&ids).unwrap());
        assert_eq!(back.quantities, quantities(&text.target).count() as u32);
        for (counts, more) in [
            (&mut figures.records, [1, u32::from(back.same)]),
            (
                &mut figures.quantities,
                [back.quantities, back.quantities_same],
            ),
        ] {
            counts[0] += more[0];
            counts[1] += more[1];
        }
    }
    (figures, spelling.finish().unwrap())
}

fn contents(name: &str) -> Option<Vec<Content>> {
    let source = detect(&shared()?.join(name)).unwrap();
    let mut contents = Vec::new();
    records(&source, &Names::default(), &mut |(_, record)| {
        contents.push(record.unwrap().content);
        Ok(())
    })
    .unwrap();
    Some(contents)
}

/// All of them where the long suite runs, else one in `stride`.
fn slice(contents: &[Content], stride: usize) -> impl Iterator<Item = &Content> {
    let is_long = std::env::var_os("PROPTEST_CASES").is_some();
    contents.iter().step_by(if is_long { 1 } else { stride })
}

#[test]
fn no_record_and_no_quantity_is_lost() {
    let Some(contents) = contents("english_21k.jsonl.xz") else {
        return;
    };
    for (name, tokenizer) in tokenizers(&["t5", "gpt2", "mistral"]) {
        let (figures, counts) = fidelity(&*tokenizer, slice(&contents, 40));
        println!("{name}: {figures:?}");
        let [records, same] = figures.records;
        assert!(records > 500 && same == records, "{name}: {figures:?}");
        let [quantities, same] = figures.quantities;
        assert!(
            quantities > 9_000 && same == quantities,
            "{name}: {figures:?}"
        );
        assert_eq!(counts.unspelt.len(), 0, "{name}: {counts:?}");
    }
}

#[test]
fn what_a_tokenizer_tears_apart_is_seen() {
    // BERT keeps no space: `1/2` comes back as `1 / 2`.
    let Some(contents) = contents("english_21k.jsonl.xz") else {
        return;
    };
    let bert = tokenizers(&["bert"]).pop().unwrap().1;
    let (figures, _) = fidelity(&*bert, slice(&contents, 100));
    println!("bert: {figures:?}");
    let [quantities, same] = figures.quantities;
    assert!(figures.records[1] * 10 < figures.records[0], "{figures:?}");
    assert!(same < quantities && same * 2 > quantities, "{figures:?}");
}

const VULGAR: [(char, [u32; 2]); 20] = [
    ('¼', [1, 4]),
    ('½', [1, 2]),
    ('¾', [3, 4]),
    ('⅐', [1, 7]),
    ('⅑', [1, 9]),
    ('⅒', [1, 10]),
    ('⅓', [1, 3]),
    ('⅔', [2, 3]),
    ('⅕', [1, 5]),
    ('⅖', [2, 5]),
    ('⅗', [3, 5]),
    ('⅘', [4, 5]),
    ('⅙', [1, 6]),
    ('⅚', [5, 6]),
    ('⅛', [1, 8]),
    ('⅜', [3, 8]),
    ('⅝', [5, 8]),
    ('⅞', [7, 8]),
    ('↉', [0, 3]),
    ('⅟', [1, 2]), // A 2 is written after it.
];

/// The value of a quantity, as numerator and denominator.
fn value(quantity: &str) -> [u32; 2] {
    let (whole, fraction) = quantity.split_once(' ').unwrap_or(("0", quantity));
    let (numerator, denominator) = fraction.split_once('/').unwrap_or((fraction, "1"));
    let [whole, numerator, denominator] =
        [whole, numerator, denominator].map(|n| n.parse().unwrap());
    [whole * denominator + numerator, denominator]
}

#[test]
fn every_vulgar_fraction_keeps_its_value() {
    let mut tokenizers = tokenizers(&["t5", "gpt2", "mistral"]);
    tokenizers.push(("bundled again", bundled()));
    let slash = |[a, b]: [u32; 2]| {
        [
            format!("{a}\u{2044}{b}"),
            format!("{a}\u{2215}{b}"),
            format!("&frac{a}{b};"),
        ]
    };
    let mut items = Vec::new();
    for (char, fraction) in VULGAR {
        let mut spellings = vec![if char == '⅟' {
            "⅟2".to_owned()
        } else {
            char.to_string()
        }];
        if fraction[0] > 0 && fraction[1] < 9 {
            spellings.extend(slash(fraction));
            if fraction[1] == 7 {
                spellings.pop();
            }
        }
        for spelling in spellings {
            for before in ["", "1", "1 ", "12\u{a0}", "3\u{2009}"] {
                for after in [
                    " cups flour",
                    "-inch",
                    "\"",
                    "–¾ cup",
                    " x 400g",
                    "°F",
                    "l",
                    "",
                ] {
                    let whole: u32 = before.trim().parse().unwrap_or(0);
                    let numerator = whole * fraction[1] + fraction[0];
                    // `123⁄4` may be 12 3/4 or 123 quarters: a whole number stands apart there.
                    if spelling.contains(['\u{2044}', '\u{2215}'])
                        && before.ends_with(|last: char| last.is_ascii_digit())
                    {
                        continue;
                    }
                    items.push((
                        format!("{before}{spelling}{after}"),
                        [numerator, fraction[1]],
                    ));
                }
            }
        }
    }
    assert!(items.len() > 1_500, "{}", items.len());
    let dish = Content::Recipe(Recipe {
        title: "x".into(),
        ingredients: items.iter().map(|(item, _)| item.clone()).collect(),
        directions: vec!["Mix.".into()],
    });
    for (name, tokenizer) in tokenizers {
        let alphabet = Alphabet::of(&*tokenizer).unwrap();
        let text = Template::default().render(&dish, &mut alphabet.spelling());
        let mut ids = Vec::new();
        tokenizer
            .encoder()
            .unwrap()
            .encode(&text.target, &mut ids)
            .unwrap();
        let decoded = tokenizer.decode(&ids).unwrap();
        let read = chefgenius::text::parse_recipe(&decoded).unwrap();
        assert_eq!(read.ingredients.len(), items.len(), "{name}");
        for (read, (item, wanted)) in read.ingredients.iter().zip(&items) {
            let first = quantities(read).next().unwrap();
            assert_eq!(
                value(first),
                *wanted,
                "{name}: {item:?} came back as {read:?}"
            );
        }
    }
}
