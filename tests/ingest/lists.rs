//! Lists in every spelling that is seen in the wild, through JSON, CSV and objects.

use chefgenius::recipe::{Content, Recipe};
use serde_json::{Value, json};

use super::{outline_of, read_bytes};

/// The one recipe of a file.
fn recipe_of(name: &str, text: impl AsRef<[u8]>) -> Recipe {
    let given = read_bytes(name, text).unwrap();
    assert_eq!(given.len(), 1);
    match given[0].1.clone().unwrap().content {
        Content::Recipe(recipe) => recipe,
        Content::Pair(pair) => panic!("{pair:?}"),
    }
}

pub(crate) fn ingredients(value: &Value) -> Vec<String> {
    let record = json!({"title": "t", "ingredients": value, "directions": ["d"]});
    recipe_of("a.jsonl", record.to_string()).ingredients
}

pub(crate) fn directions(value: &Value) -> Vec<String> {
    let record = json!({"title": "t", "ingredients": [], "directions": value});
    recipe_of("a.jsonl", record.to_string()).directions
}

#[test]
fn one_list_in_many_spellings() {
    let wanted = ["1 cup rice", "baker's yeast", "½ tsp “salt”, fine"];
    for value in [
        json!(wanted),
        json!(json!(wanted).to_string()),
        json!(json!(json!(wanted).to_string()).to_string()),
        json!([json!(wanted).to_string()]),
        json!("['1 cup rice', \"baker's yeast\", '½ tsp “salt”, fine']"),
        json!("['1 cup rice', 'baker\\'s yeast', None, '', '\\xbd tsp \\u201csalt\\u201d, fine',]"),
        json!("('1 cup rice', \"baker's yeast\", '½ tsp “salt”, fine')"),
        json!(
            "array(['1 cup rice', \"baker's yeast\",\n       '½ tsp “salt”, fine'], dtype=object)"
        ),
        json!("['1 cup rice' \"baker's yeast\"\n '½ tsp “salt”, fine']"),
        json!("c(\"1 cup rice\", \"baker's yeast\", NA, \"½ tsp “salt”, fine\")"),
        json!("1 cup rice--baker's yeast--½ tsp “salt”, fine"),
        json!("1 cup rice | baker's yeast | ½ tsp “salt”, fine"),
        json!("1 cup rice\r\nbaker's yeast\r\n\r\n½ tsp “salt”, fine\r"),
        json!("1 cup rice\rbaker's yeast\r½ tsp “salt”, fine"),
        json!(
            "<ul>\n<li>1 cup rice</li>\n<li class=\"x\">baker's\nyeast</li><li>½ tsp “salt”, fine</li></ul>"
        ),
        json!("<p>1 cup rice</p><p>baker's yeast<br/>½ tsp “salt”, fine</p>"),
        json!([
            "1 cup rice",
            null,
            "",
            " ",
            ["baker's yeast"],
            "½ tsp “salt”, fine"
        ]),
    ] {
        let found: Vec<String> = ingredients(&value)
            .iter()
            .map(|item| item.trim().to_owned())
            .collect();
        assert_eq!(found, wanted, "{value}");
        let found: Vec<String> = directions(&value)
            .iter()
            .map(|item| item.trim().to_owned())
            .collect();
        // A step may hold dashes.
        if !value.to_string().contains("--") {
            assert_eq!(found, wanted, "{value}");
        }
    }
}

#[test]
fn entries_that_are_no_text() {
    assert_eq!(
        ingredients(&json!([2, 1.5, "3 eggs", null])),
        ["2", "1.5", "3 eggs"]
    );
    assert_eq!(
        ingredients(&json!([
            {"quantity": 1.0, "unit": "cup", "name": "rice", "note": "washed"},
            {"amount": "1/2", "measure": "tsp", "ingredient": "salt"},
            {"qty": null, "unit": "", "item": "pepper", "comment": null},
            {"text": "2 eggs", "quantity": 2, "name": "egg"},
            {"original": "3 limes", "id": 7, "amount": 3.0},
            {"quantity": 2, "unit": {"name": "cups", "id": 4}, "food": {"name": "milk"}},
            {"display_text": "some oil"},
        ])),
        [
            "1 cup rice, washed",
            "1/2 tsp salt",
            "pepper",
            "2 eggs",
            "3 limes",
            "2 cups milk",
            "some oil"
        ]
    );
    assert_eq!(
        ingredients(&json!([
            {"section": "Dough", "ingredients": ["flour", {"name": "salt", "amount": 2, "unit": "g"}]},
            {"group": null, "items": ["eggs"]},
            {"name": "For the sauce:", "items": "milk\nbutter"},
        ])),
        [
            "Dough:",
            "flour",
            "2 g salt",
            "eggs",
            "For the sauce:",
            "milk",
            "butter"
        ]
    );
    assert_eq!(
        ingredients(&json!({"Dough": ["flour", "salt"], "Sauce": ["milk"]})),
        ["Dough:", "flour", "salt", "Sauce:", "milk"]
    );
    assert_eq!(
        ingredients(&json!({"eggs": 2, "flour": "1 cup"})),
        ["2 eggs", "1 cup flour"]
    );
    assert_eq!(
        directions(&json!({"1": "Mix.", "2": "Bake."})),
        ["Mix.", "Bake."]
    );
    assert_eq!(
        directions(&json!({"step1": "Mix.", "step2": "Bake."})),
        ["Mix.", "Bake."]
    );
    assert_eq!(
        directions(
            &json!([{"name": "", "steps": [{"number": 1, "step": "Mix."}, {"number": 2, "step": "Bake."}]}])
        ),
        ["Mix.", "Bake."]
    );
}

