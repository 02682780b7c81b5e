//! Normalisation, the recipe's text and back, names, templates.

use chefgenius::error::Error;
use chefgenius::recipe::{Content, Pair, Recipe};
use chefgenius::text::{
    Template, TextPair, clean, ingredient_name, normalise, parse_recipe, recipe_text,
};
use proptest::prelude::*;

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
fn normalise_fractions() {
    assert_all(
        normalise,
        &[
            ("½", "1/2"),
            ("1½ cups", "1 1/2 cups"),
            ("1 ½ cups", "1 1/2 cups"),
            ("1\u{a0}½\u{2009}cups", "1 1/2 cups"),
            ("½-¾ cup", "1/2-3/4 cup"),
            ("½½", "1/2 1/2"),
            ("½2", "1/2 2"),
            ("⅒ l, ⅚ l, ↉", "1/10 l, 5/6 l, 0/3"),
            ("⅟2", "1/2"),
            ("1⅟2", "1 1/2"),
            ("1⁄2 cup", "1/2 cup"),
            ("1 1⁄2 cups", "1 1/2 cups"),
            ("31⁄2 quart", "3 1/2 quart"),
            ("21∕2 cups", "2 1/2 cups"),
            ("123⁄4 oz", "12 3/4 oz"),
            ("15⁄16 inch", "15/16 inch"),
            ("10⁄3", "10/3"),
            ("1.51⁄2", "1.51/2"),
            ("11/2", "11/2"),
            ("1¹⁄₂ cups", "1 1/2 cups"),
            ("¹/₂ cup", "1/2 cup"),
            ("1⁄₂", "1/2"),
            ("5 cm²", "5 cm²"),
            ("H₂O", "H₂O"),
        ],
    );
}

#[test]
fn normalise_entities() {
    assert_all(
        normalise,
        &[
            ("1&frac12; cups", "1 1/2 cups"),
            ("1&amp;frac12; cups", "1 1/2 cups"),
            ("1&amp;amp;amp;#189; cups", "1 1/2 cups"),
            ("&#xBD; &#X2153;", "1/2 1/3"),
            ("salt &amp; pepper", "salt & pepper"),
            ("salt & pepper; stir", "salt & pepper; stir"),
            ("salt &nbsp pepper&nbsp", "salt pepper"),
            ("1&frac12 cups &amp", "1 1/2 cups &"),
            ("350&#176;F, 350&176;F, 350&deg;F", "350°F, 350°F, 350°F"),
            ("5&#150;10, &151; &#133;", "5–10, — …"),
            ("cr&egrave;me fra&icirc;che", "crème fraîche"),
            ("&nitilde; &; &# &#; &#xZ; &#0;", "&nitilde; &; &# &#;"),
            ("R&D; M&Ms", "R&D; M&Ms"),
            ("&#124; &vert;", "/ /"),
            ("&#1114112; &#99999999999;", "&#1114112; &#99999999999;"),
        ]
        .map(|(given, wanted)| match given.contains("&#xZ;") {
            true => (given, "&nitilde; &; &# &#; &#xZ;"),
            false => (given, wanted),
        }),
    );
}

#[test]
fn normalise_tags() {
    assert_all(
        normalise,
        &[
            ("<li>1 cup rice</li>", "1 cup rice"),
            (
                "Mix.<br/>Bake.<BR>Eat.<br class=\"x\" />",
                "Mix. Bake. Eat.",
            ),
            ("<b>1</b>½ <i>cups</i>", "1 1/2 cups"),
            ("&lt;b&gt;1&lt;/b&gt;½", "1 1/2"),
            ("1<sup>1</sup>/<sub>2</sub> cups", "1 1/2 cups"),
            ("<a href=\"/x\" title=\"a > b\">dough</a>", "dough"),
            ("<epi:recipelink id=\"1\">crust</epi:recipelink>", "crust"),
            ("<epi recipelink=\"\" id=\"105622\">crust</epi>", "crust"),
            ("<1 Flaky Pie Crust>", "<1 Flaky Pie Crust>"),
            ("<lemon curd>", "<lemon curd>"),
            ("<lemon curd=\"\">", "<lemon curd=\"\">"),
            ("if < 5 cm and > 3 cm", "if < 5 cm and > 3 cm"),
            ("a<!-- not <b>this</b> -->b", "ab"),
            ("<<b>b>x<</b>/b>", "x"),
            ("I <3 rice", "I <3 rice"),
        ],
    );
}

