//! The name of an ingredient out of its line.

use std::borrow::Cow;

use super::normalise;

/// What the line is about, in lower case: `1 1/2 cups flour, sifted` -> `flour`.
///
/// Dropped are quantity and unit at the beginning (with what joins and shades them: `of`, `to`, `about`,
/// `heaping`), parentheses, and everything after the first comma or ` or `. A unit that nothing follows
/// is the name (`2 cloves`). Empty for a sub-heading (`For the sauce:`) and where nothing is left.
#[must_use]
pub fn ingredient_name(line: &str) -> String {
    let mut line = normalise(line).to_lowercase();
    let name = name_in(&mut line);
    name.to_owned()
}

/// Adds the names of clean ingredients, each once, separated by commas.
pub(super) fn write_names(lines: &[Cow<str>], text: &mut String) {
    let mut lines: Vec<String> = lines.iter().map(|line| line.to_lowercase()).collect();
    let mut names: Vec<&str> = Vec::with_capacity(lines.len());
    for line in &mut lines {
        let name = name_in(line);
        if !name.is_empty() && !names.contains(&name) {
            if !names.is_empty() {
                text.push_str(", ");
            }
            text.push_str(name);
            names.push(name);
        }
    }
}

/// Whether a normalised line in lower case tells an amount: it begins with one or has a digit.
pub(super) fn is_measured(line: &str) -> bool {
    after_amount(line).len() < line.len() || line.bytes().any(|byte| byte.is_ascii_digit())
}

/// The name in a normalised line in lower case, which loses its parentheses.
fn name_in(line: &mut String) -> &str {
    if line.ends_with(':') {
        return "";
    }
    let bytes = line.as_bytes();
    if memchr::memchr2(b'(', b')', bytes).is_some() || bytes.windows(2).any(|two| two == b" ,") {
        *line = without_parentheses(line);
    }
    let name = after_amount(line);
    let name = &name[..memchr::memchr(b',', name.as_bytes()).unwrap_or(name.len())];
    let or = name.as_bytes().windows(4).position(|four| four == b" or ");
    let name = &name[..or.unwrap_or(name.len())];
    name.trim_matches(|char: char| !char.is_alphanumeric())
}

/// `line` without what stands in parentheses, in single spaces; one that never closes reaches to the end.
fn without_parentheses(line: &str) -> String {
    let mut depth = 0_usize;
    let mut kept = String::with_capacity(line.len());
    for char in line.chars() {
        match char {
            '(' => depth += 1,
            ')' => {
                depth = depth.saturating_sub(1);
                push_spaced(' ', &mut kept);
            }
            _ if depth == 0 => push_spaced(char, &mut kept),
            _ => {}
        }
    }
    kept
}

/// Adds a character, with single spaces and none before a comma.
fn push_spaced(char: char, text: &mut String) {
    if matches!(char, ' ' | ',') && text.ends_with(' ') {
        text.pop();
    }
    if char != ' ' || !text.is_empty() {
        text.push(char);
    }
}

/// `line` without the first words, those that tell the amount.
fn after_amount(line: &str) -> &str {
    let mut rest = line;
    let mut has_quantity = false;
    let mut reached = Word::first(line);
    while let Some(word) = reached {
        let next = Word::first(word.after);
        let next_text = next.as_ref().map(|next| next.text);
        let next_kind = next.as_ref().map_or(Kind::Other, |next| next.kind);
        let is_first = rest.len() == line.len();
        let is_part = match (word.kind, word.bare) {
            (Kind::Quantity, _) => {
                has_quantity = true;
                true
            }
            (_, "") => is_first || next_kind.is_amount(),
            (_, "a" | "an") => {
                has_quantity = true;
                next.is_some()
            }
            (_, "of") => !is_first,
            (_, "to" | "or" | "and" | "plus" | "x" | "×" | "&") if !is_first => {
                next_kind == Kind::Quantity
            }
            (Kind::Shade, _) => next_kind.is_amount() || matches!(next_text, Some("a" | "an")),
            (Kind::Unit | Kind::Pinch, _) => {
                let is_measured =
                    has_quantity || next_text == Some("of") || word.kind == Kind::Pinch;
                let has_name = next.as_ref().is_some_and(|next| {
                    let after_or = || Word::first(next.after).map(|word| word.kind);
                    next.text != "or" || after_or() == Some(Kind::Quantity)
                });
                has_name && is_measured && !word.text.ends_with(',')
            }
            _ => false,
        };
        if !is_part {
            break;
        }
        rest = word.after;
        reached = next;
    }
    rest
}

/// A word of a line and what it is.
struct Word<'a> {
    text: &'a str,
    /// Without the marks around it that no number or unit needs.
    bare: &'a str,
    kind: Kind,
    /// What follows it.
    after: &'a str,
}

