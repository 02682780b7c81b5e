//! What holds for every text and every recipe.

use chefgenius::recipe::{Content, Pair, Recipe};
use chefgenius::text::{
    AsIs, Template, clean, ingredient_name, normalise, parse_recipe, recipe_text,
};
use proptest::prelude::*;

/// Text with everything in it that some rule looks at.
fn rough() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[ -~]{0,6}",
        "\\PC{0,4}",
        "[0-9]{1,3}",
        prop::sample::select(vec![
            "&amp;",
            "&",
            "amp;",
            "&lt;",
            "&gt;",
            "lt;",
            "&nbsp",
            "&frac12;",
            "&#189;",
            "&#60",
            ";",
            "#",
            "<",
            ">",
            "<b>",
            "</b>",
            "<br>",
            "<li",
            "<a b=\"",
            "\"",
            "<sup>",
            "<!--",
            "-->",
            "½",
            "⅟",
            "⁄",
            "∕",
            "¹",
            "₂",
            "/",
            "|",
            " ",
            "\n",
            "\r",
            "\u{a0}",
            "\u{2009}",
            "\u{200b}",
            "\u{200d}",
            "\u{ad}",
            "\u{301}",
            "\u{338}",
            "\u{37e}",
            "\u{212a}",
            "\u{96}",
            "\u{85}",
            "\u{feff}",
            "title:",
            "ingredients :",
            "directions:",
            "1.",
            "2)",
            "- ",
            "• ",
            "*",
            "e",
            "o\u{302}",
            "\u{1100}\u{1161}",
            "&semi;",
            "&bne;",
            "\u{0}",
            "&#8203;",
            "٢",
            "𝟏",
            "\u{66b}",
            "⧸",
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

pub fn rough_recipe() -> impl Strategy<Value = Recipe> {
    let items = || prop::collection::vec(rough(), 0..5);
    (rough(), items(), items()).prop_map(|(title, ingredients, directions)| Recipe {
        title,
        ingredients,
        directions,
    })
}

proptest! {
    #![proptest_config(crate::common::cases(1024))]

    #[test]
    fn normalise_is_idempotent(item in rough()) {
        let once = normalise(&item);
        prop_assert_eq!(normalise(&once), once.clone());
        let is_left = once.contains(['|', '\n', '\r', '½', '⁄', '\u{a0}', '\u{200b}']);
        prop_assert!(!is_left);
        prop_assert!(!once.contains("  ") && once.trim() == once);
    }

    #[test]
    fn clean_is_idempotent(dish in rough_recipe()) {
        let once = clean(&dish);
        prop_assert_eq!(clean(&once), once);
    }

    #[test]
    fn a_clean_recipe_is_read_back(dish in rough_recipe()) {
        let dish = clean(&dish);
        let text = recipe_text(&dish);
        prop_assert_eq!(parse_recipe(&text), Some(dish.clone()));
        prop_assert_eq!(parse_recipe(&text.replace(' ', " \t ")), Some(dish));
        prop_assert!(!text.contains('\n'));
    }

    #[test]
    fn a_recipe_and_its_text_as_an_output_are_the_same(dish in rough_recipe()) {
        let template = Template::default();
        let plain = template.render(&Content::Recipe(dish.clone()), &mut AsIs);
        let output = recipe_text(&clean(&dish));
        let ready = template.render(&Content::Pair(Pair { input: String::new(), output }), &mut AsIs);
        prop_assert_eq!(ready.target, plain.target);
        prop_assert_eq!((ready.body, ready.numbers), (plain.body, plain.numbers));
    }

    #[test]
    fn the_body_has_letters_and_digits_only(dish in rough_recipe()) {
        let text = Template::default().render(&Content::Recipe(dish), &mut AsIs);
        prop_assert!(text.body.chars().all(char::is_alphanumeric));
    }

    #[test]
    fn a_name_stands_in_its_line(line in rough()) {
        let name = ingredient_name(&line);
        prop_assert_eq!(name.trim(), &name);
        prop_assert!(!name.contains(','));
    }
}
