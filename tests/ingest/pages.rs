//! Markdown pages.

use chefgenius::ingest::{page, whole_page};
use chefgenius::recipe::Recipe;

use super::outline_of;

fn lines(recipe: &Recipe) -> Vec<String> {
    let mut lines = vec![recipe.title.clone()];
    lines.extend(recipe.ingredients.iter().map(|item| format!("i {item}")));
    lines.extend(recipe.directions.iter().map(|item| format!("d {item}")));
    lines
}

fn read(text: &str) -> Vec<String> {
    lines(&page(text).unwrap())
}

#[test]
fn front_matter_intro_notes_and_pictures_are_no_part_of_the_recipe() {
    let text = "---\ntitle: \"Tom's \\\"best\\\" rice\"\ntags: [a]\n---\n\n![Rice](a.webp)\n\nAn intro.\n\n- Servings: 2\n\n\
        ## Ingredients\n\n- 1 cup **rice**\n- [salt](/salt) <!-- sea -->\n\n## Directions\n\n1. Boil the\n   rice.\n\n\
        \u{20}   ![step](b.jpg)\n\n   Wait *long*.\n2. Eat.\n\n## Notes\n\n- Good.\n\n### More\n\nText.\n";
    let wanted = [
        "Tom's \"best\" rice",
        "i 1 cup rice",
        "i salt",
        "d Boil the rice. Wait long.",
        "d Eat.",
    ];
    assert_eq!(read(text), wanted);
    assert_eq!(whole_page(text), None);
    let toml = text.replace(
        "---\ntitle: \"Tom's \\\"best\\\" rice\"\ntags: [a]\n---",
        "+++\ntitle = 'Tom''s \"best\" rice'\n+++",
    );
    assert_eq!(read(&toml), wanted);
}

#[test]
fn sub_headings_belong_to_the_ingredients() {
    let wanted = [
        "Pie",
        "i For the dough:",
        "i flour",
        "i For the filling:",
        "i apples",
        "i Glaze:",
        "i sugar",
        "d Dough:",
        "d Mix.",
        "d Filling:",
        "d Cook.",
    ];
    for text in [
        "# Pie\n## Ingredients\n### For the dough\n- flour\n### For the filling:\n- apples\n**Glaze**\n- sugar\n## Method\n### Dough\n1. Mix.\n### Filling\n1. Cook.\n",
        "# Pie\n# Ingredients\n**For the dough:**\n* flour\n\n__For the filling__\n* apples\n## Glaze\n* sugar\n# Method\n**Dough**\n\nMix.\n\n**Filling**\n\nCook.",
        "Pie\n===\n\nIngredients\n-----------\n\nFor the dough:\n\n* flour\n\nFor the filling:\n\n* apples\n\nGlaze:\n\n* sugar\n\nMethod\n---\n\nDough:\n\nMix.\n\nFilling:\n\nCook.\n",
    ] {
        assert_eq!(read(text), wanted, "{text}");
    }
}

#[test]
fn headings_without_marks() {
    let text = "# Rice\n\n**Ingredients (for 2):**\n\n- rice\n\n**Tools**\n\n- a pot\n\n**Cooking Directions**\n\n1. Boil.\n";
    assert_eq!(
        read(text),
        ["Rice", "i rice", "d Cooking Directions:", "d Boil."]
    );
    let text = "# Rice\n\nIngredients:\n- rice\n\nInstructions:\n1. Boil.\n12. Eat.\n";
    assert_eq!(read(text), ["Rice", "i rice", "d Boil. 12. Eat."]);
}

#[test]
fn pages_in_many_languages() {
    for (ingredients, directions) in [
        ("Zutaten", "Zubereitung"),
        ("Ingrédients", "Préparation"),
        ("INGREDIENTES", "Modo de preparo"),
        ("Ingredientes", "Preparación"),
        ("Ingredienti", "Procedimento"),
        ("Składniki", "Sposób przygotowania"),
        ("Ингредиенты", "Приготовление"),
        ("🥕 Ingredients:", "2. Steps"),
        ("材料", "作り方"),
        ("재료", "만드는 법"),
        ("食材", "制作步骤"),
    ] {
        let text = format!("# X\n## {ingredients}\n- a\n## {directions}\n1. b\n");
        assert_eq!(read(&text), ["X", "i a", "d b"], "{ingredients}");
    }
}