impl<'a> Word<'a> {
    /// The first word of `text`; `None` where there is none.
    fn first(text: &'a str) -> Option<Self> {
        let end = text.bytes().position(|byte| byte == b' ');
        let (text, after) = end.map_or((text, ""), |end| (&text[..end], &text[end + 1..]));
        let bare = text
            .trim_start_matches(['~', '*', '•', '-', '–', '+', '≈'])
            .trim_end_matches(['.', ',', '-', '–']);
        let kind = if bare.starts_with(|first: char| first.is_ascii_digit()) {
            Kind::of_digits(bare)
        } else {
            Kind::of(bare)
        };
        (!text.is_empty()).then_some(Word {
            text,
            bare,
            kind,
            after,
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A number in digits (`2`, `1/2`, `5-6`, `1.5`, `2%`), one with its unit (`400g`, `15-oz.`), or in words.
    Quantity,
    Unit,
    /// A unit that needs no number before it.
    Pinch,
    /// Stands before an amount or between number and unit and changes neither.
    Shade,
    Other,
}

impl Kind {
    fn is_amount(self) -> bool {
        matches!(self, Kind::Quantity | Kind::Unit | Kind::Pinch)
    }

    /// What a word that begins with a digit is.
    fn of_digits(word: &str) -> Kind {
        let unit = word
            .trim_start_matches(|char: char| char.is_ascii_digit() || "/.,-–x×%".contains(char));
        match Kind::of(unit) {
            Kind::Unit | Kind::Pinch => Kind::Quantity,
            _ if unit.is_empty() => Kind::Quantity,
            _ => Kind::Other,
        }
    }

    /// What a word is that stands in one of the lists.
    fn of(word: &str) -> Kind {
        let mut slot = slot(word.as_bytes());
        while !WORDS[slot].0.is_empty() {
            if WORDS[slot].0 == word {
                return WORDS[slot].1;
            }
            slot = (slot + 1) % SLOTS;
        }
        Kind::Other
    }
}

/// The words of all lists, each in its [`slot`] or the next that is free.
static WORDS: [(&str, Kind); SLOTS] = {
    let lists = [
        (NUMBERS, Kind::Quantity),
        (UNITS, Kind::Unit),
        (PINCHES, Kind::Pinch),
        (SHADES, Kind::Shade),
    ];
    let mut words = [("", Kind::Other); SLOTS];
    let mut list = 0;
    while list < lists.len() {
        let mut place = 0;
        while place < lists[list].0.len() {
            let word = lists[list].0[place];
            let mut slot = slot(word.as_bytes());
            while !words[slot].0.is_empty() {
                slot = (slot + 1) % SLOTS;
            }
            words[slot] = (word, lists[list].1);
            place += 1;
        }
        list += 1;
    }
    words
};

const SLOTS: usize = 1024;

/// FNV-1a, cut to the table.
const fn slot(word: &[u8]) -> usize {
    let mut hash = 0x811c_9dc5_u32;
    let mut at = 0;
    while at < word.len() {
        hash = (hash ^ word[at] as u32).wrapping_mul(0x0100_0193);
        at += 1;
    }
    (hash ^ (hash >> 15)) as usize % SLOTS
}

#[rustfmt::skip]
const NUMBERS: &[&str] = &[
    "couple", "dozen", "eight", "eleven", "few", "five", "four", "half", "nine", "one", "quarter",
    "seven", "several", "six", "ten", "third", "three", "twelve", "two",
];

#[rustfmt::skip]
const SHADES: &[&str] = &[
    "about", "approx", "approximately", "around", "big", "ca", "each", "generous", "good", "heaped",
    "heaping", "large", "level", "medium", "roughly", "rounded", "scant", "small", "the", "whole",
];

const PINCHES: &[&str] = &[
    "dash", "drizzle", "handful", "knob", "pinch", "splash", "sprinkle",
];

#[rustfmt::skip]
const UNITS: &[&str] = &[
    "bag", "bags", "bottle", "bottles", "box", "boxes", "bulb", "bulbs", "bunch", "bunches", "c",
    "can", "cans", "carton", "cartons", "centimeter", "centimeters", "cl", "clove", "cloves", "cm",
    "container", "containers", "cup", "cupful", "cupfuls", "cups", "dashes", "deciliter",
    "deciliters", "dl", "drop", "drops", "ear", "ears", "envelope", "envelopes", "fl",
    "fluid", "g", "gallon", "gallons", "glass", "glasses", "gm", "gr", "gram", "gramme", "grammes",
    "grams", "handfuls", "head", "heads", "in", "inch", "inches", "jar", "jars", "kg",
    "kilo", "kilogram", "kilograms", "kilos", "l", "lb", "lbs", "leaf", "leaves", "liter",
    "liters", "litre", "litres", "loaf", "loaves", "mg", "milliliter", "milliliters", "millilitre",
    "millilitres", "ml", "ounce", "ounces", "oz", "ozs", "pack", "package", "packages", "packet",
    "packets", "packs", "part", "parts", "piece", "pieces", "pinches", "pint", "pints",
    "pkg", "pkgs", "pound", "pounds", "pt", "qt", "qts", "quart", "quarts", "rib", "ribs",
    "salt-spoonful", "sheet", "sheets", "slice", "slices", "sprig", "sprigs", 
    "stalk", "stalks", "stick", "sticks", "strip", "strips", "t", "table-spoonful",
    "table-spoonfuls", "tablespoon", "tablespoonful", "tablespoonfuls", "tablespoons", "tb", "tbl",
    "tbs", "tbsp", "tbsps", "tea-spoonful", "tea-spoonfuls", "teaspoon", "teaspoonful",
    "teaspoonfuls", "teaspoons", "tin", "tins", "tsp", "tsps", "wedge", "wedges",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_found_and_stands_in_one_list() {
        let lists = [
            (NUMBERS, Kind::Quantity),
            (UNITS, Kind::Unit),
            (PINCHES, Kind::Pinch),
            (SHADES, Kind::Shade),
        ];
        let mut words = 0;
        for (list, kind) in lists {
            assert!(list.is_sorted());
            for word in list {
                assert_eq!(Kind::of(word), kind, "{word}");
                words += 1;
            }
        }
        assert!(words > 150 && words == WORDS.iter().filter(|(word, _)| !word.is_empty()).count());
        assert_eq!(Kind::of("rice"), Kind::Other);
    }
}
