//! The name of an ingredient out of its line.

use super::normalise;

/// What the line is about, in lower case: `1 1/2 cups flour, sifted` -> `flour`.
///
/// Dropped are quantity and unit at the beginning (with what joins and shades them: `of`, `to`, `about`,
/// `heaping`), parentheses, and everything after the first comma or ` or `. A unit that nothing follows
/// is the name (`2 cloves`). Empty for a sub-heading (`For the sauce:`) and where nothing is left.
#[must_use]
pub fn ingredient_name(line: &str) -> String {
    let line = normalise(line).to_lowercase();
    if line.ends_with(':') {
        return String::new();
    }
    let line = without_parentheses(&line);
    let words: Vec<&str> = line.split_whitespace().collect();
    let name = words[amount_length(&words)..].join(" ");
    let name = name.split(',').next().unwrap_or_default();
    let name = name.split(" or ").next().unwrap_or_default();
    name.trim_matches(|char: char| !char.is_alphanumeric())
        .to_owned()
}

/// Adds the names of the ingredients, each once, separated by commas.
pub(super) fn write_names<S: AsRef<str>>(lines: &[S], text: &mut String) {
    let mut names: Vec<String> = Vec::with_capacity(lines.len());
    for line in lines {
        let name = ingredient_name(line.as_ref());
        if !name.is_empty() && !names.contains(&name) {
            names.push(name);
        }
    }
    text.push_str(&names.join(", "));
}

/// `line` without what stands in parentheses; one that never closes reaches to the end.
fn without_parentheses(line: &str) -> String {
    let mut depth = 0_usize;
    let mut kept = String::with_capacity(line.len());
    for char in line.chars() {
        match char {
            '(' => depth += 1,
            ')' => {
                depth = depth.saturating_sub(1);
                kept.push(' ');
            }
            _ if depth == 0 => kept.push(char),
            _ => {}
        }
    }
    // `eggs (large), beaten` leaves a space before the comma.
    kept.replace(" ,", ",")
}

/// How many of the first words tell the amount.
fn amount_length(words: &[&str]) -> usize {
    let mut at = 0;
    let mut has_quantity = false;
    while let Some(word) = words.get(at).copied() {
        let next = words.get(at + 1).copied();
        let is_amount_next = next.is_some_and(|next| is_quantity(next) || is_unit(next));
        let is_part = match bare(word) {
            _ if is_quantity(word) => {
                has_quantity = true;
                true
            }
            "" => at == 0 || is_amount_next,
            "a" | "an" => {
                has_quantity = true;
                next.is_some()
            }
            "of" => at > 0,
            "to" | "or" | "and" | "plus" | "x" | "×" | "&" if at > 0 => {
                next.is_some_and(is_quantity)
            }
            _ if SHADES.binary_search(&bare(word)).is_ok() => {
                is_amount_next || matches!(next, Some("a" | "an"))
            }
            _ if is_unit(word) => {
                let has_name = next.is_some_and(|next| {
                    next != "or" || words.get(at + 2).copied().is_some_and(is_quantity)
                });
                let is_measured =
                    has_quantity || next == Some("of") || PINCHES.contains(&bare(word));
                has_name && is_measured && !word.ends_with(',')
            }
            _ => false,
        };
        if !is_part {
            break;
        }
        at += 1;
    }
    at
}

/// A word without the marks around it that no number or unit needs.
fn bare(word: &str) -> &str {
    word.trim_start_matches(['~', '*', '•', '-', '–', '+', '≈'])
        .trim_end_matches(['.', ',', '-', '–'])
}

/// A number in digits (`2`, `1/2`, `5-6`, `1.5`, `2%`), one with its unit (`400g`, `15-oz.`), or in words.
fn is_quantity(word: &str) -> bool {
    let word = bare(word);
    let tail =
        word.trim_start_matches(|char: char| char.is_ascii_digit() || "/.,-–x×%".contains(char));
    if word.starts_with(|first: char| first.is_ascii_digit()) {
        return tail.is_empty() || UNITS.binary_search(&tail).is_ok();
    }
    NUMBERS.binary_search(&word).is_ok()
}

fn is_unit(word: &str) -> bool {
    UNITS.binary_search(&bare(word)).is_ok()
}

#[rustfmt::skip]
const NUMBERS: &[&str] = &[
    "couple", "dozen", "eight", "eleven", "few", "five", "four", "half", "nine", "one", "quarter",
    "seven", "several", "six", "ten", "third", "three", "twelve", "two",
];

/// Words that stand before an amount or between number and unit and change neither.
#[rustfmt::skip]
const SHADES: &[&str] = &[
    "about", "approx", "approximately", "around", "big", "ca", "each", "generous", "good", "heaped",
    "heaping", "large", "level", "medium", "roughly", "rounded", "scant", "small", "the", "whole",
];

/// Units that need no number before them.
const PINCHES: &[&str] = &[
    "dash", "drizzle", "handful", "knob", "pinch", "splash", "sprinkle",
];

#[rustfmt::skip]
const UNITS: &[&str] = &[
    "bag", "bags", "bottle", "bottles", "box", "boxes", "bulb", "bulbs", "bunch", "bunches", "c",
    "can", "cans", "carton", "cartons", "centimeter", "centimeters", "cl", "clove", "cloves", "cm",
    "container", "containers", "cup", "cupful", "cupfuls", "cups", "dash", "dashes", "deciliter",
    "deciliters", "dl", "drizzle", "drop", "drops", "ear", "ears", "envelope", "envelopes", "fl",
    "fluid", "g", "gallon", "gallons", "glass", "glasses", "gm", "gr", "gram", "gramme", "grammes",
    "grams", "handful", "handfuls", "head", "heads", "in", "inch", "inches", "jar", "jars", "kg",
    "kilo", "kilogram", "kilograms", "kilos", "knob", "l", "lb", "lbs", "leaf", "leaves", "liter",
    "liters", "litre", "litres", "loaf", "loaves", "mg", "milliliter", "milliliters", "millilitre",
    "millilitres", "ml", "ounce", "ounces", "oz", "ozs", "pack", "package", "packages", "packet",
    "packets", "packs", "part", "parts", "piece", "pieces", "pinch", "pinches", "pint", "pints",
    "pkg", "pkgs", "pound", "pounds", "pt", "qt", "qts", "quart", "quarts", "rib", "ribs",
    "salt-spoonful", "sheet", "sheets", "slice", "slices", "splash", "sprig", "sprigs", "sprinkle",
    "stalk", "stalks", "stick", "sticks", "strip", "strips", "t", "table-spoonful",
    "table-spoonfuls", "tablespoon", "tablespoonful", "tablespoonfuls", "tablespoons", "tb", "tbl",
    "tbs", "tbsp", "tbsps", "tea-spoonful", "tea-spoonfuls", "teaspoon", "teaspoonful",
    "teaspoonfuls", "teaspoons", "tin", "tins", "tsp", "tsps", "wedge", "wedges",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn word_lists_are_sorted() {
        for list in [NUMBERS, SHADES, PINCHES, UNITS] {
            assert!(list.is_sorted());
        }
        assert!(PINCHES.iter().all(|pinch| UNITS.contains(pinch)));
    }
}
