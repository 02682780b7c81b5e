//! Parquet files, written for tests and benches.

use std::sync::Arc;

use chefgenius::recipe::Recipe;
use parquet::basic::{Compression, ZstdLevel};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

/// A column: of text, or of lists of text.
pub enum Column<'a> {
    Texts(Vec<Option<&'a str>>),
    Lists(Vec<Vec<&'a str>>),
}

/// A file with these columns, in row groups of `group` rows.
pub fn file(columns: &[(&str, Column<'_>)], group: usize, compression: Compression) -> Vec<u8> {
    let fields: String = columns
        .iter()
        .map(|(name, column)| match column {
            Column::Texts(_) => format!("optional binary {name} (UTF8);"),
            Column::Lists(_) => format!(
                "optional group {name} (LIST) {{ repeated group list {{ optional binary element (UTF8); }} }}"
            ),
        })
        .collect();
    let schema = parse_message_type(&format!("message recipes {{ {fields} }}")).unwrap();
    let properties = WriterProperties::builder().set_compression(compression);
    let mut writer =
        SerializedFileWriter::new(Vec::new(), Arc::new(schema), Arc::new(properties.build()))
            .unwrap();
    let rows = columns.first().map_or(0, |(_, column)| match column {
        Column::Texts(texts) => texts.len(),
        Column::Lists(lists) => lists.len(),
    });
    for begin in (0..rows).step_by(group) {
        let range = begin..(begin + group).min(rows);
        let mut row_group = writer.next_row_group().unwrap();
        for (_, column) in columns {
            let mut values = Vec::new();
            let (mut definitions, mut repetitions) = (Vec::new(), Vec::new());
            match column {
                Column::Texts(texts) => {
                    for text in &texts[range.clone()] {
                        definitions.push(i16::from(text.is_some()));
                        values.extend(text.map(ByteArray::from));
                    }
                }
                Column::Lists(lists) => {
                    for list in &lists[range.clone()] {
                        if list.is_empty() {
                            definitions.push(1);
                            repetitions.push(0);
                        }
                        for (place, text) in list.iter().enumerate() {
                            definitions.push(3);
                            repetitions.push(i16::from(place > 0));
                            values.push(ByteArray::from(*text));
                        }
                    }
                }
            }
            let mut chunk = row_group.next_column().unwrap().unwrap();
            let ColumnWriter::ByteArrayColumnWriter(column) = chunk.untyped() else {
                unreachable!("all columns are of text");
            };
            let repetitions = Some(repetitions.as_slice()).filter(|levels| !levels.is_empty());
            column
                .write_batch(&values, Some(&definitions), repetitions)
                .unwrap();
            chunk.close().unwrap();
        }
        row_group.close().unwrap();
    }
    writer.into_inner().unwrap()
}

/// Recipes with list columns, zstd.
#[allow(dead_code, reason = "a bench's")]
pub fn of_recipes(recipes: &[Recipe]) -> Vec<u8> {
    let texts = recipes.iter().map(|recipe| Some(recipe.title.as_str()));
    let lists = |list: fn(&Recipe) -> &Vec<String>| {
        let lists = recipes
            .iter()
            .map(|recipe| list(recipe).iter().map(String::as_str).collect());
        Column::Lists(lists.collect())
    };
    let columns = [
        ("title", Column::Texts(texts.collect())),
        ("ingredients", lists(|recipe| &recipe.ingredients)),
        ("directions", lists(|recipe| &recipe.directions)),
    ];
    file(&columns, 1024, Compression::ZSTD(ZstdLevel::default()))
}
