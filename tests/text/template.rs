//! Templates, and ready pairs.

use chefgenius::error::Error;
use chefgenius::recipe::{Content, Pair};
use chefgenius::text::{AsIs, Template, TextPair};

use super::{LEMON_RICE, lemon_rice, recipe};

#[test]
fn template_default() {
    let template = Template::default();
    let text = template.render(&Content::Recipe(lemon_rice()), &mut AsIs);
    assert_eq!(
        text,
        TextPair {
            prompt: "Write a recipe for Lemon Rice. Ingredients: rice, lemons.".to_owned(),
            target: LEMON_RICE.to_owned(),
            body: "1cuprice2lemonscookthericesqueezethelemonsoverit".to_owned(),
            numbers: xxhash_rust::xxh3::xxh3_64(b"1|2|"),
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
    let text = template.render(&Content::Recipe(lemon_rice()), &mut AsIs);
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
    let text = Template::default().render(&Content::Recipe(dish), &mut AsIs);
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
    Template::default().render(
        &Content::Pair(Pair {
            input: " How do I cook\u{a0}rice?\n".to_owned(),
            output: output.to_owned(),
        }),
        &mut AsIs,
    )
}

#[test]
fn pair_whose_output_is_a_recipe() {
    let wanted = Template::default().render(&Content::Recipe(lemon_rice()), &mut AsIs);
    let markdown = "# Lemon Rice\n\n## Ingredients\n- 1 cup rice\n- 2 lemons\n\n## Instructions\n1. Cook the rice.\n\
         2. Squeeze the lemons\n   over it.\n";
    let loose = "\n# Lemon Rice\r\n## ingredients:\r\n\r\n* 1 cup rice\r\n\r\n* 2 lemons\r\n## Method\r\n\
         Cook the rice.\r\n\r\nSqueeze the lemons over it.";
    for output in [LEMON_RICE, markdown, loose] {
        let text = pair(output);
        assert_eq!(text.prompt, "How do I cook rice?");
        assert_eq!(text.target, wanted.target);
        assert_eq!(
            (text.body, text.numbers),
            (wanted.body.clone(), wanted.numbers)
        );
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
