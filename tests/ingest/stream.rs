//! Streams that break off or are damaged, and records one by one.

use std::fmt::Write as _;

use chefgenius::error::Error;
use chefgenius::ingest::{Names, detect, records};

use super::{
    Files, JSON, PACKED, error_of, gzip, lemon_rice, line_of, outline, outline_of, read_bytes, zstd,
};

#[test]
fn a_file_that_breaks_off_is_an_error_with_the_line() {
    // Noise, so that half the packed bytes are about half the lines.
    let mut lines = String::new();
    let mut noise = 1_u64;
    for index in 0..4000 {
        noise = noise
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        writeln!(
            lines,
            "{{\"title\": \"{index} {noise:x}\", \"ingredients\": [], \"steps\": []}}"
        )
        .unwrap();
    }
    for (extension, _, pack) in &PACKED[1..] {
        let packed = pack(lines.as_bytes());
        for cut in [packed.len() / 2, packed.len() - 1] {
            let files = Files::new();
            let path = files.write(&format!("a.jsonl{extension}"), &packed[..cut]);
            let source = detect(&path).unwrap();
            let mut last = 0;
            let error = records(&source, &Names::default(), &mut |(place, read)| {
                assert!(read.is_ok(), "{read:?}");
                last = line_of(&place);
                Ok(())
            })
            .unwrap_err();
            assert!(matches!(error, Error::Source { .. }));
            let message = error.to_string();
            let reached = format!("breaks off in line {}: fetch or pack", last + 1);
            assert!(message.contains(&reached), "{message} after {last}");
            assert!(message.contains(&path.display().to_string()));
            assert!(last > 1, "{last}");
        }
    }
}

#[test]
fn a_damaged_file_is_an_error() {
    for (extension, _, pack) in &PACKED[1..] {
        let mut packed = pack(format!("{JSON}\n").repeat(50).as_bytes());
        let middle = packed.len() / 2;
        packed[middle] ^= 0x55;
        let message = error_of(&format!("a.jsonl{extension}"), packed);
        assert!(
            message.contains("data is damaged") || message.contains("data breaks off"),
            "{message}"
        );
    }
}

#[test]
fn the_sinks_error_ends_the_reading() {
    let text = format!("{JSON}\n").repeat(3);
    let files = Files::new();
    for (name, text) in [
        ("a.jsonl", text.clone()),
        ("a.json", format!("[{JSON},{JSON},{JSON}]")),
        (
            "a.csv",
            format!("title,steps,ingredients\n{}", "a,b,c\n".repeat(3)),
        ),
    ] {
        let source = detect(&files.write(name, text)).unwrap();
        let mut count = 0;
        let error = records(&source, &Names::default(), &mut |_| {
            count += 1;
            if count == 2 {
                Err(Error::Interrupted)
            } else {
                Ok(())
            }
        });
        assert!(matches!(error, Err(Error::Interrupted)));
        assert_eq!(count, 2);
    }
}

#[test]
fn records_are_given_before_the_file_is_read_to_its_end() {
    let packed = gzip(format!("{JSON}\n").repeat(100_000).as_bytes());
    let path = Files::new();
    let path = path.write("a.jsonl.gz", &packed[..packed.len() - 100]);
    let error = records(&detect(&path).unwrap(), &Names::default(), &mut |_| {
        Err(Error::Interrupted)
    });
    assert!(matches!(error, Err(Error::Interrupted)));
}

#[test]
fn bad_lines_do_not_end_json_lines() {
    let mut bytes =
        b"{\"title\": \"a\", \"ingredients\": [], \"steps\": []}\nnonsense\n\n[1]\n{\"title\": \""
            .to_vec();
    bytes.extend(
        b"\xff\"}\n{\"title\": \"cut\n{\"title\": \"z\", \"ingredients\": [], \"steps\": []}{}\n",
    );
    bytes.extend(b"{\"title\": \"z\", \"ingredients\": [], \"steps\": []}");
    assert_eq!(
        outline_of("a.jsonl", bytes),
        [
            "1 a",
            "2 bad: not valid JSON in column 2: expected ident",
            "4 bad: it is a list, not an object",
            "5 bad: not valid UTF-8 at byte 12 of the record",
            "6 bad: not valid JSON in column 14: EOF while parsing a string",
            "7 bad: not valid JSON in column 47: trailing characters",
            "8 z",
        ]
    );
}

#[test]
fn an_endless_line_is_a_bad_record() {
    let mut bytes = vec![b'x'; (65 << 20) + 7];
    bytes.extend(format!("\n{JSON}\n").bytes());
    let given = read_bytes("a.jsonl.zst", zstd(&bytes)).unwrap();
    assert_eq!(
        outline(&given)[0],
        (1, "bad: the line is longer than 64 MiB".to_owned())
    );
    assert_eq!(
        given[1].0.to_string(),
        format!("line 2, byte {}", (65 << 20) + 8)
    );
    assert_eq!(given[1].1, Ok(lemon_rice()));
    let rows = [b"title,ingredients,steps\n", &bytes[..], b"c,d,e"].concat();
    let given = outline_of("a.csv.zst", zstd(&rows));
    assert_eq!(given[0], "2 bad: it goes on for more than 64 MiB");
    bytes.truncate(65 << 20);
    bytes[..2].copy_from_slice(b"[\"");
    let message = error_of("a.json.zst", zstd(&bytes));
    assert!(
        message.contains("line 1, column 2: this element is longer than 64 MiB"),
        "{message}"
    );
}
