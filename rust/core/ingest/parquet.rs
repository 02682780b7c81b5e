//! Parquet: the columns with known names, row by row, through the record interface of the `parquet` crate.
//!
//! Pages are read as they are needed, so memory is bounded by a page of each column.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::reader::RowIter;
use parquet::record::{Field, Row};
use parquet::schema::types::Type;

use crate::error::{Error, Result};
use crate::recipe::{BadRecord, Position};

use super::Sink;
use super::names::{self, Name, Names};
use super::raw::Raw;
use super::value::Value;

/// Gives each row of the file to `sink`, with its number.
pub(super) fn read(path: &Path, file: File, names: &Names, sink: &mut Sink) -> Result<()> {
    let bad = |reason| Error::Source {
        path: path.to_owned(),
        reason,
    };
    let damaged = |reason| {
        bad(format!(
            "its Parquet data is damaged ({reason}): fetch or write it again"
        ))
    };
    let reader = guarded(|| SerializedFileReader::new(file)).map_err(damaged)?;
    let schema = reader.metadata().file_metadata().schema();
    let titles: Vec<&str> = schema
        .get_fields()
        .iter()
        .map(|field| field.name())
        .collect();
    let found = names::of_columns(&titles, names)
        .map_err(|reason| bad(format!("bad Parquet columns: {reason}")))?;
    let (columns, fields): (Vec<Name>, Vec<Arc<Type>>) = found
        .into_iter()
        .zip(schema.get_fields())
        .filter_map(|(name, field)| Some((name?, Arc::clone(field))))
        .unzip();
    let projection = Type::group_type_builder(schema.name())
        .with_fields(fields)
        .build()
        .map_err(|e| damaged(e.to_string()))?;
    let mut rows = guarded(|| RowIter::from_file(Some(projection), &reader)).map_err(damaged)?;
    for number in 1.. {
        let row = guarded(|| rows.next().transpose())
            .map_err(|reason| damaged(format!("in row {number}: {reason}")))?;
        match row {
            Some(row) => sink(Position::Row(number), cut(row, &columns))?,
            None => break,
        }
    }
    Ok(())
}

/// What `read` gives. The crate checks most of what it reads, not all: on some damaged files it panics.
fn guarded<T>(
    read: impl FnOnce() -> std::result::Result<T, ParquetError>,
) -> std::result::Result<T, String> {
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(outcome) => outcome.map_err(|e| e.to_string()),
        Err(_) => Err("it makes no sense".into()),
    }
}

fn cut(row: Row, columns: &[Name]) -> std::result::Result<Raw, BadRecord> {
    let cells = columns.iter().zip(row.into_columns());
    cells
        .map(|(name, (title, field))| {
            let value = value(field).map_err(|reason| BadRecord {
                reason: format!("`{title}` {reason}"),
            })?;
            Ok((*name, value))
        })
        .collect::<std::result::Result<_, _>>()
        .map(Raw::row)
}

/// A value, or what is wrong with it.
type Read<T> = std::result::Result<T, &'static str>;

fn value(field: Field) -> Read<Value> {
    Ok(match field {
        Field::Null => Value::Null,
        Field::Bool(value) => Value::Bool(value),
        Field::Byte(number) => Value::Number(number.into()),
        Field::Short(number) => Value::Number(number.into()),
        Field::Int(number) => Value::Number(number.into()),
        Field::Long(number) => Value::Number(number as f64),
        Field::UByte(number) => Value::Number(number.into()),
        Field::UShort(number) => Value::Number(number.into()),
        Field::UInt(number) => Value::Number(number.into()),
        Field::ULong(number) => Value::Number(number as f64),
        Field::Float16(number) => Value::Number(widened(number.into())),
        Field::Float(number) => Value::Number(widened(number)),
        Field::Double(number) => Value::Number(number),
        Field::Str(text) => Value::Text(text),
        // Text of a writer that did not say so.
        Field::Bytes(bytes) => match bytes.as_utf8() {
            Ok(text) => Value::Text(text.to_owned()),
            Err(_) => return Err("holds bytes that are not UTF-8"),
        },
        Field::ListInternal(list) => {
            let entries = list.elements().iter().cloned().map(value);
            Value::List(entries.collect::<Read<_>>()?)
        }
        Field::Group(row) => {
            let entry = |(key, field)| -> Read<_> { Ok((key, value(field)?)) };
            Value::Object(
                row.into_columns()
                    .into_iter()
                    .map(entry)
                    .collect::<Read<_>>()?,
            )
        }
        Field::MapInternal(map) => {
            let entry = |(key, field): &(Field, Field)| -> Read<_> {
                let key = key.to_string().trim_matches('"').to_owned();
                Ok((key, value(field.clone())?))
            };
            Value::Object(map.entries().iter().map(entry).collect::<Read<_>>()?)
        }
        other => Value::Text(other.to_string()),
    })
}

/// The number that is spelt as this one is: `0.1`, not `0.10000000149011612`.
fn widened(number: f32) -> f64 {
    number.to_string().parse().unwrap_or(number.into())
}
