//! Files of every kind, good and bad, to records.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use chefgenius::error::{Error, Result};
use chefgenius::ingest::{Compression, Format, Source, detect, read};
use chefgenius::recipe::{Content, Pair, Read, Recipe, Record};
use chefgenius::split::split_key;
use chefgenius::text::Template;
use proptest::prelude::*;
use tempfile::TempDir;

/// A directory for one test's files.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Files(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }
}

/// Everything that the file at `path` gives.
fn read_all(path: &Path) -> Result<Vec<Read>> {
    let source = detect(path)?;
    let mut given = Vec::new();
    read(&source, &mut |read| {
        given.push(read);
        Ok(())
    })?;
    Ok(given)
}

/// The same of a file `name` with these bytes, made for the occasion.
fn read_bytes(name: &str, bytes: impl AsRef<[u8]>) -> Result<Vec<Read>> {
    read_all(&Files::new().write(name, bytes))
}

/// Line and outcome of each record: its title or output, or why it is bad.
fn outline(given: &[Read]) -> Vec<(u64, String)> {
    given
        .iter()
        .map(|(line, read)| {
            let outcome = match read {
                Ok(record) => match &record.content {
                    Content::Recipe(recipe) => recipe.title.clone(),
                    Content::Pair(pair) => pair.output.clone(),
                },
                Err(bad) => format!("bad: {}", bad.reason),
            };
            (*line, outcome)
        })
        .collect()
}

/// What the reading of these bytes gives, as lines of `line outcome`.
fn outline_of(name: &str, bytes: impl AsRef<[u8]>) -> Vec<String> {
    let given = read_bytes(name, bytes).unwrap();
    outline(&given)
        .iter()
        .map(|(line, outcome)| format!("{line} {outcome}"))
        .collect()
}

fn error_of(name: &str, bytes: impl AsRef<[u8]>) -> String {
    let files = Files::new();
    let path = files.write(name, bytes);
    let error = read_all(&path).unwrap_err();
    assert!(
        matches!(&error, Error::Source { path: of, .. } if *of == path),
        "{error:?}"
    );
    let message = error.to_string();
    assert!(message.contains(name), "{message}");
    message
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

type Pack = fn(&[u8]) -> Vec<u8>;
const PACKED: [(&str, Compression, Pack); 4] = [
    ("", Compression::None, <[u8]>::to_vec),
    (".gz", Compression::Gzip, gzip),
    (".zst", Compression::Zstd, zstd),
    (".xz", Compression::Xz, xz),
];

fn lemon_rice() -> Record {
    Record {
        content: Content::Recipe(Recipe {
            title: "Lemon Rice".to_owned(),
            ingredients: vec![
                "1 cup rice".to_owned(),
                "2 \"big\" lemons,\nripe".to_owned(),
            ],
            directions: vec!["Cook the rice.".to_owned()],
        }),
        quality: Some(0.5),
    }
}

const JSON: &str = r#"{"title": "Lemon Rice", "ingredients": ["1 cup rice", "2 \"big\" lemons,\nripe"], "directions": ["Cook the rice."], "quality_score": 0.5, "source": "x"}"#;
const CSV: &str = "\u{feff},title,ingredients,directions,link,source,NER,quality_score\r\n\
     0,Lemon Rice,\"[\"\"1 cup rice\"\", \"\"2 \\\"\"big\\\"\" lemons,\\nripe\"\"]\",\"Cook the rice.\",,x,[],0.5\r\n";

#[test]
fn every_format_in_every_compression() {
    let files = Files::new();
    let lines = format!("\u{feff}\n  {JSON}\r\n\n{JSON}");
    let array = format!("\u{feff} [\n{JSON},\n {JSON} ]\n");
    let table = format!("{CSV}\r\n1{}", &CSV[CSV.find(",Lemon").unwrap()..]);
    for (name, text, format, places) in [
        ("a.jsonl", &lines, Format::JsonLines, [2, 4]),
        ("a.ndjson", &lines, Format::JsonLines, [2, 4]),
        ("a.JSON", &lines, Format::JsonLines, [2, 4]),
        ("a.json", &array, Format::JsonArray, [2, 3]),
        ("a", &array, Format::JsonArray, [2, 3]),
        ("a.csv", &table, Format::Csv, [2, 4]),
    ] {
        for (extension, compression, pack) in PACKED {
            let path = files.write(&format!("{name}{extension}"), pack(text.as_bytes()));
            let source = detect(&path).unwrap();
            assert_eq!(
                source,
                Source {
                    path: path.clone(),
                    format,
                    compression
                }
            );
            let wanted = places.map(|line| (line, Ok(lemon_rice())));
            assert_eq!(read_all(&path).unwrap(), wanted, "{}", path.display());
        }
    }
}

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
    // The bytes tell the compression, whatever the name says.
    assert_eq!(say("a.jsonl.gz", b"{}\n{}"), "JSON Lines");
    assert_eq!(say("a.jsonl", &zstd(b"{}\n{}")), "JSON Lines, zstd");
}

