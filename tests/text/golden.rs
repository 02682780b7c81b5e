//! Texts stay what they are as long as the version of the rules does.

use chefgenius::recipe::{Content, Recipe};
use chefgenius::split::split_key;
use chefgenius::text::{AsIs, NORMALISATION, Template, quality};
use serde::{Deserialize, Serialize};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Golden {
    normalisation: u32,
    cases: Vec<Case>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Case {
    title: String,
    ingredients: Vec<String>,
    directions: Vec<String>,
    prompt: String,
    target: String,
    split_key: String,
    quality: f32,
}

/// A golden file that differs is printed as it would have to be: take it over with a new `NORMALISATION`.
#[test]
fn texts_are_golden() {
    let file = include_str!("../golden/text.json");
    let golden: Golden = serde_json::from_str(file).unwrap();
    assert!(golden.cases.len() >= 8);
    let again = Golden {
        normalisation: NORMALISATION,
        cases: golden.cases.iter().map(case).collect(),
    };
    assert!(
        golden == again,
        "{}",
        serde_json::to_string_pretty(&again).unwrap()
    );
}

fn case(given: &Case) -> Case {
    let recipe = Recipe {
        title: given.title.clone(),
        ingredients: given.ingredients.clone(),
        directions: given.directions.clone(),
    };
    let quality = quality(&recipe);
    let text = Template::default().render(&Content::Recipe(recipe), &mut AsIs);
    Case {
        title: given.title.clone(),
        ingredients: given.ingredients.clone(),
        directions: given.directions.clone(),
        prompt: text.prompt,
        target: text.target,
        split_key: format!("{:016x}", split_key(&text.body)),
        quality,
    }
}
