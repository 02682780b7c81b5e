//! What a file is, and files that cannot be used.

use std::path::Path;

use chefgenius::error::Error;
use chefgenius::ingest::detect;

use super::{Files, JSON, PACKED, error_of, gzip, lemon_rice, line_of, read_bytes, xz, zstd};

#[test]
fn sources_say_what_they_are() {
    let say = |name: &str, bytes: &[u8]| {
        detect(&Files::new().write(name, bytes))
            .unwrap()
            .to_string()
    };
    assert_eq!(say("a.jsonl.xz", &xz(b"{}\n{}")), "JSON Lines, xz");
    assert_eq!(say("a.json.gz", &gzip(b"[]")), "JSON array, gzip");
    assert_eq!(say("a.csv.zst", &zstd(b"title")), "CSV, zstd");
    assert_eq!(say("a.csv", b"title"), "CSV");
    assert_eq!(say("a.csv", b"title\tingredients\tsteps, all\n"), "TSV");
    assert_eq!(
        say("a.csv", b"title;ingredients;steps\na,b,c,d"),
        "CSV with semicolons"
    );
    assert_eq!(say("a.tab.gz", &gzip(b"title")), "TSV, gzip");
    // The bytes tell the compression, whatever the name says.
    assert_eq!(say("a.jsonl.gz", b"{}\n{}"), "JSON Lines");
    assert_eq!(say("a.jsonl", &zstd(b"{}\n{}")), "JSON Lines, zstd");
}

#[test]
fn a_json_file_is_told_by_its_beginning() {
    let format =
        |text: &str| detect(&Files::new().write("a.json", text)).map(|source| source.to_string());
    for lines in [
        "{\"title\": \"a\"}",
        "{\"title\": 1}\n",
        "{\"x\": 1}\n{\"x\": 2}",
        "{broken\n{\"title\": 1}",
        "{\"title\": \"cut\n{\"title\": 1}",
        "{\"title\": \"cut",
    ] {
        assert_eq!(format(lines).unwrap(), "JSON Lines", "{lines}");
    }
    assert_eq!(format(" \n[").unwrap(), "JSON array");
    for object in [
        "{\"id 1\": {\"title\": \"a\"}}",
        "{\n  \"id 1\": {\"title\": \"a\"}\n}",
    ] {
        assert_eq!(
            format(object).unwrap(),
            "JSON object of records",
            "{object}"
        );
    }
}

#[test]
fn packed_files_may_have_many_members() {
    let line = format!("{JSON}\n");
    for (extension, _, pack) in PACKED {
        let twice = [pack(line.as_bytes()), pack(line.as_bytes())].concat();
        let given = read_bytes(&format!("a.jsonl{extension}"), twice).unwrap();
        let lines = [line_of(&given[0].0), line_of(&given[1].0)];
        assert_eq!(lines, [1, 2]);
        assert!(given.iter().all(|(_, read)| *read == Ok(lemon_rice())));
    }
}

#[test]
fn not_found_error() {
    let error = detect(Path::new("no/such/file.jsonl")).unwrap_err();
    assert!(matches!(error, Error::NotFound { what: "source", .. }));
    assert!(error.to_string().contains("no/such/file.jsonl"));
}

#[test]
fn io_error() {
    // A directory below a file: not "not found", but refused by the system.
    let files = Files::new();
    let error = detect(&files.write("a", "x").join("b.jsonl")).unwrap_err();
    assert!(
        matches!(error, Error::Io { action: "open", .. }),
        "{error:?}"
    );
}

#[test]
fn source_errors_of_whole_files() {
    for (name, bytes, wanted) in [
        ("a.jsonl", &b""[..], "it is empty"),
        ("a.json", b"\xef\xbb\xbf \n\r\n", "it is empty"),
        ("a.csv.gz", &gzip(b""), "it is empty"),
        (
            "a.txt",
            b"Soup",
            "unknown format `.txt`: supported are JSON Lines (.jsonl, .ndjson)",
        ),
        ("a.tar.xz", &xz(b"x"), "the archive"),
        ("a", b"# Soup", "begins with neither `[` nor `{`"),
        ("a.jsonl", b"\xff\xfe{\0", "it is UTF-16"),
        ("a.jsonl", b"{\0\"\0a\0\"\0", "it is UTF-16 or UTF-32"),
        ("a.csv", b"\0t\0i\0t\0l\0e", "it is UTF-16 or UTF-32"),
        (
            "a.csv",
            b"title,ingredients,steps\ra,b,c\r",
            "its lines end with a carriage return alone",
        ),
        (
            "a.jsonl",
            b"{}\r{}\r",
            "its lines end with a carriage return alone",
        ),
        (
            "a.csv",
            b"sep=;\ntitle;ingredients;steps\n",
            "its first line `sep=` is no header",
        ),
        (
            "a.csv",
            b"title,steps\na,b\n",
            "it has no column `ingredients`, only `",
        ),
        (
            "a.csv",
            b"input,title\na,b\n",
            "it has no column `ingredients`, only `",
        ),
        (
            "a.csv",
            b"\"title,steps",
            "bad CSV header: the quote that opens cell 1 never closes",
        ),
    ] {
        let message = error_of(name, bytes);
        assert!(message.contains(wanted), "{message}");
    }
    let directory = Files::new();
    let error = detect(directory.0.path()).unwrap_err();
    let message = error.to_string();
    assert!(matches!(error, Error::Source { .. }), "{message}");
    assert!(
        message.contains("the directory holds no file of a known extension (0 others)"),
        "{message}"
    );
}
