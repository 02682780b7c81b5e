//! The value of a list field -> its items, one text each.
//!
//! An entry is text or a number; a list, whose entries join the others; or an object:
//!
//! | object                                | item                                               |
//! |---------------------------------------|----------------------------------------------------|
//! | a group: a name, and a list of items  | `Name:`, then the items                            |
//! | `text`, `display`, `original`, `raw`, ... | that text                                      |
//! | quantity, unit, name, note            | `quantity unit name, note`                         |
//! | any other, as headings and lists      | `Key:`, then the items, key by key                 |
//! | any other, as names and amounts       | `amount name`, key by key                          |

use super::names::Part;
use super::spelling;
use super::value::Value;

/// Items, and how many of them are headings of others.
#[derive(Debug, Default)]
pub(super) struct Items {
    pub(super) texts: Vec<String>,
    pub(super) headings: usize,
}

/// The items of the field `name`, which is this part of a record. Blank ones and nulls are left out.
///
/// # Errors
/// The reason, with the number of the entry, from 1.
pub(super) fn of(value: Value, part: Part, name: &str) -> Result<Items, String> {
    let mut items = Items::default();
    match entries(value, part, name)? {
        Value::List(values) => {
            items.texts.reserve(values.len());
            for (value, number) in values.into_iter().zip(1..) {
                items
                    .push(value, part)
                    .map_err(|what| format!("entry {number} of `{name}` is {what}"))?;
            }
        }
        object @ Value::Object(_) if !object.is_blank() => items
            .push(object, part)
            .map_err(|what| format!("`{name}` is {what}"))?,
        other => return Err(format!("`{name}` is {}, not a list of text", other.kind())),
    }
    Ok(items)
}

/// The value with a list that is spelt as text in place of that text.
pub(super) fn entries(value: Value, part: Part, name: &str) -> Result<Value, String> {
    let spelt = |text: &str| {
        spelling::list(text, part).map_err(|fault| {
            format!(
                "`{name}` looks like a list and is none: at byte {} of it {} is missing: write it as a JSON list",
                fault.byte, fault.wanted
            )
        })
    };
    match value {
        Value::Text(text) => spelt(&text),
        Value::List(values) => match values.as_slice() {
            // Encoded twice.
            [Value::Text(text)] if is_encoded(text) => spelt(text),
            _ => Ok(Value::List(values)),
        },
        other => Ok(other),
    }
}

fn is_encoded(text: &str) -> bool {
    let text = text.trim();
    (text.starts_with("[\"") || text.starts_with("['")) && text.ends_with(']')
}

const LISTS: &[&str] = &[
    "itemlistelement",
    "items",
    "ingredients",
    "ingredient",
    "ingredientlist",
    "steps",
    "step",
    "directions",
    "instructions",
    "list",
    "entries",
    "recipeingredient",
    "recipeinstructions",
];
/// Those of them that may be a list spelt as text.
const SPELT_LISTS: &[&str] = &[
    "items",
    "ingredients",
    "steps",
    "directions",
    "instructions",
];
const HEADINGS: &[&str] = &[
    "name",
    "section",
    "heading",
    "header",
    "group",
    "title",
    "purpose",
    "label",
    "for",
    "component",
];
const TEXTS: &[&str] = &[
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
];
const AMOUNTS: &[&str] = &["quantity", "amount", "qty", "quantities"];
const UNITS: &[&str] = &["unit", "units", "measure", "measurement", "uom"];
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

impl Items {
    /// Whether both are the same items in any order, headings aside.
    pub(super) fn has_all_of(&self, other: &Items) -> bool {
        let sorted = |items: &Items| {
            let mut texts: Vec<String> = items
                .texts
                .iter()
                .map(|text| text.trim().to_owned())
                .collect();
            texts.retain(|text| items.headings == 0 || !text.ends_with(':'));
            texts.sort_unstable();
            texts
        };
        sorted(self) == sorted(other)
    }

