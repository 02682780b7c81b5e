//! An object that is one entry of a list -> its text, with every amount that it tells.

use super::numbers::{holds, numbers};
use super::value::Value;

/// Keys that hold a whole text.
pub(super) const TEXTS: &[&str] = &[
    "text",
    "displaytext",
    "display",
    "original",
    "originalstring",
    "raw",
    "rawtext",
    "string",
    "sentence",
    "step",
    "instruction",
    "direction",
    "description",
    "body",
    "content",
    "details",
];
const AMOUNTS: &[&str] = &[
    "quantity",
    "amount",
    "qty",
    "quantities",
    "value",
    "count",
    "number",
    "measurements",
    "weight",
    "volume",
    "range",
];
/// Amounts whose key is their unit.
const WEIGHTS: [(&str, &str); 9] = [
    ("grams", "g"),
    ("gram", "g"),
    ("g", "g"),
    ("weightgrams", "g"),
    ("kg", "kg"),
    ("ml", "ml"),
    ("milliliters", "ml"),
    ("ounces", "oz"),
    ("oz", "oz"),
];
const LEAST: &[&str] = &[
    "min",
    "from",
    "low",
    "quantitymin",
    "minquantity",
    "amountmin",
];
const MOST: &[&str] = &[
    "max",
    "to",
    "high",
    "quantitymax",
    "maxquantity",
    "amountmax",
];
const UNITS: &[&str] = &["unit", "units", "measure", "measurement", "uom"];
const SIZES: &[&str] = &["size"];
const THINGS: &[&str] = &[
    "name",
    "ingredient",
    "item",
    "food",
    "product",
    "title",
    "label",
];
const NOTES: &[&str] = &[
    "note",
    "notes",
    "comment",
    "comments",
    "preparation",
    "prep",
    "modifier",
    "remark",
];
/// Parts of keys whose numbers are no amounts of the recipe.
const ASIDE: &[&str] = &[
    "index",
    "position",
    "order",
    "sort",
    "rank",
    "url",
    "uri",
    "link",
    "image",
    "photo",
    "calor",
    "kcal",
    "energy",
    "protein",
    "fat",
    "carb",
    "sugar",
    "sodium",
    "fiber",
    "price",
    "cost",
    "nutri",
    "confidence",
    "score",
    "created",
    "updated",
    "date",
    "category",
    "version",
    "code",
    "measures",
    "density",
    "percent",
    "uuid",
    "guid",
    "hash",
];

/// The texts of a step: whole ones, none within another, and its title before them where they do not say it.
/// A bare number of the step is none. Empty where there is no text.
pub(super) fn steps(entries: &[(String, Value)]) -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    for name in TEXTS {
        let Some(text) = text_of(entries, &[name]).filter(|text| !is_ordinal(text)) else {
            continue;
        };
        if texts.iter().any(|other| other.contains(&text)) {
            continue;
        }
        texts.retain(|other| !text.contains(other.as_str()));
        texts.push(text);
    }
    let is_typed = entries.iter().any(|(key, _)| key == "@type");
    let title = text_of(entries, &["title", "heading", "header", "label", "name"]);
    if let (Some(first), Some(title)) = (texts.first_mut(), title) {
        // schema.org's `name` of a step is a label of what its text says.
        let is_told = first.contains(&title)
            || (is_typed && (numbers(&title).is_empty() || holds(first, &title)));
        if !is_told && !is_ordinal(&title) {
            *first = format!("{}: {first}", title.trim_end_matches([':', '：', ' ']));
        }
    }
    texts
}

