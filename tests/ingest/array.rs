//! JSON arrays with something wrong in them.

use super::{error_of, outline_of};

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
            "line 2, column 12: control character",
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
            "[\n{\n \"title\":\n  bad}]".to_owned(),
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
