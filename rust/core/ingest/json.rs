//! One JSON value -> [`Record`]: a record, or a node of schema.org's JSON-LD.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::recipe::{BadRecord, Record};

use super::names::{Name, Names};
use super::record::Fields;
use super::value::Value;

/// Parses one JSON value that should be a record, or a JSON-LD document with one recipe.
pub(super) fn parse(bytes: &[u8], names: &Names) -> Result<Record, BadRecord> {
    let text = std::str::from_utf8(bytes).map_err(|_| not_utf8(bytes))?;
    let bad = |reason| Err(BadRecord { reason });
    match top(text, names) {
        Ok(Top::Object(node)) => node.into_fields()?.into_record(names),
        Ok(Top::Other(kind)) => bad(format!("it is {kind}, not an object")),
        Err(error) => {
            let (line, column) = (error.line(), error.column());
            let reason = bare_reason(&error);
            match line {
                0 | 1 => bad(format!("not valid JSON in column {column}: {reason}")),
                _ => bad(format!(
                    "not valid JSON in column {column} of its line {line}: {reason}"
                )),
            }
        }
    }
}

fn top(text: &str, names: &Names) -> serde_json::Result<Top> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let top = TopSeed(names).deserialize(&mut deserializer)?;
    deserializer.end().map(|()| top)
}

/// What is wrong with the JSON of `text`: line and column within it, both from 1, and the reason.
pub(super) fn syntax_error(text: &str) -> Option<(u64, u64, String)> {
    let error = serde_json::from_str::<IgnoredAny>(text).err()?;
    Some((
        error.line() as u64,
        error.column() as u64,
        bare_reason(&error),
    ))
}

/// The bad record that `bytes`, which are not UTF-8, are.
pub(super) fn not_utf8(bytes: &[u8]) -> BadRecord {
    let at = match std::str::from_utf8(bytes) {
        Ok(_) => bytes.len(),
        Err(error) => error.valid_up_to(),
    };
    BadRecord {
        reason: format!("not valid UTF-8 at byte {} of the record", at + 1),
    }
}

/// What the first line of a file that begins with `{` looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    /// A whole object with at least one field that records have, and no graph of others.
    Record,
    /// A whole JSON value of another kind.
    Other,
    /// Good JSON that goes on after the line's end.
    Open,
    Broken,
}

pub(super) fn look(line: &[u8], names: &Names) -> Line {
    let Ok(text) = std::str::from_utf8(line) else {
        return Line::Broken;
    };
    match top(text, names) {
        Ok(Top::Object(node)) if node.is_record() => Line::Record,
        Ok(_) => Line::Other,
        Err(error) if error.is_eof() => Line::Open,
        Err(_) => Line::Broken,
    }
}

/// The message without the place that `serde_json` adds to it.
fn bare_reason(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    match message.strip_suffix(&place) {
        Some(reason) => reason.to_owned(),
        None => message,
    }
}

/// A JSON value at the place of a record.
enum Top {
    Object(Box<Node>),
    Other(&'static str),
}

/// An object: a record's fields, and what JSON-LD says about it.
#[derive(Default)]
struct Node {
    fields: Fields,
    /// The value of `@type`.
    types: Option<Value>,
    /// The values of `@graph`, or of `mainEntity`.
    graph: Option<Vec<Top>>,
}

impl Node {
    fn is_record(&self) -> bool {
        self.graph.is_none() && (self.fields.has_any() || self.types.is_some())
    }

    fn is_recipe(&self) -> bool {
        self.types.as_ref().is_none_or(is_recipe)
    }

    /// The fields of the one recipe that this node is or holds.
    fn into_fields(self) -> Result<Fields, BadRecord> {
        let bad = |reason| Err(BadRecord { reason });
        if let Some(graph) = self.graph {
            let mut recipes = graph.into_iter().filter_map(|node| match node {
                Top::Object(node) if node.types.is_some() && node.is_recipe() => Some(node),
                _ => None,
            });
            return match (recipes.next(), recipes.next()) {
                (Some(recipe), None) => recipe.into_fields(),
                (None, _) => bad("its `@graph` holds no `Recipe`".into()),
                (Some(_), Some(_)) => bad(
                    "its `@graph` holds more than one `Recipe`: give each a record of its own"
                        .into(),
                ),
            };
        }
        match &self.types {
            Some(types) if !is_recipe(types) => {
                bad(format!("its `@type` is {}, not `Recipe`", spelt(types)))
            }
            _ => Ok(self.fields),
        }
    }
}

/// Whether a value of `@type` says that the node is a recipe: `Recipe`, also in a list, also as an address.
pub(super) fn is_recipe(types: &Value) -> bool {
    match types {
        Value::Text(name) => name
            .rsplit(['/', '#', ':'])
            .next()
            .is_some_and(|name| name.eq_ignore_ascii_case("recipe")),
        Value::List(types) => types.iter().any(is_recipe),
        _ => false,
    }
}

fn spelt(types: &Value) -> String {
    match types {
        Value::Text(name) => format!("`{name}`"),
        Value::List(types) => types.iter().map(spelt).collect::<Vec<_>>().join(", "),
        other => other.kind().to_owned(),
    }
}

struct TopSeed<'a>(&'a Names);

impl<'de> DeserializeSeed<'de> for TopSeed<'_> {
    type Value = Top;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Top, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for TopSeed<'_> {
    type Value = Top;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Top, A::Error> {
        let mut node = Box::<Node>::default();
        while let Some(key) = entries.next_key_seed(KeySeed(self.0))? {
            match key {
                Key::Field(name) => node.fields.set(name, entries.next_value()?, self.0),
                Key::Type => node.types = Some(entries.next_value()?),
                Key::Graph => node.graph = entries.next_value_seed(GraphSeed(self.0))?,
                Key::Other => {
                    entries.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(Top::Object(node))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Top, A::Error> {
        while entries.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Top::Other("a list"))
    }

    fn visit_unit<E>(self) -> Result<Top, E> {
        Ok(Top::Other("null"))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Top, E> {
        Ok(Top::Other("true or false"))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Top, E> {
        Ok(Top::Other("a number"))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Top, E> {
        Ok(Top::Other("a number"))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Top, E> {
        Ok(Top::Other("a number"))
    }

    fn visit_str<E>(self, _: &str) -> Result<Top, E> {
        Ok(Top::Other("text"))
    }
}

/// The nodes of `@graph`; one alone may stand without a list. `None` where it is neither.
struct GraphSeed<'a>(&'a Names);

impl<'de> DeserializeSeed<'de> for GraphSeed<'_> {
    type Value = Option<Vec<Top>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for GraphSeed<'_> {
    type Value = Option<Vec<Top>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the nodes of a graph")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = entries.next_element_seed(TopSeed(self.0))? {
            nodes.push(node);
        }
        Ok(Some(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<Self::Value, A::Error> {
        Ok(Some(vec![TopSeed(self.0).visit_map(entries)?]))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

enum Key {
    Field(Name),
    Type,
    Graph,
    Other,
}

struct KeySeed<'a>(&'a Names);

impl<'de> DeserializeSeed<'de> for KeySeed<'_> {
    type Value = Key;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Key, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for KeySeed<'_> {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name")
    }

    fn visit_str<E>(self, key: &str) -> Result<Key, E> {
        Ok(match self.0.find(key) {
            Some(name) => Key::Field(name),
            None if key == "@type" => Key::Type,
            None if key == "@graph" || key == "mainEntity" => Key::Graph,
            None => Key::Other,
        })
    }
}