/// The line of an ingredient: its text, where that tells the amount, else `amount unit size name (other amounts), note`.
/// `None` where it has neither text nor name.
///
/// # Errors
/// What the object is, with the key whose number nobody knows what to do with.
pub(super) fn ingredient(entries: &[(String, Value)]) -> Result<Option<String>, String> {
    let amounts = amounts(entries)?;
    let amount = joined(&amounts);
    let texts: Vec<String> = TEXTS
        .iter()
        .filter_map(|name| text_of(entries, &[name]))
        .collect();
    let of_original = texts.iter().find(|text| !numbers(text).is_empty());
    let note = text_of(entries, NOTES);
    if let Some(text) = of_original.or(texts.first()) {
        let mut line = match &amount {
            Some(amount) if !holds(text, &amounts[0]) => format!("{amount} {text}"),
            _ => text.clone(),
        };
        if numbers(text).is_empty() {
            understood(entries)?;
        }
        if let Some(note) = note.filter(|note| !numbers(note).is_empty() && !holds(&line, note)) {
            line = format!("{line}, {note}");
        }
        return Ok(Some(line));
    }
    let thing = find(entries, THINGS, |value| !value.is_blank()).map(|at| &entries[at].1);
    let thing = match thing {
        Some(Value::Object(inner)) => ingredient(inner)?,
        Some(_) => text_of(entries, THINGS),
        None => None,
    };
    let Some(thing) = thing else {
        return Ok(None);
    };
    understood(entries)?;
    let mut line = match amount {
        Some(amount) => format!("{amount} {thing}"),
        None => thing,
    };
    if let Some(note) = note {
        line = format!("{line}, {note}");
    }
    Ok(Some(line))
}

/// Whether the keys of an object are those of an entry, not the user's own.
pub(super) fn is_entry(entries: &[(String, Value)]) -> bool {
    [TEXTS, AMOUNTS, UNITS, NOTES]
        .iter()
        .any(|names| find(entries, names, |_| true).is_some())
}

/// Whether an object is one ingredient whose parts may be objects: it tells an amount, or holds the ingredient by name.
pub(super) fn is_one(entries: &[(String, Value)]) -> bool {
    let is_named = |value: &Value| matches!(value, Value::Object(inner) if text_of(inner, &["name"]).is_some());
    find(entries, AMOUNTS, |value| !value.is_blank())
        .or_else(|| find(entries, &["ingredient"], is_named))
        .is_some()
}

/// The amounts that an object tells, the first with its unit.
fn amounts(entries: &[(String, Value)]) -> Result<Vec<String>, String> {
    let mut told: Vec<String> = Vec::new();
    let is_said = |value: &Value| !value.is_blank() && !matches!(value, Value::Bool(_));
    let filled = |name: &str| find(entries, &[name], is_said);
    let unknown = |at: usize| {
        format!(
            "an object whose `{}` is not understood: write the whole as one text",
            entries[at].0
        )
    };
    let text_at = |at: usize| amount_text(&entries[at].1).ok_or_else(|| unknown(at));
    let least = find(entries, LEAST, is_said);
    let most = find(entries, MOST, is_said);
    for name in AMOUNTS {
        if let Some(at) = filled(name) {
            told.push(text_at(at)?);
        }
    }
    match (told.first_mut(), least, most) {
        (Some(first), None, Some(most)) => *first = span(first, &text_at(most)?),
        (_, Some(least), Some(most)) => told.insert(0, span(&text_at(least)?, &text_at(most)?)),
        (_, Some(end), None) | (None, None, Some(end)) => told.insert(0, text_at(end)?),
        (_, None, None) => {}
    }
    let mut units = Vec::new();
    for name in UNITS {
        if let Some(at) = filled(name) {
            units.push(text_at(at)?);
        }
    }
    let mut units = units.into_iter();
    if let Some(unit) = units.next() {
        match told.first_mut() {
            Some(first) => *first = format!("{first} {unit}"),
            None => told.push(unit),
        }
    }
    told.extend(units.filter(|unit| !numbers(unit).is_empty()));
    for (name, unit) in WEIGHTS {
        if let Some(at) = filled(name) {
            let weight = text_at(at)?;
            let is_bare = weight.parse::<f64>().is_ok();
            told.push(if is_bare {
                format!("{weight} {unit}")
            } else {
                weight
            });
        }
    }
    if let Some(at) = find(entries, SIZES, is_said) {
        let size = text_at(at)?;
        match told.first_mut() {
            Some(first) if numbers(&size).is_empty() => *first = format!("{first} {size}"),
            _ => told.push(size),
        }
    }
    Ok(told)
}

