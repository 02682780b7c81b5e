//! Objects as entries of lists: no amount and no text of a step is lost.

use serde_json::{Value, json};

use super::lists::{directions, ingredients};
use super::outline_of;

#[test]
fn steps_give_their_text_and_never_a_bare_number() {
    for (step, wanted) in [
        (
            json!({"step": 1, "description": "Mix 2 eggs."}),
            vec!["Mix 2 eggs."],
        ),
        (json!({"step": "1", "instruction": "Mix."}), vec!["Mix."]),
        (json!({"step": "Step 1", "text": "Mix."}), vec!["Mix."]),
        (
            json!({"title": "Fry", "body": "Fry 5 min."}),
            vec!["Fry 5 min."],
        ),
        (
            json!({"title": "Rest", "body": "Wait 5 min."}),
            vec!["Rest: Wait 5 min."],
        ),
        (
            json!({"title": "Fry", "instructions": "For 5 min."}),
            vec!["Fry:", "For 5 min."],
        ),
        (
            json!({"step": "Mix.", "description": "Bake 5 min."}),
            vec!["Mix.", "Bake 5 min."],
        ),
        (
            json!({"step": "Mix.", "text": "Mix. Bake."}),
            vec!["Mix. Bake."],
        ),
        (
            json!({"number": 1, "step": "Add salt.", "ingredients": [{"id": 2, "name": "salt"}]}),
            vec!["Add salt."],
        ),
    ] {
        assert_eq!(directions(&json!([step])), wanted, "{step}");
    }
}

#[test]
fn ingredients_keep_their_amounts() {
    for (entry, wanted) in [
        (
            json!({"name": "eggs", "quantity": {"min": 1, "max": 2}}),
            "1-2 eggs",
        ),
        (json!({"name": "eggs", "quantity": [1, 2]}), "1-2 eggs"),
        (
            json!({"name": "rice", "quantity": {"value": 2, "unit": "cup"}}),
            "2 cup rice",
        ),
        (
            json!({"name": "milk", "amount": {"value": 2, "unit": "dl"}}),
            "2 dl milk",
        ),
        (
            json!({"name": "eggs", "quantity": 1, "quantity_max": 2}),
            "1-2 eggs",
        ),
        (json!({"text": "rice", "quantity": "2 cups"}), "2 cups rice"),
        (
            json!({"text": "2% milk", "quantity": "1 cup"}),
            "1 cup 2% milk",
        ),
        (
            json!({"text": "1½ cups rice", "quantity": 1.5, "weight": 280.0}),
            "1½ cups rice",
        ),
        (
            json!({"text": "1 1/3 cups rice", "quantity": 1.333}),
            "1 1/3 cups rice",
        ),
        (json!({"name": "rice", "weight": "200 g"}), "200 g rice"),
        (json!({"name": "rice", "grams": 200}), "200 g rice"),
        (
            json!({"name": "rice", "quantity": 1, "unit": "cup", "grams": 200}),
            "1 cup (200 g) rice",
        ),
        (
            json!({"name": "eggs", "count": 2, "size": "large"}),
            "2 large eggs",
        ),
        (
            json!({"name": "peas", "count": 2, "size": "400 g"}),
            "2 (400 g) peas",
        ),
        (
            json!({"ingredient": {"id": 3, "name": "rice"}, "position": 1,
                "measurements": [{"quantity": "2", "unit": {"name": "cup"}}, {"quantity": "400", "unit": {"name": "g"}}]}),
            "2 cup / 400 g rice",
        ),
        (
            json!({"quantity": 2, "unit": "cups", "ingredient": {"name": "rice", "id": 1}}),
            "2 cups rice",
        ),
        (
            json!({"ingredient": {"name": "rice", "amount": "2 cups"}, "note": "washed"}),
            "2 cups rice, washed",
        ),
        (
            json!({"name": "rice", "calories": 200, "foodId": 7, "image": {"width": 3}}),
            "rice",
        ),
    ] {
        assert_eq!(ingredients(&json!([entry])), [wanted], "{entry}");
    }
}

#[test]
fn a_number_that_nobody_knows_makes_the_record_bad() {
    let reason = |entry: Value| {
        let record = json!({"title": "t", "ingredients": [entry], "directions": []});
        outline_of("a.jsonl", record.to_string()).concat()
    };
    assert_eq!(
        reason(json!({"name": "rice", "portion": 2})),
        "1 bad: entry 1 of `ingredients` is an object whose `portion` is not understood: write the whole as one text"
    );
    assert!(reason(json!({"text": "rice", "extra": {"x": "2 cups"}})).contains("`extra`"));
}
