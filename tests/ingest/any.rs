//! What holds for all recipes and for all bytes.

use std::path::Path;

use chefgenius::error::Error;
use chefgenius::ingest::{Names, records_of_bytes};
use chefgenius::recipe::{Content, Recipe};
use proptest::prelude::*;

use super::{Files, read_all};

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

/// The lists as Python prints them, between semicolons.
fn python_of(recipe: &Recipe) -> String {
    let cell = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let list = |items: &[String]| {
        cell(&format!(
            "[{}]",
            items
                .iter()
                .map(|item| repr(item))
                .collect::<Vec<_>>()
                .join(", ")
        ))
    };
    let cells = [
        cell(&recipe.title),
        list(&recipe.directions),
        list(&recipe.ingredients),
    ];
    cells.join(";")
}

/// Python's `repr` of a text.
fn repr(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    let mut repr = String::from(quote);
    for char in text.chars() {
        match char {
            '\\' => repr.push_str("\\\\"),
            '\n' => repr.push_str("\\n"),
            '\r' => repr.push_str("\\r"),
            '\t' => repr.push_str("\\t"),
            _ if char == quote => repr.extend(['\\', quote]),
            '\u{2028}' => repr.push_str("\\u2028"),
            'é' => repr.push_str("\\xe9"),
            _ if char > '\u{ffff}' => repr.push_str(&format!("\\U{:08x}", u32::from(char))),
            _ => repr.push(char),
        }
    }
    repr.push(quote);
    repr
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
    #![proptest_config(crate::common::cases(256))]

    #[test]
    fn any_recipe_comes_out_of_any_format(recipes in prop::collection::vec(any_recipe(), 1..5)) {
        let files = Files::new();
        let join = |each: &dyn Fn(&Recipe) -> String, by: &str| recipes.iter().map(each).collect::<Vec<_>>().join(by);
        let lines = join(&|recipe| json_of(recipe).replace('\n', " "), "\n");
        let array = format!("[{}]", join(&json_of, ","));
        let table = format!("title,ingredients,steps\n{}", join(&csv_of, "\n"));
        let keyed = format!("{{\n{}}}", join(&|recipe| format!("\"k\": {}", json_of(recipe)), ","));
        let python = format!("title;steps;ingredients\n{}", join(&python_of, "\n"));
        for (name, text) in [("a.jsonl", lines), ("a.json", array), ("a.csv", table), ("k.json", keyed), ("p.csv", python)] {
            let given = read_all(&files.write(name, text)).unwrap();
            let given: Vec<Content> = given.into_iter().map(|(_, read)| read.unwrap().content).collect();
            let wanted: Vec<Content> = recipes.iter().cloned().map(Content::Recipe).collect();
            prop_assert_eq!(given, wanted, "{}", name);
        }
    }

    #[test]
    fn no_bytes_break_it(bytes in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(b"[]{}\",\\\n:'#-*|<>(".to_vec())], 0..80)) {
        for name in NAMES {
            survives(name, &bytes)?;
        }
    }

    #[test]
    fn no_nearly_right_text_breaks_it(pieces in prop::collection::vec(prop::sample::select(PIECES.to_vec()), 0..30)) {
        let text = pieces.concat();
        let cell = serde_json::to_string(&text).unwrap();
        let record = format!("{{\"title\": \"a\", \"ingredients\": {cell}, \"steps\": [{cell}]}}");
        for name in NAMES {
            survives(name, text.as_bytes())?;
            survives(name, record.as_bytes())?;
        }
    }
}

const NAMES: [&str; 9] = [
    "a.jsonl",
    "a.json",
    "a.csv",
    "a.tsv",
    "a.md",
    "a.tar",
    "a.jsonl.gz",
    "a.json.xz",
    "a",
];

const PIECES: [&str; 44] = [
    "[",
    "]",
    "{",
    "}",
    "(",
    ")",
    "'",
    "\"",
    ",",
    ":",
    " ",
    "\n",
    "\r\n",
    "\t",
    "\\",
    "\\x4",
    "\\u00e9",
    "\\ud83c",
    "c(",
    "NA",
    "None",
    "array(",
    "dtype=object",
    "--",
    " | ",
    "<li>",
    "</li>",
    "<br",
    "é",
    "米",
    "title",
    "\"@graph\": [",
    "\"@type\": \"Recipe\"",
    "# ",
    "## Ingredients\n",
    "## Directions\n",
    "- ",
    "1. ",
    "**",
    "![",
    "](",
    "---\n",
    "|",
    "\u{feff}",
];

/// Reads the bytes as a file of this name: records, or an error of the source.
fn survives(name: &str, bytes: &[u8]) -> Result<(), TestCaseError> {
    if let Err(error) = records_of_bytes(Path::new(name), bytes, &Names::default(), &mut |_| Ok(()))
    {
        prop_assert!(matches!(error, Error::Source { .. }), "{:?}", error);
    }
    Ok(())
}
