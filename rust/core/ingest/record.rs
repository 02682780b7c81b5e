//! A record as the file spells it -> [`Record`], or the reason why not.
//!
//! | what           | field, under one of the names             | value                                |
//! |----------------|-------------------------------------------|--------------------------------------|
//! | title          | `title`, `name`                           | text, not blank                      |
//! | ingredients    | `ingredients`, `ingredient`               | list of text, or text (see below)    |
//! | directions     | `directions`, `instructions`, `steps`, `method` | list of text, or text          |
//! | quality        | `quality_score`, `quality`                | number, or text of one; may be absent |
//! | a ready pair   | `input` and `output`                      | text                                 |
//!
//! Of several names the first in the table counts; null counts as absent. With `input` and
//! `output` both there, the record is a ready pair and other fields are not looked at. Text in
//! place of a list is a JSON list when it begins with `[` and parses as one, else a list of its
//! lines. Null and blank entries of a list are dropped. All other fields are ignored.

use crate::recipe::{BadRecord, Content, Pair, Recipe, Record};

use super::value::Value;

/// The parts of a record, in the order of [`Fields`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Title,
    Ingredients,
    Directions,
    Quality,
    Input,
    Output,
}

/// Every name that is known, the preferred one of each part first.
const NAMES: [(&str, Part); 12] = [
    ("title", Part::Title),
    ("name", Part::Title),
    ("ingredients", Part::Ingredients),
    ("ingredient", Part::Ingredients),
    ("directions", Part::Directions),
    ("instructions", Part::Directions),
    ("steps", Part::Directions),
    ("method", Part::Directions),
    ("quality_score", Part::Quality),
    ("quality", Part::Quality),
    ("input", Part::Input),
    ("output", Part::Output),
];
const PARTS: usize = 6;

/// A known name: its place in [`NAMES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name(usize);

impl Name {
    pub(super) fn find(name: &str) -> Option<Name> {
        NAMES.iter().position(|(known, _)| *known == name).map(Name)
    }

    pub(super) fn part(self) -> Part {
        NAMES[self.0].1
    }

    fn spelt(self) -> &'static str {
        NAMES[self.0].0
    }
}

/// The preferred name of `part`, which messages about its absence use.
pub(super) fn preferred(part: Part) -> &'static str {
    NAMES
        .iter()
        .find(|(_, of)| *of == part)
        .map_or("", |(name, _)| *name)
}

/// The known fields of one record.
#[derive(Debug, Default)]
pub(super) struct Fields([Option<(Name, Value)>; PARTS]);

impl Fields {
    /// Takes a field in. A better name beats a worse one, anything beats null, and of one name
    /// the last counts.
    pub(super) fn set(&mut self, name: Name, value: Value) {
        let slot = &mut self.0[name.part() as usize];
        let wins = match slot {
            None | Some((_, Value::Null)) => true,
            Some((held, _)) => value != Value::Null && name <= *held,
        };
        if wins {
            *slot = Some((name, value));
        }
    }

    pub(super) fn has_any(&self) -> bool {
        self.0.iter().any(Option::is_some)
    }

    /// The record, or the first thing that is wrong with it.
    pub(super) fn into_record(mut self) -> Result<Record, BadRecord> {
        self.record().map_err(|reason| BadRecord { reason })
    }

    fn record(&mut self) -> Result<Record, String> {
        let quality = self.quality()?;
        let is_pair = self.holds(Part::Input) && self.holds(Part::Output);
        let is_half_pair = self.holds(Part::Input) || self.holds(Part::Output);
        let content = if is_pair || (is_half_pair && !self.holds(Part::Title)) {
            Content::Pair(Pair {
                input: self.text(Part::Input)?,
                output: self.text(Part::Output)?,
            })
        } else {
            let title = self.text(Part::Title)?;
            if title.trim().is_empty() {
                return Err(format!("`{}` is blank", preferred(Part::Title)));
            }
            Content::Recipe(Recipe {
                title,
                ingredients: self.list(Part::Ingredients)?,
                directions: self.list(Part::Directions)?,
            })
        };
        Ok(Record { content, quality })
    }

    fn holds(&self, part: Part) -> bool {
        !matches!(self.0[part as usize], None | Some((_, Value::Null)))
    }

    fn take(&mut self, part: Part) -> Result<(&'static str, Value), String> {
        match self.0[part as usize].take() {
            None => Err(format!("`{}` is missing", preferred(part))),
            Some((name, Value::Null)) => Err(format!("`{}` is null", name.spelt())),
            Some((name, value)) => Ok((name.spelt(), value)),
        }
    }

    fn text(&mut self, part: Part) -> Result<String, String> {
        match self.take(part)? {
            (_, Value::Text(text)) => Ok(text),
            (name, other) => Err(format!("`{name}` is {}, not text", other.kind())),
        }
    }

    fn list(&mut self, part: Part) -> Result<Vec<String>, String> {
        let (name, value) = self.take(part)?;
        let value = match value {
            Value::Text(text) => list_in_text(&text)
                .ok_or_else(|| format!("`{name}` looks like a list, but is not a JSON one"))?,
            other => other,
        };
        match value {
            Value::List {
                wrong: Some((number, kind)),
                ..
            } => Err(format!("entry {number} of `{name}` is {kind}, not text")),
            Value::List { mut texts, .. } => {
                texts.retain(|text| !text.trim().is_empty());
                Ok(texts)
            }
            other => Err(format!("`{name}` is {}, not a list of text", other.kind())),
        }
    }

    fn quality(&mut self) -> Result<Option<f32>, String> {
        if !self.holds(Part::Quality) {
            return Ok(None);
        }
        let (name, value) = self.take(Part::Quality)?;
        let number = match value {
            Value::Number(number) => number,
            Value::Text(text) if text.trim().is_empty() => return Ok(None),
            Value::Text(text) => text
                .trim()
                .parse()
                .map_err(|_| format!("`{name}` is text, not a number"))?,
            other => return Err(format!("`{name}` is {}, not a number", other.kind())),
        };
        let score = number as f32;
        if !score.is_finite() {
            return Err(format!("`{name}` is not a finite number"));
        }
        Ok(Some(score))
    }
}

/// A list that is spelt as text. `None` when it is bracketed and no JSON list.
fn list_in_text(text: &str) -> Option<Value> {
    let trimmed = text.trim();
    if trimmed.starts_with('[') {
        match serde_json::from_str(trimmed) {
            Ok(list) => return Some(list),
            Err(_) if trimmed.ends_with(']') => return None,
            Err(_) => {}
        }
    }
    Some(Value::List {
        texts: text.lines().map(str::to_owned).collect(),
        wrong: None,
    })
}