#[test]
fn chinese_pages_prefer_the_list_with_amounts() {
    let page = |things: &str, amounts: &str| {
        read(&format!(
            "# 米饭的做法\n\n一道菜。\n\n## 必备原料和工具\n\n{things}\n## 计算\n\n{amounts}\n## 操作\n\n1、煮\n2、吃。\n\n## 附加内容\n\n提出 Issue\n"
        ))
    };
    assert_eq!(
        page(
            "- 米（推荐）\n- 水\n- 锅\n",
            "每份：\n\n- 米 100g\n- 水 200ml\n"
        ),
        [
            "米饭",
            "i 每份：",
            "i 米 100g",
            "i 水 200ml",
            "d 煮",
            "d 吃。"
        ]
    );
    assert_eq!(
        page("- 米\n\n### 工具\n\n- 锅\n", "- 一人半碗\n"),
        ["米饭", "i 米", "i 一人半碗", "d 煮", "d 吃。"]
    );
    assert_eq!(page("- 原料\n  - 米\n- 工具\n  - 锅\n", "")[1], "i 米");
    assert_eq!(page("- 原料\n  - 米\n- 工具\n  - 锅\n", "").len(), 4);
}

#[test]
fn odd_lines() {
    let text = "# X\r\n## Ingredients\r\n| what | how much |\r\n|---|---|\r\n| rice | 1 cup |\r\n- [ ] salt\r\n\\* 2 * 3\r\n> quoted\r\n\
        ## Directions\r\nFirst\r\nline.\r\n\r\n``` mermaid\r\ngraph TD\r\n```\r\n<div>\r\n\r\n4. Four.\r\n5. Five in\r\n350. Then.\r\n";
    assert_eq!(
        read(text),
        [
            "X",
            "i rice 1 cup",
            "i salt * 2 * 3 quoted",
            "d First line.",
            "d Four.",
            "d Five in 350. Then."
        ]
    );
    assert_eq!(read("# X\n## Ingredients\n## Directions\n"), ["X"]);
    let text = "# X\n## Ingredients\nFor four people.\n\n- snake_case_name, `code`, [a] (b), ![\n## Directions\nBake.\n";
    assert_eq!(
        read(text),
        ["X", "i snake_case_name, code, [a] (b), ![", "d Bake."]
    );
}

#[test]
fn a_page_that_is_no_recipe_is_a_bad_record() {
    for (text, wanted) in [
        ("Nothing.", "the page has no title"),
        (
            "# X\n\ntext\n## Directions\na",
            "the page has no ingredients",
        ),
        (
            "# X\n## Ingredients\n- a\n## Story\nb",
            "the page has no directions",
        ),
    ] {
        let given = outline_of("a.md", text);
        assert_eq!(given.len(), 1);
        assert!(
            given[0].starts_with(&format!("1 bad: {wanted}")),
            "{given:?}"
        );
    }
    assert_eq!(
        outline_of("a.markdown", "# X\n## Ingredients\n- a\n## Steps\n- b"),
        ["1 X"]
    );
    assert_eq!(
        outline_of("a.md", b"# X\n\xff"),
        ["1 bad: not valid UTF-8 at byte 5 of the record"]
    );
}

#[test]
fn whole_pages_lose_nothing_and_stay_as_spelt() {
    let text = "# X的做法\n\n## Ingredients\n- [a](b) **c**\n- 工具\n### Sauce\n- d\n\n## Instructions\n1. e\n";
    let recipe = whole_page(text).unwrap();
    assert_eq!(
        lines(&recipe),
        [
            "X的做法",
            "i [a](b) **c**",
            "i 工具",
            "i Sauce:",
            "i d",
            "d e"
        ]
    );
    for (more, place) in [
        ("intro\n", "## Ingredients"),
        ("## Notes\nx\n", "## Instructions"),
        ("<!-- x -->\n", "- d"),
    ] {
        let text = text.replace(place, &format!("{more}{place}"));
        assert_eq!(whole_page(&text), None, "{text}");
        assert!(page(&text).is_ok());
    }
}

#[test]
fn a_star_between_digits_or_letters_is_no_emphasis() {
    for kept in [
        "dice of 10*10*5 cm",
        "2*400 g and 3*500 g",
        "0.2cm*0.2cm*0.2cm",
        "a*b*c",
        "长5厘米*3*2厘米",
        "2**3**4",
        "1_2_3 and x_1 or y_2",
    ] {
        let text = format!("# X\n## Ingredients\n- {kept}\n## Steps\n- b\n");
        assert_eq!(
            read(&text),
            ["X".to_owned(), format!("i {kept}"), "d b".to_owned()]
        );
    }
    let text = "# X\n## Ingredients\n- *2*, (_b_) and **200g**flour, 加**盐**煮*熟*了, *of 2*3 cm*, *a **b** c*\n## Steps\n";
    assert_eq!(
        read(text),
        ["X", "i 2, (b) and 200gflour, 加盐煮熟了, of 2*3 cm, a b c"]
    );
}

