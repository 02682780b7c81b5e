//! The one text form of a recipe.

use chefgenius::recipe::Recipe;
use chefgenius::text::{self, Template};
use pyo3::prelude::*;

/// Title, ingredients and steps of a recipe's text; None where it is none.
#[pyfunction]
pub fn parse_recipe(text: &str) -> Option<(String, Vec<String>, Vec<String>)> {
    text::parse_recipe(text).map(|r| (r.title, r.ingredients, r.directions))
}

/// The text of a recipe, normalised.
#[pyfunction]
pub fn recipe_text(title: String, ingredients: Vec<String>, directions: Vec<String>) -> String {
    text::recipe_text(&text::clean(&Recipe {
        title,
        ingredients,
        directions,
    }))
}

/// What an ingredient line is about, without quantity, unit and remarks.
#[pyfunction]
pub fn ingredient_name(line: &str) -> String {
    text::ingredient_name(line)
}

/// The prompt and target of the template that is used where none is given.
#[pyfunction]
pub fn default_template() -> (String, String) {
    let template = Template::default();
    (template.prompt().into(), template.target().into())
}
