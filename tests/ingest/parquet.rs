//! Parquet: columns of text and of lists, every compression, damaged files.

use std::sync::Arc;

use chefgenius::error::Error;
use chefgenius::recipe::Position;
use parquet::basic::{BrotliLevel, Compression, GzipLevel, ZstdLevel};
use parquet::data_type::{ByteArrayType, FloatType};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use proptest::prelude::*;

use super::parquet_file::{Column, file};
use super::{Files, error_of, gzip, outline, outline_of, read_all};

fn columns(rows: usize) -> Vec<(&'static str, Column<'static>)> {
    vec![
        ("id", Column::Texts(vec![Some("7"); rows])),
        (
            "Recipe_Title",
            Column::Texts((0..rows).map(|row| (row != 2).then_some("Rice")).collect()),
        ),
        (
            "ingredients",
            Column::Lists(
                (0..rows)
                    .map(|row| vec!["1 cup rice", "salt", ""][..row % 4].to_vec())
                    .collect(),
            ),
        ),
        (
            "steps",
            Column::Texts(vec![Some("['boil', \"don't stir\"]"); rows]),
        ),
    ]
}

#[test]
fn rows_of_every_compression() {
    for compression in [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(GzipLevel::default()),
        Compression::ZSTD(ZstdLevel::default()),
        Compression::LZ4_RAW,
        Compression::BROTLI(BrotliLevel::default()),
    ] {
        let bytes = file(&columns(7), 3, compression);
        let files = Files::new();
        let path = files.write("a.parquet", bytes);
        let given = read_all(&path).unwrap();
        assert_eq!(given.len(), 7, "{compression:?}");
        assert_eq!(given[6].0.position, Position::Row(7));
        assert_eq!(given[6].0.to_string(), "row 7");
        let outcomes: Vec<String> = outline(&given)
            .into_iter()
            .map(|(_, outcome)| outcome)
            .collect();
        assert_eq!(outcomes[..2], ["Rice", "Rice"]);
        assert_eq!(outcomes[2], "bad: `recipe_title` is null");
        let record = format!("{:?}", given[5].1.as_ref().unwrap());
        assert!(
            record.contains(r#"ingredients: ["1 cup rice"], directions: ["boil", "don't stir"]"#),
            "{record}"
        );
    }
}

#[test]
fn files_that_cannot_be_read() {
    let good = file(&columns(5), 2, Compression::SNAPPY);
    for (bytes, wanted) in [
        (&good[..good.len() - 3], "its Parquet data is damaged"),
        (&b"PAR1 no PAR1"[..], "its Parquet data is damaged"),
        (b"title,steps", "its Parquet data is damaged"),
    ] {
        let message = error_of("a.parquet", bytes);
        assert!(message.contains(wanted), "{message}");
    }
    let message = error_of("a.parquet.gz", gzip(&good));
    assert!(message.contains("unpack it"), "{message}");
    let message = error_of("a.pq", file(&columns(2)[..2], 2, Compression::SNAPPY));
    assert!(
        message.contains("it has no column `ingredients`, only `id`, `Recipe_Title`"),
        "{message}"
    );
    assert_eq!(
        outline_of("a.parquet", file(&columns(0), 1, Compression::SNAPPY)),
        [""; 0]
    );
}

proptest! {
    #![proptest_config(crate::common::cases(128))]

    #[test]
    fn no_damage_breaks_it(place in any::<prop::sample::Index>(), value: u8, cut in 0_usize..40) {
        let mut bytes = file(&columns(9), 4, Compression::UNCOMPRESSED);
        let place = place.index(bytes.len());
        bytes[place] = value;
        bytes.truncate(bytes.len() - cut.saturating_sub(20));
        let files = Files::new();
        if let Err(error) = read_all(&files.write("a.parquet", bytes)) {
            prop_assert!(matches!(error, Error::Source { .. }), "{:?}", error);
        }
    }
}

#[test]
fn a_float_is_spelt_as_it_was_written() {
    let schema = "message recipes { required binary title (UTF8); required binary steps (UTF8); \
        required group ingredients (LIST) { repeated group list { required float element; } } }";
    let mut writer = SerializedFileWriter::new(
        Vec::new(),
        Arc::new(parse_message_type(schema).unwrap()),
        Arc::default(),
    )
    .unwrap();
    let mut group = writer.next_row_group().unwrap();
    for _ in 0..2 {
        let mut column = group.next_column().unwrap().unwrap();
        column
            .typed::<ByteArrayType>()
            .write_batch(&["Rice".into()], None, None)
            .unwrap();
        column.close().unwrap();
    }
    let mut column = group.next_column().unwrap().unwrap();
    column
        .typed::<FloatType>()
        .write_batch(&[0.1, 2.0, 0.333], Some(&[1, 1, 1]), Some(&[0, 1, 1]))
        .unwrap();
    column.close().unwrap();
    group.close().unwrap();
    let files = Files::new();
    let given = read_all(&files.write("a.parquet", writer.into_inner().unwrap())).unwrap();
    let record = format!("{:?}", given[0].1.as_ref().unwrap());
    assert!(
        record.contains(r#"ingredients: ["0.1", "2", "0.333"]"#),
        "{record}"
    );
}