#[test]
fn fenced_text_is_read() {
    let text = "# X\n## Ingredients\n```text\nflour : water\n100 : 70\n```\n- salt\n## Steps\n1. Mix.\n\n~~~\na_b_c 2 g\nthen *d*\n~~~\n2. Eat.\n\
        ## Notes\n```\nx\n```\n";
    assert_eq!(
        read(text),
        [
            "X",
            "i flour : water",
            "i 100 : 70",
            "i salt",
            "d Mix.",
            "d a_b_c 2 g then *d*",
            "d Eat."
        ]
    );
    assert_eq!(whole_page(&text[..text.find("## Notes").unwrap()]), None);
}

#[test]
fn lists_after_the_directions_go_on_with_them() {
    let text = "# X\n## Ingredients\n- a\n## Steps\n- b\n## Notes\n- n\n## Icing\n- Stir 2 eggs.\n### More\n- Wait.\n## Remarks\nProse.\n\
        ## Served with\n- Tea\n## Storage\n1. Cold.\n";
    assert_eq!(
        read(text),
        [
            "X",
            "i a",
            "d b",
            "d Icing:",
            "d Stir 2 eggs.",
            "d More:",
            "d Wait."
        ]
    );
    let text =
        "# X\n## Ingredients\n- a\n## Steps\n- b\n## Icing Ingredients\n- c\n## Icing Steps\n- d\n";
    assert_eq!(
        read(text),
        [
            "X",
            "i a",
            "i Icing Ingredients:",
            "i c",
            "d b",
            "d Icing Steps:",
            "d d"
        ]
    );
}

#[test]
fn a_page_with_two_recipes_is_a_bad_record() {
    let lists = |mark: &str| format!("{mark}Ingredients\n- a\n{mark}Directions\n- b\n");
    for text in [
        format!("# A\n{0}# B\n{0}", lists("## ")),
        format!("# A\n{0}# B\n{0}", lists("# ")),
        format!("# A\n{0}# B\nProse.\n\n- Servings: 4\n\n{0}", lists("## ")),
        format!("# Cakes\n## A\n{0}## B\n{0}", lists("### ")),
        "# A\n**Ingredients**\n- a\n**Steps**\n1. b\n# B\n**Ingredients**\n- a\n**Steps**\n1. b\n"
            .to_owned(),
        "# A\nIngredients:\n- a\n\nSteps:\n1. b\n# B\nIngredients:\n- a\n\nSteps:\n1. b\n"
            .to_owned(),
        format!("# A\n## Ingredients\n- a\n# B\n{0}", lists("## ")),
    ] {
        let reason = page(&text).unwrap_err().reason;
        assert_eq!(
            reason, "the page holds another recipe, `B`: split it, a page holds one",
            "{text}"
        );
    }
    // Notes may tell of another dish.
    let text = format!("# A\n{0}# Notes\n{0}", lists("## "));
    assert_eq!(read(&text), ["A", "i a", "d b"]);
}

#[test]
fn lines_and_breaks_part_ingredients() {
    let text = "# X\n## Ingredients\n1 cup rice\n2 eggs\n\n- a  \n  b\\\n  c\n- d<br>e\n- f\n  g\n\n<ul><li>h</li>\n<li>i</li></ul>\n\
        <details>\n<summary>j</summary>\n\n- k\n</details>\n\n## Steps\n2) Bake\n10) Ten\n\nText<br>\nmore\n3. three\n4. four\n";
    let items = [
        "1 cup rice",
        "2 eggs",
        "a",
        "b",
        "c",
        "d",
        "e",
        "f g",
        "h",
        "i",
        "j",
        "k",
    ];
    let mut wanted = vec!["X".to_owned()];
    wanted.extend(items.map(|item| format!("i {item}")));
    wanted.extend(["Bake", "Ten", "Text more", "three", "four"].map(|item| format!("d {item}")));
    assert_eq!(read(text), wanted);
    let text = "# X\n## Ingredients\nThis is what\nyou take for it.\n## Steps\n";
    assert_eq!(read(text), ["X", "i This is what you take for it."]);
}