#[test]
fn normalise_space_and_invisible_characters() {
    assert_all(
        normalise,
        &[
            (" a \r\n b\rc\td ", "a b c d"),
            ("a\u{2009}b\u{202f}c\u{3000}d\u{2028}e", "a b c d e"),
            (
                "\u{feff}a\u{200b}b\u{200d}c\u{ad}d\u{2060}e\u{200e}",
                "abcde",
            ),
            ("cafe\u{301}", "café"),
            ("e\u{200b}\u{301}", "é"),
            ("30\u{96}40", "30–40"),
            ("350\u{81}°", "350°"),
            ("a\u{0}\u{7}b", "ab"),
            ("a|b | c", "a/b / c"),
            ("&am\u{200b}p;", "&"),
            ("\u{37e}", ";"),
            ("🍲 soup ❤\u{fe0f}", "🍲 soup ❤"),
            ("", ""),
            ("\u{a0}", ""),
        ],
    );
}

#[test]
fn normalise_is_linear_in_nested_markup() {
    let deep = 200_000;
    assert_eq!(normalise(&("&".to_owned() + &"amp;".repeat(deep))), "&");
    assert_eq!(normalise(&("<".repeat(deep) + &"b>".repeat(deep))), "");
    assert_eq!(normalise(&"&semi".repeat(deep)).len(), 5 * deep);
    assert_eq!(
        normalise(&("<a b=\"".to_owned() + &">".repeat(deep))).len(),
        6 + deep
    );
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

#[test]
fn ingredient_names() {
    assert_all(
        ingredient_name,
        &[
            ("1 1/2 cups flour, sifted", "flour"),
            ("1½ cups flour", "flour"),
            ("2 lemons", "lemons"),
            ("Salt", "salt"),
            ("a pinch of salt", "salt"),
            ("Pinch of ground cinnamon (optional)", "ground cinnamon"),
            ("One pound of raisins, stoned", "raisins"),
            ("A quarter of a pound of sugar", "sugar"),
            ("a few sprigs of thyme", "thyme"),
            ("1 (14 1/2-ounce) can diced tomatoes", "diced tomatoes"),
            ("1 15-oz. can black beans, drained", "black beans"),
            ("12 6-in. flour tortillas", "flour tortillas"),
            ("2 x 400g cans tomatoes", "tomatoes"),
            ("~150g (1/3 lb) bacon cubes", "bacon cubes"),
            ("400g macaroni (dry weight)", "macaroni"),
            ("1 - 2L (1/4 - 1/2 gal) milk", "milk"),
            ("5-6 cloves of garlic", "garlic"),
            ("2 cloves", "cloves"),
            ("2 cloves, crushed", "cloves"),
            ("2 to 3 tablespoons sugar", "sugar"),
            ("3 or 4 ice cubes", "ice cubes"),
            ("1 cup plus 2 tablespoons sugar", "sugar"),
            ("1 cup milk or cream", "milk"),
            ("1 heaping teaspoon salt", "salt"),
            ("about 1/3 cup buttermilk", "buttermilk"),
            ("1,5 dl Sahne", "sahne"),
            ("3 large eggs (beaten), plus more", "large eggs"),
            ("2 bay leaves", "bay leaves"),
            ("• 2 Tbsp. olive oil", "olive oil"),
            ("1 cup all-purpose flour", "all-purpose flour"),
            ("For the sauce:", ""),
            ("(optional)", ""),
            ("2", ""),
            ("", ""),
        ],
    );
}

#[test]
fn template_default() {
    let template = Template::default();
    let text = template.render(&Content::Recipe(lemon_rice()));
    assert_eq!(
        text,
        TextPair {
            prompt: "Write a recipe for Lemon Rice. Ingredients: rice, lemons.".to_owned(),
            target: LEMON_RICE.to_owned(),
            body: "1cuprice2lemonscookthericesqueezethelemonsoverit".to_owned(),
        }
    );
}

#[test]
fn template_of_the_user() {
    let template = Template::new("{{{title}}}\n", "{ingredients} => {directions}{{").unwrap();
    assert_eq!(
        (template.prompt(), template.target()),
        ("{{{title}}}\n", "{ingredients} => {directions}{{")
    );
    let text = template.render(&Content::Recipe(lemon_rice()));
    assert_eq!(text.prompt, "{Lemon Rice}\n");
    assert_eq!(
        text.target,
        "1 cup rice | 2 lemons => Cook the rice. | Squeeze the lemons over it.{"
    );
}

#[test]
fn template_names_each_ingredient_once() {
    let dish = recipe(
        "x",
        &["1 cup Salt", "For the dough:", "salt, fine", "2 eggs"],
        &[],
    );
    let text = Template::default().render(&Content::Recipe(dish));
    assert_eq!(
        text.prompt,
        "Write a recipe for x. Ingredients: salt, eggs."
    );
}

#[test]
fn template_error() {
    for (prompt, target, wanted) in [
        (
            "{titel}",
            "{recipe}",
            "the prompt has the placeholder `{titel}`, which is not known: use `{title}`",
        ),
        (
            "{title}",
            "{recipe",
            "the target `{recipe` has a single `{`: write `{{`",
        ),
        (
            "{title}",
            "recipe}",
            "the target `recipe}` has a single `}`: write `}}`",
        ),
        ("{title}", " ", "the target is empty"),
        ("{}", "{recipe}", "the prompt has the placeholder `{}`"),
    ] {
        let error = Template::new(prompt, target).unwrap_err();
        assert!(matches!(error, Error::Template(_)));
        assert!(error.to_string().contains(wanted), "{error}");
    }
}

fn pair(output: &str) -> TextPair {
    Template::default().render(&Content::Pair(Pair {
        input: " How do I cook\u{a0}rice?\n".to_owned(),
        output: output.to_owned(),
    }))
}

#[test]
fn pair_whose_output_is_a_recipe() {
    let wanted = Template::default().render(&Content::Recipe(lemon_rice()));
    let markdown = "# Lemon Rice\n\n## Ingredients\n- 1 cup rice\n- 2 lemons\n\n## Instructions\n1. Cook the rice.\n\
         2. Squeeze the lemons\n   over it.\n";
    let loose = "\n# Lemon Rice\r\n## ingredients:\r\n\r\n* 1 cup rice\r\n\r\n* 2 lemons\r\n## Method\r\n\
         Cook the rice.\r\n\r\nSqueeze the lemons over it.";
    for output in [LEMON_RICE, markdown, loose] {
        let text = pair(output);
        assert_eq!(text.prompt, "How do I cook rice?");
        assert_eq!(text.target, wanted.target);
        assert_eq!(text.body, wanted.body);
    }
}

#[test]
fn pair_with_sub_headings() {
    let text = pair(
        "# A\n## Ingredients\n- b\n### For the sauce\n- c\n## Serve with\n- d\n## Steps\n1. E.\n### Sauce\n1. F.",
    );
    assert_eq!(
        text.target,
        "title: A | ingredients: b | For the sauce: | c | Serve with: | d | directions: E. | Sauce: | F."
    );
}

#[test]
fn pair_with_empty_lists_has_no_body() {
    let text = pair("# A\n\n## Ingredients\n\n## Instructions");
    assert_eq!(text.target, "title: A | ingredients: | directions:");
    assert_eq!(text.body, "");
}

#[test]
fn pair_whose_output_is_no_recipe() {
    for (output, target, body) in [
        (
            "Boil it.\n\n Eat it ½ | hot.",
            "Boil it. | Eat it 1/2 / hot.",
            "boiliteatit12hot",
        ),
        (
            "# A\nBest dish.\n## Ingredients\n- b\n## Steps\n1. c",
            "",
            "abestdishingredientsbsteps1c",
        ),
        (
            "# A\n## Ingredients\n- b\n## Steps\n1. c\n## Notes\nd",
            "",
            "aingredientsbsteps1cnotesd",
        ),
        (
            "# A\n## Ingredients\n- b",
            "# A | ## Ingredients | - b",
            "aingredientsb",
        ),
        ("", "", ""),
    ] {
        let text = pair(output);
        assert_eq!(text.body, body, "{output:?}");
        if !target.is_empty() {
            assert_eq!(text.target, target);
        }
    }
}

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
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

fn rough_recipe() -> impl Strategy<Value = Recipe> {
    let items = || prop::collection::vec(rough(), 0..5);
    (rough(), items(), items()).prop_map(|(title, ingredients, directions)| Recipe {
        title,
        ingredients,
        directions,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]

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
        let plain = template.render(&Content::Recipe(dish.clone()));
        let output = recipe_text(&clean(&dish));
        let ready = template.render(&Content::Pair(Pair { input: String::new(), output }));
        prop_assert_eq!(ready.target, plain.target);
        prop_assert_eq!(ready.body, plain.body);
    }

    #[test]
    fn the_body_has_letters_and_digits_only(dish in rough_recipe()) {
        let text = Template::default().render(&Content::Recipe(dish));
        prop_assert!(text.body.chars().all(char::is_alphanumeric));
    }

    #[test]
    fn a_name_stands_in_its_line(line in rough()) {
        let name = ingredient_name(&line);
        prop_assert_eq!(name.trim(), &name);
        prop_assert!(!name.contains(','));
    }
}