#[test]
fn a_json_file_is_told_by_its_beginning() {
    let format =
        |text: &str| detect(&Files::new().write("a.json", text)).map(|source| source.format);
    for lines in [
        "{\"title\": \"a\"}",
        "{\"title\": 1}\n",
        "{\"x\": 1}\n{\"x\": 2}",
        "{broken\n{\"title\": 1}",
        "{\"title\": \"cut\n{\"title\": 1}",
        "{\"title\": \"cut",
    ] {
        assert_eq!(format(lines).unwrap(), Format::JsonLines, "{lines}");
    }
    assert_eq!(format(" \n[").unwrap(), Format::JsonArray);
    for object in [
        "{\"id 1\": {\"title\": \"a\"}}",
        "{\n  \"id 1\": {\"title\": \"a\"}\n}",
    ] {
        let message = error_of("a.json", object);
        assert!(message.contains("it is one JSON object"), "{message}");
    }
}

#[test]
fn packed_files_may_have_many_members() {
    let line = format!("{JSON}\n");
    for (extension, _, pack) in PACKED {
        let twice = [pack(line.as_bytes()), pack(line.as_bytes())].concat();
        let given = read_bytes(&format!("a.jsonl{extension}"), twice).unwrap();
        assert_eq!(given, [(1, Ok(lemon_rice())), (2, Ok(lemon_rice()))]);
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
            "a.parquet",
            b"PAR1",
            "unknown format `.parquet`: supported are JSON Lines (.jsonl, .ndjson)",
        ),
        ("a.tar.xz", &xz(b"x"), "unknown format `.tar`"),
        ("a", b"# Soup", "begins with neither `[` nor `{`"),
        ("a.jsonl", b"\xff\xfe{\0", "it is UTF-16"),
        (
            "a.csv",
            b"title,steps\na,b\n",
            "the header has no column `ingredients`",
        ),
        (
            "a.csv",
            b"input,title\na,b\n",
            "the header has no column `ingredients`",
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
    assert!(matches!(error, Error::Source { .. }) && error.to_string().contains("directory"));
}

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
            let error = read(&source, &mut |(line, read)| {
                assert!(read.is_ok(), "{read:?}");
                last = line;
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
        let error = read(&source, &mut |_| {
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
    let error = read(&detect(&path).unwrap(), &mut |_| Err(Error::Interrupted));
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
    assert_eq!(given[1], (2, Ok(lemon_rice())));
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

#[test]
fn fields_go_by_many_names() {
    let quality = |record: &Record| record.quality;
    for (json, ingredients, directions) in [
        (
            r#"{"name": "t", "ingredient": ["a"], "instructions": ["b", null, " "]}"#,
            vec!["a"],
            vec!["b"],
        ),
        (
            r#"{"title": "t", "ingredients": "a\nb\n\n", "steps": "[\"c\", \"d\"]"}"#,
            vec!["a", "b"],
            vec!["c", "d"],
        ),
        (
            r#"{"title": "t", "ingredients": "[a] b\nc", "method": []}"#,
            vec!["[a] b", "c"],
            vec![],
        ),
        (
            r#"{"title": "t", "name": "u", "ingredients": [], "steps": ["x"], "directions": ["y"]}"#,
            vec![],
            vec!["y"],
        ),
        (
            r#"{"name": "u", "title": null, "name": "t", "ingredients": [], "steps": [], "output": "o"}"#,
            vec![],
            vec![],
        ),
        (
            r#"{"title": "t", "ingredients": "", "steps": "", "quality": null, "x": {"title": [1]}}"#,
            vec![],
            vec![],
        ),
    ] {
        let given = read_bytes("a.jsonl", json).unwrap();
        let record = given[0].1.clone().unwrap();
        let owned = |items: Vec<&str>| items.into_iter().map(str::to_owned).collect();
        let wanted = Recipe {
            title: "t".to_owned(),
            ingredients: owned(ingredients),
            directions: owned(directions),
        };
        assert_eq!(record.content, Content::Recipe(wanted), "{json}");
        assert_eq!(quality(&record), None);
    }
}

#[test]
fn ready_pairs() {
    let wanted = |quality| {
        let content = Content::Pair(Pair {
            input: "i".to_owned(),
            output: "o\np".to_owned(),
        });
        [(1, Ok(Record { content, quality }))]
    };
    let json = r#"{"input": "i", "output": "o\np", "quality_score": 1, "title": 7, "metadata": {"title": "x"}}"#;
    assert_eq!(read_bytes("a.jsonl", json).unwrap(), wanted(Some(1.0)));
    let json = r#"{"input": "i", "output": "o\np", "quality": "0.25"}"#;
    assert_eq!(read_bytes("a.jsonl", json).unwrap(), wanted(Some(0.25)));
    let given = read_bytes("a.csv", "Input,OUTPUT\ni,\"o\np\"\n").unwrap();
    assert_eq!(
        given.iter().map(|(_, read)| read).collect::<Vec<_>>(),
        [&wanted(None)[0].1]
    );
}

#[test]
fn bad_records_name_the_field() {
    for (json, reason) in [
        (r#"{"ingredients": [], "steps": []}"#, "`title` is missing"),
        (
            r#"{"name": null, "ingredients": [], "steps": []}"#,
            "`name` is null",
        ),
        (
            r#"{"title": " ", "ingredients": [], "steps": []}"#,
            "`title` is blank",
        ),
        (
            r#"{"title": ["a"], "ingredients": [], "steps": []}"#,
            "`title` is a list, not text",
        ),
        (r#"{"title": "a", "steps": []}"#, "`ingredients` is missing"),
        (
            r#"{"title": "a", "ingredients": []}"#,
            "`directions` is missing",
        ),
        (
            r#"{"title": "a", "ingredients": [], "method": null}"#,
            "`method` is null",
        ),
        (
            r#"{"title": "a", "ingredients": 3, "steps": []}"#,
            "`ingredients` is a number, not a list of text",
        ),
        (
            r#"{"title": "a", "ingredients": {}, "steps": []}"#,
            "`ingredients` is an object, not a list of text",
        ),
        (
            r#"{"title": "a", "ingredients": [], "steps": ["a", null, true]}"#,
            "entry 3 of `steps` is true or false, not text",
        ),
        (
            r#"{"title": "a", "ingredients": [["a"]], "steps": []}"#,
            "entry 1 of `ingredients` is a list, not text",
        ),
        (
            r#"{"title": "a", "ingredients": "['a', 'b']", "steps": []}"#,
            "`ingredients` looks like a list, but is not a JSON one",
        ),
        (
            r#"{"title": "a", "ingredients": [], "steps": [], "quality": "good"}"#,
            "`quality` is text, not a number",
        ),
        (
            r#"{"title": "a", "ingredients": [], "steps": [], "quality": []}"#,
            "`quality` is a list, not a number",
        ),
        (
            r#"{"title": "a", "ingredients": [], "steps": [], "quality": 1e300}"#,
            "`quality` is not a finite number",
        ),
        (r#"{"input": "a"}"#, "`output` is missing"),
        (r#"{"output": "a", "input": null}"#, "`input` is null"),
        (
            r#"{"input": "a", "output": ["b"]}"#,
            "`output` is a list, not text",
        ),
        ("{}", "`title` is missing"),
        ("3", "it is a number, not an object"),
        ("\"a\"", "it is text, not an object"),
        ("null", "it is null, not an object"),
    ] {
        assert_eq!(
            outline_of("a.jsonl", json),
            [format!("1 bad: {reason}")],
            "{json}"
        );
        assert_eq!(
            outline_of("a.json", format!("[{json}]")),
            [format!("1 bad: {reason}")],
            "{json}"
        );
    }
}

const GOOD: &str = r#"{"title": "g", "ingredients": [], "steps": []}"#;

#[test]
fn array_with_bad_elements() {
    let mut bytes =
        format!("[\n 1,\n{GOOD}, {{\"title\": \"]}},[\"}}\n,\n{{\"title\": \"").into_bytes();
    bytes.extend(b"\xff\"},\n");
    bytes.extend(format!("{GOOD}\n]").bytes());
    assert_eq!(
        outline_of("a.json", bytes),
        [
            "2 bad: it is a number, not an object",
            "3 g",
            "3 bad: `ingredients` is missing",
            "5 bad: not valid UTF-8 at byte 12 of the record",
            "6 g",
        ]
    );
    assert_eq!(outline_of("a.json", "[]"), [""; 0]);
    assert_eq!(outline_of("a.json", "[ \n ]\n\n"), [""; 0]);
}

#[test]
fn array_with_syntax_errors() {
    for (text, wanted) in [
        (
            format!("[\n{GOOD},\n  {{\"title\": x}}]"),
            "line 3, column 13: expected value",
        ),
        (
            format!("[\n{GOOD}\n{GOOD}]"),
            "line 3, column 1: trailing characters",
        ),
        (format!("[{GOOD},]"), "line 1, column 49: expected a value"),
        ("[,]".to_owned(), "line 1, column 2: expected a value"),
        (
            format!("[{GOOD},\n"),
            "line 2, column 1: the array is not closed",
        ),
        (
            format!("[{GOOD},\n{{\"title\": \"a"),
            "line 2, column 1: the array breaks off in this element",
        ),
        (
            format!("[{GOOD},\n{{\"title\": \"a\nb\"}}, {{}}"),
            "line 3, column 1: control character",
        ),
        (
            format!("[{GOOD}"),
            "line 1, column 2: the array breaks off in this element",
        ),
        (
            format!("[{GOOD}]\n x"),
            "line 2, column 2: something follows the closed array",
        ),
        (
            format!("[{GOOD}}}, {GOOD}]"),
            "line 1, column 48: trailing characters",
        ),
        (
            format!("[\n{{\n \"title\":\n  bad}}]"),
            "line 4, column 3: expected value",
        ),
    ] {
        let message = error_of("a.json", &text);
        assert!(
            message.contains(&format!("in {wanted}")),
            "{text}: {message}"
        );
        assert!(message.contains("write it as JSON Lines"), "{message}");
    }
}

#[test]
fn csv_rows() {
    let table = "id,Title , ingredients,directions\n\
         1,a,\"[\"\"b\"\"]\",c\n\
         \r\n\
         2,\"d \"\"e\"\"\nf\",\"\",\"\"\r\n\
         3,5\" pan,b,c";
    let given = read_bytes("a.csv", table).unwrap();
    assert_eq!(
        outline(&given),
        [
            (2, "a".to_owned()),
            (4, "d \"e\"\nf".to_owned()),
            (6, "5\" pan".to_owned())
        ]
    );
    assert_eq!(outline_of("a.csv", "title,ingredients,steps\n"), [""; 0]);
}

#[test]
fn bad_rows_do_not_end_csv() {
    let head = "title,ingredients,steps,quality\n";
    let cases: [(&[u8], &[&str]); 8] = [
        (
            b"a,b\nc,d,e,\n",
            &["2 bad: it has 2 cells, the header has 4", "3 c"],
        ),
        (
            b"a,b,c,d,e\nc,d,e,\n",
            &["2 bad: it has 5 cells, the header has 4", "3 c"],
        ),
        (
            b"\"a\"b,c,d,\nc,d,e,\n",
            &["2 bad: text follows the closing quote of cell 1", "3 c"],
        ),
        (
            b"\"a,b,c,\nc,d,e,\nf,\"g\",h,\n",
            &[
                "2 bad: text follows the closing quote of cell 1",
                "3 c",
                "4 f",
            ],
        ),
        (
            b"c,d,e,\n\"a,b,c,\nf,g,h,\n",
            &[
                "2 c",
                "3 bad: the quote that opens cell 1 never closes",
                "4 f",
            ],
        ),
        (
            b"\xff,b,c,\nc,d,e,\n",
            &["2 bad: not valid UTF-8 at byte 1 of the record", "3 c"],
        ),
        (
            b",b,c,\n\"c\n\",d,e,x\nc,d,e,",
            &[
                "2 bad: `title` is blank",
                "3 bad: `quality` is text, not a number",
                "5 c",
            ],
        ),
        (
            b"a,[b],c,\nc,d,e,",
            &[
                "2 bad: `ingredients` looks like a list, but is not a JSON one",
                "3 c",
            ],
        ),
    ];
    for (rows, wanted) in cases {
        let given = outline_of("a.csv", [head.as_bytes(), rows].concat());
        assert_eq!(given, wanted, "{}", String::from_utf8_lossy(rows));
    }
}

fn json_of(recipe: &Recipe) -> String {
    let text = |text: &String| serde_json::to_string(text).unwrap();
    let list = |items: &[String]| {
        format!(
            "[{}]",
            items.iter().map(text).collect::<Vec<_>>().join(" ,\n")
        )
    };
    format!(
        "{{\"ingredients\": {},\n\"title\": {}, \"steps\" : {}}}",
        list(&recipe.ingredients),
        text(&recipe.title),
        list(&recipe.directions)
    )
}

fn csv_of(recipe: &Recipe) -> String {
    let cell = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let list = |items: &[String]| cell(&serde_json::to_string(items).unwrap());
    let cells = [
        cell(&recipe.title),
        list(&recipe.ingredients),
        list(&recipe.directions),
    ];
    cells.join(",")
}

fn any_recipe() -> impl Strategy<Value = Recipe> {
    let text = "([a-z\"\\\\,\\[\\]{}\n\r |é\u{2028}]|\\PC){0,8}x";
    let items = || prop::collection::vec(text, 0..4);
    (text, items(), items()).prop_map(|(title, ingredients, directions)| Recipe {
        title,
        ingredients,
        directions,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_recipe_comes_out_of_any_format(recipes in prop::collection::vec(any_recipe(), 1..5)) {
        let files = Files::new();
        let join = |each: &dyn Fn(&Recipe) -> String, by: &str| recipes.iter().map(each).collect::<Vec<_>>().join(by);
        let lines = join(&|recipe| json_of(recipe).replace('\n', " "), "\n");
        let array = format!("[{}]", join(&json_of, ","));
        let table = format!("title,ingredients,steps\n{}", join(&csv_of, "\n"));
        for (name, text) in [("a.jsonl", lines), ("a.json", array), ("a.csv", table)] {
            let given = read_all(&files.write(name, text)).unwrap();
            let given: Vec<Content> = given.into_iter().map(|(_, read)| read.unwrap().content).collect();
            let wanted: Vec<Content> = recipes.iter().cloned().map(Content::Recipe).collect();
            prop_assert_eq!(given, wanted, "{}", name);
        }
    }

    #[test]
    fn no_bytes_break_it(bytes in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(b"[]{}\",\\\n:".to_vec())], 0..80)) {
        let files = Files::new();
        for name in ["a.jsonl", "a.json", "a.csv", "a.jsonl.gz", "a"] {
            let path = files.write(name, &bytes);
            if let Err(error) = read_all(&path) {
                prop_assert!(matches!(error, Error::Source { .. }), "{:?}", error);
            }
        }
    }
}

/// The folder with real recipes; `None`, with the reason printed, on a machine without it.
fn shared() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    if !path.is_dir() {
        eprintln!(
            "skipped: the real recipes are not here (`{}`)",
            path.display()
        );
        return None;
    }
    Some(path)
}

fn records(path: &Path) -> Vec<Record> {
    let given = read_all(path).unwrap();
    given
        .into_iter()
        .map(|(line, read)| read.unwrap_or_else(|bad| panic!("line {line}: {}", bad.reason)))
        .collect()
}

#[test]
fn real_files_are_read_whole() {
    let Some(data) = shared() else { return };
    for (name, kind, count) in [
        ("english_21k.jsonl.xz", "JSON Lines, xz", 21_158),
        ("public_domain_array.json", "JSON array", 405),
        ("recipenlg_style.csv", "CSV", 1_883),
        ("old_format.jsonl.xz", "JSON Lines, xz", 1_883),
    ] {
        let path = data.join(name);
        assert_eq!(detect(&path).unwrap().to_string(), kind);
        assert_eq!(records(&path).len(), count, "{name}");
    }
    let error = detect(&data.join("scrapers_dict.json")).unwrap_err();
    assert!(error.to_string().contains("one JSON object"), "{error}");
}

#[test]
fn real_recipes_split_alike_in_every_format() {
    let Some(data) = shared() else { return };
    let template = Template::default();
    let keys = |name: &str| -> Vec<u64> {
        let records = records(&data.join(name));
        records
            .iter()
            .map(|record| split_key(&template.render(&record.content).body))
            .collect()
    };
    let array = keys("public_domain_array.json");
    let table = keys("recipenlg_style.csv");
    let pairs = keys("old_format.jsonl.xz");
    assert_eq!(array[..], table[..array.len()]);
    let differing: Vec<usize> = (0..table.len())
        .filter(|index| table[*index] != pairs[*index])
        .collect();
    assert_eq!((table.len(), differing), (pairs.len(), Vec::new()));
}
