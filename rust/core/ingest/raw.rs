//! A record that is cut out of its file and not parsed yet.

use crate::recipe::{BadRecord, Content, Record};

use super::json;
use super::markdown;
use super::names::{Name, Names};
use super::record::Fields;
use super::value::Value;

/// One record, cut out and not parsed: it is owned, and can be parsed on any thread.
#[derive(Debug)]
pub struct Raw(Form);

#[derive(Debug)]
enum Form {
    /// The bytes of one JSON value.
    Json(Vec<u8>),
    /// A Markdown page.
    Page(Vec<u8>),
    /// The cells of a row that have a known name.
    Row(Vec<(Name, Value)>),
}

impl Raw {
    pub(super) fn json(bytes: &[u8]) -> Raw {
        Raw(Form::Json(bytes.to_vec()))
    }

    pub(super) fn page(bytes: &[u8]) -> Raw {
        Raw(Form::Page(bytes.to_vec()))
    }

    pub(super) fn row(cells: Vec<(Name, Value)>) -> Raw {
        Raw(Form::Row(cells))
    }

    /// The record. A pure function of what was cut out; `names` must be those that [`read`](super::read) was given.
    ///
    /// # Errors
    /// The reason why it is no record: what is missing or of the wrong kind, and under which name.
    pub fn parse(self, names: &Names) -> Result<Record, BadRecord> {
        match self.0 {
            Form::Json(bytes) => json::parse(&bytes, names),
            Form::Page(bytes) => {
                let text = std::str::from_utf8(&bytes).map_err(|_| json::not_utf8(&bytes))?;
                Ok(Record {
                    content: Content::Recipe(markdown::page(text)?),
                    quality: None,
                })
            }
            Form::Row(cells) => {
                let mut fields = Fields::default();
                for (name, value) in cells {
                    fields.set(name, value, names);
                }
                fields.into_record(names)
            }
        }
    }

    /// About how many bytes the record takes.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "none is empty")]
    pub fn len(&self) -> usize {
        match &self.0 {
            Form::Json(bytes) | Form::Page(bytes) => bytes.len(),
            Form::Row(cells) => cells.iter().map(|(_, value)| value.len()).sum(),
        }
    }
}