/// The first amount, and those that say another in parentheses.
fn joined(amounts: &[String]) -> Option<String> {
    let (first, others) = amounts.split_first()?;
    let mut line = first.clone();
    for other in others {
        if !holds(&line, other) {
            line = format!("{line} ({other})");
        }
    }
    Some(line)
}

fn span(least: &str, most: &str) -> String {
    match least == most {
        true => least.to_owned(),
        false => format!("{least}-{most}"),
    }
}

/// An amount as text: `2`, `1-2` of two, `2 cup` of an object. `None` where it is neither.
fn amount_text(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        Value::List(values) => {
            let texts: Option<Vec<String>> = values.iter().map(amount_text).collect();
            match (texts?.as_slice(), values.as_slice()) {
                ([least, most], [Value::Number(_), Value::Number(_)]) => Some(span(least, most)),
                (texts, _) => Some(texts.join(" / ")),
            }
        }
        Value::Object(entries) => {
            let words = || text_of(entries, THINGS).or_else(|| text_of(entries, TEXTS));
            match amounts(entries) {
                Ok(amounts) => joined(&amounts).or_else(words),
                Err(_) => None,
            }
        }
        Value::Null | Value::Bool(_) => None,
    }
}

/// That no key holds a number which is not read.
fn understood(entries: &[(String, Value)]) -> Result<(), String> {
    let known = [TEXTS, AMOUNTS, LEAST, MOST, UNITS, SIZES, THINGS, NOTES].concat();
    for (key, value) in entries {
        let name: String = super::names::folded(key).map(char::from).collect();
        let is_known = known.contains(&name.as_str())
            || WEIGHTS.iter().any(|(weight, _)| *weight == name)
            || is_aside(key, &name);
        if !is_known && holds_number(value) {
            return Err(format!(
                "an object whose `{key}` is not understood: write the whole as one text"
            ));
        }
    }
    Ok(())
}

fn is_aside(key: &str, name: &str) -> bool {
    name == "id"
        || key.starts_with('@')
        || ["_id", "-id", "Id", "ID"]
            .iter()
            .any(|end| key.ends_with(end))
        || ASIDE.iter().any(|part| name.contains(part))
}

fn holds_number(value: &Value) -> bool {
    match value {
        Value::Number(_) => true,
        Value::Text(text) => text.trim_start().starts_with(char::is_numeric),
        Value::List(values) => values.iter().any(holds_number),
        Value::Object(entries) => entries.iter().any(|(key, value)| {
            let name: String = super::names::folded(key).map(char::from).collect();
            !is_aside(key, &name) && holds_number(value)
        }),
        Value::Null | Value::Bool(_) => false,
    }
}

/// `3`, `Step 3`, `3.`: which step it is, not what to do.
fn is_ordinal(text: &str) -> bool {
    let text = text.to_lowercase();
    let text = text.strip_prefix("step").unwrap_or(&text);
    text.trim_matches([' ', '.', ':', '#', ')'])
        .parse::<f64>()
        .is_ok()
}

/// Where the first of `names` stands that has a value which `fits`. Case, `_` and `-` do not count.
pub(super) fn find(
    entries: &[(String, Value)],
    names: &[&str],
    fits: impl Fn(&Value) -> bool,
) -> Option<usize> {
    names.iter().find_map(|name| {
        entries
            .iter()
            .position(|(key, value)| super::names::folded(key).eq(name.bytes()) && fits(value))
    })
}

/// The text under the first of `names` that has one.
pub(super) fn text_of(entries: &[(String, Value)], names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| {
        let at = find(entries, &[name], |value| !value.is_blank())?;
        match &entries[at].1 {
            Value::Text(text) => Some(text.trim().to_owned()),
            Value::Number(number) => Some(number.to_string()),
            Value::Object(inner) => [THINGS, TEXTS, &["@value"]]
                .iter()
                .find_map(|names| text_of(inner, names)),
            _ => None,
        }
    })
}