#[test]
fn long_texts_are_not_cut_up() {
    let giant = format!(
        "Mix. {}Bake -- do not stir -- until brown.",
        "Stir well. ".repeat(5000)
    );
    assert_eq!(directions(&json!(giant)), std::slice::from_ref(&giant));
    assert_eq!(directions(&json!("1. Mix. 2. Bake.")), ["1. Mix. 2. Bake."]);
    assert_eq!(
        ingredients(&json!("1 onion -- chopped")),
        ["1 onion -- chopped"]
    );
    assert_eq!(ingredients(&json!("salt, pepper")), ["salt, pepper"]);
    assert_eq!(directions(&json!("")), [""; 0]);
}

#[test]
fn schema_org_instructions() {
    assert_eq!(
        directions(&json!([
            {"@type": "HowToStep", "text": "Mix.", "name": "Mixing", "url": "x"},
            {"@type": "HowToStep", "name": "Rest."},
            {"@type": "HowToStep", "text": "Fold 2 eggs in.", "itemListElement": [{"text": "Beat."}]},
            {"@type": "HowToStep", "text": {"@value": "Wait 5 min."}},
            {"@type": "HowToSection", "name": "Sauce", "itemListElement": [
                {"@type": "HowToStep", "text": "Stir."},
                {"@type": "HowToStep", "itemListElement": [{"@type": "HowToDirection", "text": "Boil."}]},
            ]},
            ["Serve."],
        ])),
        [
            "Mix.",
            "Rest.",
            "Fold 2 eggs in.",
            "Beat.",
            "Wait 5 min.",
            "Sauce:",
            "Stir.",
            "Boil.",
            "Serve."
        ]
    );
    assert_eq!(
        directions(&json!({"@type": "ItemList", "itemListElement": [
            {"@type": "ListItem", "position": 1, "item": {"@type": "HowToStep", "text": "Mix."}},
        ]})),
        ["Mix."]
    );
}

#[test]
fn groups_give_their_headings_where_they_hold_the_same() {
    let of = |flat: Value, groups: Value| {
        let record = json!({"title": "t", "ingredients": flat, "ingredient_groups": groups, "instructions": "x",
            "instructions_list": ["d", "e"]});
        let recipe = recipe_of("a.jsonl", record.to_string());
        assert_eq!(recipe.directions, ["d", "e"]);
        recipe.ingredients
    };
    let groups = json!([{"purpose": "Crust", "ingredients": ["b"]}, {"purpose": null, "ingredients": ["a", "c"]}]);
    assert_eq!(
        of(json!(["a", "b", "c"]), groups.clone()),
        ["Crust:", "b", "a", "c"]
    );
    assert_eq!(
        of(json!(["a", "b", "c", "d"]), groups.clone()),
        ["a", "b", "c", "d"]
    );
    assert_eq!(
        of(
            json!(["a", "b"]),
            json!([{"purpose": null, "ingredients": ["b", "a"]}])
        ),
        ["a", "b"]
    );
    assert_eq!(of(Value::Null, groups), ["Crust:", "b", "a", "c"]);
}

#[test]
fn food_com_s_two_tables() {
    let raw = "name,id,minutes,steps,description,ingredients,n_ingredients\n\
        rice,1,5,\"['boil water', \"\"don't stir\"\"]\",x,\"['1 cup rice', 'salt']\",2\n";
    let recipe = recipe_of("RAW_recipes.csv", raw);
    assert_eq!(
        (recipe.title.as_str(), recipe.directions.len()),
        ("rice", 2)
    );
    assert_eq!(recipe.directions[1], "don't stir");
    assert_eq!(recipe.ingredients, ["1 cup rice", "salt"]);

    let table = |quantities: &str, parts: &str| {
        let cell = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
        let text = format!(
            "RecipeId,Name,RecipeIngredientQuantities,RecipeIngredientParts,RecipeInstructions\n1,Rice,{},{},{}\n",
            cell(quantities),
            cell(parts),
            cell("c(\"Boil.\", \"Eat.\")")
        );
        recipe_of("recipes.csv", text).ingredients
    };
    assert_eq!(
        table(r#"c("1", "1/2", NA)"#, r#"c("rice", "sugar", "salt")"#),
        ["1 rice", "1/2 sugar", "salt"]
    );
    let unlike = json!({"title": "t", "RecipeIngredientQuantities": ["1", "2"], "ingredients": ["a"], "steps": []});
    assert_eq!(
        outline_of("a.jsonl", unlike.to_string()),
        [
            "1 bad: `RecipeIngredientQuantities` has 2 entries and `ingredients` 1, so that nobody can tell which is \
             whose: give both as many"
        ]
    );
    assert_eq!(table("4", "eggs"), ["4 eggs"]);
    assert_eq!(table("character(0)", "character(0)"), [""; 0]);
}

#[test]
fn what_looks_like_a_list_and_is_none_is_a_bad_record() {
    let text = "title,ingredients,steps\na,\"['b', 'c\",d\ne,\"['f']\",g\n";
    let given = outline_of("a.csv", text);
    assert_eq!(
        given,
        [
            "2 bad: `ingredients` looks like a list and is none: at byte 6 of it the quote that closes this one is \
             missing: write it as a JSON list",
            "3 e"
        ]
    );
}
