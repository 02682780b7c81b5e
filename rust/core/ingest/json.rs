//! One JSON value -> [`Record`], with the place of a syntax error kept apart from its reason.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::recipe::{BadRecord, Record};

use super::record::{Fields, Name};

/// What a piece of JSON turned out to be.
pub(super) enum Parsed {
    Record(Box<Record>),
    /// Good JSON that is no record; the reason.
    Bad(String),
    /// No JSON; the place is within the piece, both from 1.
    Syntax {
        line: u64,
        column: u64,
        reason: String,
    },
}

/// Parses one JSON value that should be a record.
pub(super) fn parse(text: &str) -> Parsed {
    match serde_json::from_str(text) {
        Ok(Top::Object(fields)) => match fields.into_record() {
            Ok(record) => Parsed::Record(Box::new(record)),
            Err(bad) => Parsed::Bad(bad.reason),
        },
        Ok(Top::Other(kind)) => Parsed::Bad(format!("it is {kind}, not an object")),
        Err(error) => Parsed::Syntax {
            line: error.line() as u64,
            column: error.column() as u64,
            reason: bare_reason(&error),
        },
    }
}

/// Parses one line of JSON Lines.
pub(super) fn parse_line(line: &[u8]) -> Result<Record, BadRecord> {
    let text = std::str::from_utf8(line).map_err(|_| not_utf8(line))?;
    match parse(text) {
        Parsed::Record(record) => Ok(*record),
        Parsed::Bad(reason) => Err(BadRecord { reason }),
        Parsed::Syntax { column, reason, .. } => Err(BadRecord {
            reason: format!("not valid JSON in column {column}: {reason}"),
        }),
    }
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
    /// A whole object with at least one field that records have.
    Record,
    /// A whole JSON value of another kind.
    Other,
    /// Good JSON that goes on after the line's end.
    Open,
    Broken,
}

pub(super) fn look(line: &[u8]) -> Line {
    match serde_json::from_slice(line) {
        Ok(Top::Object(fields)) if fields.has_any() => Line::Record,
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
    Object(Box<Fields>),
    Other(&'static str),
}

impl<'de> Deserialize<'de> for Top {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TopVisitor)
    }
}

struct TopVisitor;

impl<'de> Visitor<'de> for TopVisitor {
    type Value = Top;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Top, A::Error> {
        let mut fields = Box::<Fields>::default();
        while let Some(Key(name)) = entries.next_key()? {
            match name {
                Some(name) => fields.set(name, entries.next_value()?),
                None => {
                    entries.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(Top::Object(fields))
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

/// The key of a field; `None` when it is not one of a record's.
struct Key(Option<Name>);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_identifier(KeyVisitor)
    }
}

struct KeyVisitor;

impl Visitor<'_> for KeyVisitor {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name")
    }

    fn visit_str<E>(self, key: &str) -> Result<Key, E> {
        Ok(Key(Name::find(key)))
    }
}
