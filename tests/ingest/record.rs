//! Fields to a record, or the reason why not.

use chefgenius::recipe::{BadRecord, Content, Pair, Recipe, Record};

use super::{outline_of, read_bytes};

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
            r#"{"name": "t", "title": null, "ingredients": [], "steps": [], "output": "o"}"#,
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

fn reads(name: &str, text: &str) -> Vec<Result<Record, BadRecord>> {
    let given = read_bytes(name, text).unwrap();
    given.into_iter().map(|(_, read)| read).collect()
}

#[test]
fn ready_pairs() {
    let wanted = |quality| {
        let content = Content::Pair(Pair {
            input: "i".to_owned(),
            output: "o\np".to_owned(),
        });
        [Ok(Record { content, quality })]
    };
    let json = r#"{"input": "i", "output": "o\np", "quality_score": 1, "title": 7, "metadata": {"title": "x"}}"#;
    assert_eq!(reads("a.jsonl", json), wanted(Some(1.0)));
    let json = r#"{"input": "i", "output": "o\np", "quality": "0.25"}"#;
    assert_eq!(reads("a.jsonl", json), wanted(Some(0.25)));
    assert_eq!(reads("a.csv", "Input,OUTPUT\ni,\"o\np\"\n"), wanted(None));
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
            r#"{"title": "a", "ingredients": ["b", {"unit": "cup"}], "steps": []}"#,
            "entry 2 of `ingredients` is an object without a text or a name",
        ),
        (
            r#"{"title": "a", "ingredients": "['a', b]", "steps": []}"#,
            "`ingredients` looks like a list and is none: at byte 6 of it a text in quotes is missing: write it as a \
             JSON list",
        ),
        (
            r#"{"title": "a", "ingredients": [], "steps": [], "title": "b"}"#,
            "`title` is there twice",
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
