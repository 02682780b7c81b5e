//! JSON objects: keyed by id, alone in a file, and JSON-LD.

use super::{error_of, outline_of};

const RECIPE: &str =
    r#""name": "Rice", "recipeIngredient": ["1 cup rice"], "recipeInstructions": "Boil.""#;

#[test]
fn objects_keyed_by_id() {
    let text = format!(
        "{{\n \"a\\\"}}:,\": {{{RECIPE}}},\n \"b\" :\n{{\"title\": 1, \"ingredients\": [], \"steps\": []}}, \"c\": 7,\n\"d\": {{{RECIPE}}}}}\n"
    );
    let wanted = [
        "2 Rice",
        "4 bad: `title` is a number, not text",
        "4 bad: it is a number, not an object",
        "5 Rice",
    ];
    assert_eq!(outline_of("a.json", &text), wanted);
    let one_line = text.replace('\n', " ");
    assert_eq!(outline_of("a.json", &one_line).len(), 4);
    for (cut, wanted) in [
        (
            "{\n\"a\": {\"title\": \"x\"}",
            "line 2, column 6: the object breaks off in this element",
        ),
        (
            "{\n\"a\": {\"name\": []},\n\"b\" {}}",
            "line 3, column 5: expected `:` after the key",
        ),
        (
            "{\n\"a\": {\"name\": []},\nb: {}}",
            "line 3, column 1: expected a key in quotes",
        ),
        (
            "{\n\"a\": {\"name\": []}}\n x",
            "line 3, column 2: something follows the closed object",
        ),
        (
            "{\n\"a\": {\"name\": []},\n\"b",
            "line 3, column 1: the key is not closed",
        ),
    ] {
        let message = error_of("a.json", cut);
        assert!(message.contains(wanted), "{message}");
    }
}

#[test]
fn a_file_may_be_one_record() {
    let pretty =
        format!("{{\n  \"@context\": {{\"a\": 1}},\n  \"@type\": \"Recipe\",\n  {RECIPE}\n}}\n");
    assert_eq!(outline_of("a.json", &pretty), ["1 Rice"]);
    assert_eq!(
        outline_of("a.jsonld", format!("\n{{\"nutrition\": {{}},\n{RECIPE}}}")),
        ["2 Rice"]
    );
    assert_eq!(
        outline_of(
            "a.json",
            "{\n\"title\": \"x\", \"ingredients\": [],\n \"steps\": [}"
        ),
        ["1 bad: not valid JSON in column 12 of its line 3: expected value"]
    );
    let many = format!("{{\"@type\": [\"Thing\", \"Recipe\"], {RECIPE}}}\n").repeat(2);
    assert_eq!(outline_of("a.json", many), ["1 Rice", "2 Rice"]);
}

#[test]
fn the_recipes_of_a_graph() {
    let node = format!("{{\"@type\": [\"http://schema.org/Recipe\"], {RECIPE}}}");
    let graph = format!(
        "{{\"@context\": \"https://schema.org\", \"@graph\": [\n{{\"@type\": \"WebSite\", \"name\": \"x\"}},\n{node},\n 3, {node}]}}\n"
    );
    assert_eq!(outline_of("a.json", &graph), ["3 Rice", "4 Rice"]);
    let lines = format!(
        "{{\"@graph\": [{node}, {{\"@type\": \"Person\"}}]}}\n{{\"@type\": \"Person\", \"name\": \"x\"}}\n{{\"@graph\": {node}}}\n{{\"@graph\": [{node},{node}]}}\n{{\"@graph\": []}}\n"
    );
    assert_eq!(
        outline_of("a.jsonl", lines),
        [
            "1 Rice",
            "2 bad: its `@type` is `Person`, not `Recipe`",
            "3 Rice",
            "4 bad: its `@graph` holds more than one `Recipe`: give each a record of its own",
            "5 bad: its `@graph` holds no `Recipe`",
        ]
    );
    assert_eq!(
        outline_of(
            "a.json",
            "{\"@context\": 1,\n\"@graph\": [{\"@type\": \"Person\"}]}"
        ),
        ["1 bad: its `@graph` holds no `Recipe`"]
    );
    assert_eq!(
        outline_of("a.json", "{\"@type\": \"Person\",\n\"name\": \"x\"}"),
        ["1 bad: its `@type` is `Person`, not `Recipe`"]
    );
}

#[test]
fn nodes_of_an_array_that_are_no_recipes_are_left_out() {
    let node = format!("{{\"@type\": \"Recipe\", {RECIPE}}}");
    let array =
        format!("[{{\"@type\": \"WebSite\", \"name\": \"x\"}},\n{node}, {{\"title\": \"@type\"}}]");
    assert_eq!(
        outline_of("a.json", array),
        ["2 Rice", "2 bad: `ingredients` is missing"]
    );
    let message = error_of(
        "a.json",
        "[{\"@type\": \"WebSite\"}, {\"@type\": \"Person\"}]",
    );
    assert!(
        message.contains("none of its 2 JSON-LD nodes is a `Recipe`"),
        "{message}"
    );
}

#[test]
fn a_graph_on_one_line_is_a_document() {
    let node = format!("{{\"@type\": \"Recipe\", {RECIPE}}}");
    for name in ["a.json", "a.jsonld"] {
        let graph = format!("{{\"@context\": 1, \"@graph\": [{node}, {node}]}}\n");
        assert_eq!(outline_of(name, graph), ["1 Rice", "1 Rice"]);
    }
    let page = format!("{{\"@type\": \"WebPage\", \"mainEntity\": {node}}}");
    assert_eq!(outline_of("a.json", page), ["1 Rice"]);
}

#[test]
fn the_only_list_of_objects_holds_the_records() {
    for text in [
        format!("{{\"count\": 2, \"recipes\": [{{{RECIPE}}}, {{{RECIPE}}}], \"x\": [1]}}"),
        format!("{{\"data\": [{{{RECIPE}}}, {{{RECIPE}}}]\n}}"),
    ] {
        assert_eq!(outline_of("a.json", text), ["1 Rice", "1 Rice"]);
    }
    let two = format!("{{\"a\": [{{{RECIPE}}}], \"b\": [{{{RECIPE}}}]}}");
    assert_eq!(
        outline_of("a.json", two),
        ["1 bad: it holds a list of objects under each of `a` and `b`: keep the one of recipes"]
    );
}
