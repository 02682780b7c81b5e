//! Quantities, and what is left of a target.

use chefgenius::text::{ReadBack, clean, quantities, read_back, recipe_text};
use proptest::prelude::*;

use super::{LEMON_RICE, recipe};

#[test]
fn quantities_are_numbers_as_recipes_write_them() {
    for (item, wanted) in [
        ("2 eggs", vec!["2"]),
        ("1/2 cup", vec!["1/2"]),
        ("1 1/2 cups", vec!["1 1/2"]),
        ("1  1/2-inch", vec!["1  1/2"]),
        ("1.5 l, .5 l and approx.5 l", vec!["1.5", ".5", "5"]),
        (
            "1,000 g, 12,345,678 g, 1,50 g, 1,0000",
            vec!["1,000", "12,345,678", "1", "50", "1", "0000"],
        ),
        ("1,234.5 g", vec!["1,234.5"]),
        ("5-6 cloves", vec!["5", "6"]),
        ("5 6/7 8", vec!["5 6/7", "8"]),
        ("1/2-3/4 cup", vec!["1/2", "3/4"]),
        ("2 x 400g", vec!["2", "400"]),
        ("9x13-inch", vec!["9", "13"]),
        ("350°F/175°C", vec!["350", "175"]),
        ("1/2/3", vec!["1/2", "3"]),
        ("1 / 2", vec!["1", "2"]),
        ("Step 1. Mix 2... 3...4", vec!["1", "2", "3", "4"]),
        ("cm2, H2O, V8", vec!["2", "2", "8"]),
        ("salt", vec![]),
        ("", vec![]),
        ("1/", vec!["1"]),
        ("٣ ½", vec![]),
    ] {
        assert_eq!(quantities(item).collect::<Vec<_>>(), wanted, "{item:?}");
    }
}

fn figures(target: &str, decoded: &str) -> (bool, u32, u32) {
    let ReadBack {
        same,
        quantities,
        quantities_same,
    } = read_back(target, decoded);
    (same, quantities, quantities_same)
}

#[test]
fn read_back_counts_what_came_back() {
    assert_eq!(figures(LEMON_RICE, LEMON_RICE), (true, 2, 2));
    assert_eq!(
        figures(LEMON_RICE, &LEMON_RICE.replace(" | ", "|")),
        (true, 2, 2)
    );
    assert_eq!(
        figures(LEMON_RICE, &LEMON_RICE.replace("lemons |", "limes |")),
        (false, 2, 2)
    );
    assert_eq!(
        figures(LEMON_RICE, &LEMON_RICE.replace("2 lemons", "3 lemons")),
        (false, 2, 1)
    );
    assert_eq!(figures(LEMON_RICE, "rice"), (false, 2, 0));
    assert_eq!(figures(LEMON_RICE, ""), (false, 2, 0));
    // The second ingredient fell into the first.
    assert_eq!(
        figures(LEMON_RICE, &LEMON_RICE.replace("rice | 2", "rice 2")),
        (false, 2, 1)
    );
}

#[test]
fn read_back_aligns_the_quantities_of_an_item() {
    let step = |text: &str| format!("title: x | ingredients: y | directions: {text}");
    for (written, read, wanted) in [
        ("Bake 1 1/2 cups", "Bake 1 12 cups", (1, 0)),
        ("Bake 10 min at 350, 2 cups", "Bake at 350, 2 cups", (3, 2)),
        ("1 2 3 4", "4 1 2 3", (4, 3)),
        ("1 2 3 4", "1 9 3 9 4", (4, 3)),
        ("1 2", "2 1", (2, 1)),
        ("1  1/2 cups.", "1 1/2 cups", (1, 1)),
    ] {
        let (_, all, same) = figures(&step(written), &step(read));
        assert_eq!((all, same), wanted, "{written:?} {read:?}");
    }
}

#[test]
fn read_back_of_other_targets_compares_words() {
    assert_eq!(
        figures("Boil 2 eggs. | Eat 1.", "Boil 2  eggs. | Eat 1."),
        (true, 2, 2)
    );
    assert_eq!(
        figures("Boil 2 eggs. | Eat 1.", "Boil 2 eggs.|Eat 1."),
        (false, 2, 2)
    );
    assert_eq!(figures("Boil 2 eggs.", "Boil eggs."), (false, 1, 0));
    assert_eq!(figures("", ""), (true, 0, 0));
}

/// The longest common subsequence, by its definition.
fn naive(a: &[&str], b: &[&str]) -> u32 {
    match (a, b) {
        ([first, a @ ..], [other, b @ ..]) if first == other => 1 + naive(a, b),
        ([_, shorter @ ..], [_, other @ ..]) => naive(shorter, b).max(naive(a, other)),
        _ => 0,
    }
}

proptest! {
    #![proptest_config(crate::common::cases(512))]

    #[test]
    fn quantities_in_order_are_the_longest_common_subsequence(
        a in prop::collection::vec(1_u8..4, 0..7),
        b in prop::collection::vec(1_u8..4, 0..7),
    ) {
        let words = |numbers: &[u8]| -> Vec<String> { numbers.iter().map(u8::to_string).collect() };
        let (a, b) = (words(&a), words(&b));
        let of = |words: &[String]| {
            recipe_text(&clean(&recipe("x", &[&format!("y {}", words.join(" "))], &["Mix."])))
        };
        let a_refs: Vec<&str> = a.iter().map(String::as_str).collect();
        let b_refs: Vec<&str> = b.iter().map(String::as_str).collect();
        let back = read_back(&of(&a), &of(&b));
        prop_assert_eq!(back.quantities as usize, a.len());
        prop_assert_eq!(back.quantities_same, naive(&a_refs, &b_refs));
        prop_assert_eq!(back.same, a == b);
    }

    #[test]
    fn quantities_hold_every_digit_in_order(text in "[0-9a/., |-]{0,24}") {
        let digits = |text: &str| -> String { text.chars().filter(char::is_ascii_digit).collect() };
        let found: Vec<&str> = quantities(&text).collect();
        prop_assert_eq!(digits(&found.concat()), digits(&text));
    }
}
