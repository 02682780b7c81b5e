//! A recipe's text and back.
#![allow(clippy::unwrap_used, reason = "tests")]

use chefgenius::recipe::Recipe;
use chefgenius::text::{clean, parse_recipe, recipe_text};

mod common;
#[path = "text/any.rs"]
mod any;
#[path = "text/golden.rs"]
mod golden;
#[path = "text/name.rs"]
mod name;
#[path = "text/normalise.rs"]
mod normalise;
#[path = "text/quality.rs"]
mod quality;
#[path = "text/read_back.rs"]
mod read_back;
#[path = "text/template.rs"]
mod template;

fn recipe(title: &str, ingredients: &[&str], directions: &[&str]) -> Recipe {
    let owned = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect();
    Recipe {
        title: title.to_owned(),
        ingredients: owned(ingredients),
        directions: owned(directions),
    }
}

fn lemon_rice() -> Recipe {
    recipe(
        "Lemon Rice",
        &["1 cup rice", "2 lemons"],
        &["Cook the rice.", "Squeeze the lemons over it."],
    )
}

const LEMON_RICE: &str = "title: Lemon Rice | ingredients: 1 cup rice | 2 lemons | directions: Cook the rice. | \
     Squeeze the lemons over it.";

/// Each `(given, wanted)` of a function from text to text.
fn assert_all(function: impl Fn(&str) -> String, cases: &[(&str, &str)]) {
    for (given, wanted) in cases {
        assert_eq!(function(given), *wanted, "given {given:?}");
    }
}

#[test]
fn clean_drops_what_the_list_says_already() {
    let messy = recipe(
        " Lemon&nbsp;Rice\r",
        &[
            "• 1 cup rice",
            "- 2 lemons",
            "* salt",
            "*optional",
            "",
            "-",
            "-5 C",
            "1. rice",
        ],
        &[
            "1. Cook.",
            "<br>",
            "2) Squeeze.",
            "3. 3. Wait.",
            "2. Stay.",
            "5.5 cups go in.",
            "6.",
            "- 6. Eat.",
        ],
    );
    assert_eq!(
        clean(&messy),
        recipe(
            "Lemon Rice",
            &[
                "1 cup rice",
                "2 lemons",
                "salt",
                "*optional",
                "-5 C",
                "1. rice"
            ],
            &[
                "Cook.",
                "Squeeze.",
                "Wait.",
                "2. Stay.",
                "5.5 cups go in.",
                "Eat."
            ],
        )
    );
}

#[test]
fn clean_keeps_items_apart_from_heads() {
    let tricky = recipe(
        "title: x",
        &["directions: stir", "ingredients : y"],
        &["title:", "directional"],
    );
    let cleaned = clean(&tricky);
    assert_eq!(cleaned.ingredients, ["Directions: stir", "Ingredients : y"]);
    assert_eq!(cleaned.directions, ["Title:", "directional"]);
    assert_eq!(parse_recipe(&recipe_text(&cleaned)), Some(cleaned));
}

#[test]
fn recipe_text_is_one_line() {
    assert_eq!(recipe_text(&lemon_rice()), LEMON_RICE);
    assert_eq!(
        recipe_text(&recipe("Toast", &[], &["Toast."])),
        "title: Toast | ingredients: | directions: Toast."
    );
    assert_eq!(
        recipe_text(&recipe("", &[], &[])),
        "title: | ingredients: | directions:"
    );
}

#[test]
fn parse_recipe_is_free_about_space() {
    assert_eq!(parse_recipe(LEMON_RICE), Some(lemon_rice()));
    let spaced = LEMON_RICE.replace(' ', " \n ").replace(':', " :");
    assert_eq!(parse_recipe(&spaced), Some(lemon_rice()));
    let tight = LEMON_RICE.replace(" | ", "|").replace(": ", ":");
    assert_eq!(parse_recipe(&tight), Some(lemon_rice()));
    let doubled = LEMON_RICE.replace(" | ", " | | ");
    assert_eq!(parse_recipe(&doubled), Some(lemon_rice()));
}

#[test]
fn parse_recipe_needs_all_heads_once_and_in_order() {
    for text in [
        "",
        "a page",
        "title: a",
        "title: a | ingredients: b",
        "title: a | directions: b",
        "title: a | directions: b | ingredients: c",
        "ingredients: b | title: a | directions: c",
        "title: a | b | ingredients: c | directions: d",
        "title: a | ingredients: b | ingredients: c | directions: d",
        "title: a | ingredients: b | directions: c | directions: d",
        "title: a | ingredients: b | directions: c | title: d",
        "Title: a | Ingredients: b | Directions: c",
    ] {
        assert_eq!(parse_recipe(text), None, "{text:?}");
    }
}