    /// Takes an entry in; what it is where it is no item.
    fn push(&mut self, value: Value, part: Part) -> Result<(), String> {
        match value {
            Value::Null => {}
            Value::Text(text) if text.trim().is_empty() => {}
            Value::Text(text) => self.texts.push(text),
            Value::Number(number) => self.texts.push(number.to_string()),
            Value::Bool(_) => return Err(format!("{}, not text", value.kind())),
            Value::List(values) => {
                for value in values {
                    self.push(value, part)?;
                }
            }
            Value::Object(entries) => self.object(entries, part)?,
        }
        Ok(())
    }

    fn heading(&mut self, text: &str) {
        let name = text.trim().trim_end_matches([':', '：', ' ']);
        if !name.is_empty() {
            self.texts.push(format!("{name}:"));
            self.headings += 1;
        }
    }

    fn object(&mut self, mut entries: Vec<(String, Value)>, part: Part) -> Result<(), String> {
        let is_list = |value: &Value| matches!(value, Value::List(_) | Value::Object(_));
        if let Some(list) = find(&entries, LISTS, is_list) {
            let (_, list) = entries.swap_remove(list);
            if let Some(heading) = text_of(&entries, HEADINGS) {
                self.heading(&heading);
            }
            return self.push(list, part);
        }
        let is_spelt = |value: &Value| matches!(value, Value::Text(_)) && !value.is_blank();
        if let Some(list) = find(&entries, SPELT_LISTS, is_spelt) {
            let (name, list) = entries.swap_remove(list);
            if let Some(heading) = text_of(&entries, HEADINGS) {
                self.heading(&heading);
            }
            let list = self::entries(list, part, &name)
                .map_err(|reason| format!("a group whose {reason}"))?;
            return self.push(list, part);
        }
        if let Some(text) = text_of(&entries, TEXTS) {
            self.texts.push(text);
            return Ok(());
        }
        let wrapped = find(&entries, &["item"], |value| {
            matches!(value, Value::Object(_))
        });
        if let Some(wrapped) = wrapped {
            return self.push(entries.swap_remove(wrapped).1, part);
        }
        if let Some(thing) = text_of(&entries, THINGS) {
            let mut item: Vec<String> = [AMOUNTS, UNITS]
                .iter()
                .filter_map(|names| text_of(&entries, names))
                .collect();
            item.push(thing);
            let mut item = item.join(" ");
            if let Some(note) = text_of(&entries, NOTES) {
                item = format!("{item}, {note}");
            }
            self.texts.push(item);
            return Ok(());
        }
        if [LISTS, TEXTS, AMOUNTS, UNITS, NOTES]
            .iter()
            .any(|names| find(&entries, names, |_| true).is_some())
        {
            return match entries.iter().all(|(_, value)| value.is_blank()) {
                true => Ok(()),
                false => Err("an object without a text or a name".into()),
            };
        }
        self.keyed(entries, part)
    }

    /// An object whose keys are the user's own.
    fn keyed(&mut self, entries: Vec<(String, Value)>, part: Part) -> Result<(), String> {
        for (key, value) in entries {
            let is_number = key
                .trim_start_matches(char::is_alphabetic)
                .trim()
                .parse::<u32>()
                .is_ok();
            match value {
                _ if key.starts_with('@') || value.is_blank() => {}
                Value::Text(text) if !is_number && part != Part::Directions => {
                    self.texts.push(format!("{} {key}", text.trim()));
                }
                Value::Number(number) if !is_number && part != Part::Directions => {
                    self.texts.push(format!("{number} {key}"));
                }
                value => {
                    if !is_number {
                        self.heading(&key);
                    }
                    self.push(value, part)?;
                }
            }
        }
        Ok(())
    }
}

/// Where the first of `names` stands that has a value which `fits`. Case, `_` and `-` do not count.
fn find(
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
fn text_of(entries: &[(String, Value)], names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| {
        let at = find(entries, &[name], |value| !value.is_blank())?;
        match &entries[at].1 {
            Value::Text(text) => Some(text.trim().to_owned()),
            Value::Number(number) => Some(number.to_string()),
            Value::Object(inner) => text_of(inner, THINGS).or_else(|| text_of(inner, TEXTS)),
            _ => None,
        }
    })
}
