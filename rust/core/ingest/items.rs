//! The value of a list field -> its items, one text each.
//!
//! An entry is text or a number; a list, whose entries join the others; or an object:
//!
//! | object                                | item                                               |
//! |---------------------------------------|----------------------------------------------------|
//! | a group: a name, and a list of items  | `Name:`, then the items                            |
//! | of a step: texts                      | those texts, after its title                       |
//! | of an ingredient: texts, amounts, ... | its line (see `entry`)                             |
//! | any other, as headings and lists      | `Key:`, then the items, key by key                 |
//! | any other, as names and amounts       | `amount name`, key by key                          |

use super::entry::{self, find, text_of};
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
        let said = match part {
            Part::Directions => entry::steps(&entries),
            _ => Vec::new(),
        };
        // What a step is made of is no step.
        let lists = |names: &[&'static str]| -> Vec<&'static str> {
            let is_step = |name: &&str| said.is_empty() || !name.contains("ingredient");
            names.iter().copied().filter(is_step).collect()
        };
        let is_one = entry::is_one(&entries);
        let is_list = |value: &Value| {
            matches!(value, Value::List(_)) || (matches!(value, Value::Object(_)) && !is_one)
        };
        if let Some(list) = find(&entries, &lists(LISTS), is_list) {
            let (_, list) = entries.swap_remove(list);
            return self.group(&entries, list, part);
        }
        let is_spelt = |value: &Value| matches!(value, Value::Text(_)) && !value.is_blank();
        if let Some(list) = find(&entries, &lists(SPELT_LISTS), is_spelt) {
            let (name, list) = entries.swap_remove(list);
            let list = self::entries(list, part, &name)
                .map_err(|reason| format!("a group whose {reason}"))?;
            return self.group(&entries, list, part);
        }
        if !said.is_empty() {
            self.texts.extend(said);
            return Ok(());
        }
        if let Some(value) = find(&entries, &["@value"], |value| !value.is_blank()) {
            return self.push(entries.swap_remove(value).1, part);
        }
        let wrapped = find(&entries, &["item"], |value| {
            matches!(value, Value::Object(_)) && !is_one
        });
        if let Some(wrapped) = wrapped {
            return self.push(entries.swap_remove(wrapped).1, part);
        }
        let line = match part {
            Part::Directions => text_of(&entries, &["name", "title", "label", "item"]),
            _ => entry::ingredient(&entries)?,
        };
        if let Some(line) = line {
            self.texts.push(line);
            return Ok(());
        }
        if entry::is_entry(&entries) || find(&entries, LISTS, |_| true).is_some() {
            return match entries.iter().all(|(_, value)| value.is_blank()) {
                true => Ok(()),
                false => Err("an object without a text or a name".into()),
            };
        }
        self.keyed(entries, part)
    }

    /// A list under its heading, after the text that stands beside it.
    fn group(
        &mut self,
        entries: &[(String, Value)],
        list: Value,
        part: Part,
    ) -> Result<(), String> {
        if let Some(heading) = text_of(entries, HEADINGS) {
            self.heading(&heading);
        }
        let text = text_of(entries, &["text", "body", "content"]);
        self.texts.extend(text);
        self.push(list, part)
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
