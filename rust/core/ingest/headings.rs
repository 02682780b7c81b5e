//! What a heading of a page announces, in the languages that recipes come in.

/// What stands below a heading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    Ingredients,
    /// The ingredients once more, with amounts, or formulas of them.
    Amounts,
    Directions,
    /// Known not to be part of the recipe: notes, tools, sources.
    Aside,
}

/// What a heading of this text announces, and what else it says: `Ingredients for the dough` also says
/// `for the dough`, `Sauce Ingredients` all of it. `None` for what is no section's name.
pub(super) fn section(heading: &str) -> Option<(Section, &str)> {
    let text = heading.trim_start_matches(|char: char| !char.is_alphabetic());
    let bare = text.trim_end_matches(|char: char| !char.is_alphanumeric());
    let mut words = text.split(|char: char| !char.is_alphanumeric());
    if words.any(|word| is_one_of(word, TOOLS)) {
        return Some((Section::Aside, text));
    }
    [
        (Section::Ingredients, INGREDIENTS),
        (Section::Amounts, AMOUNTS),
        (Section::Directions, DIRECTIONS),
        (Section::Aside, ASIDES),
    ]
    .into_iter()
    .find_map(|(section, names)| {
        if is_one_of(bare, names) {
            return Some((section, ""));
        }
        // `Ingredients (for 4)`, `Directions: the dough`, `Ingredients for the dough`.
        let name_end = text
            .find(['(', '（', ':', '：', '/', '&', ',', '–', '—'])
            .unwrap_or(text.len());
        if is_one_of(text[..name_end].trim_end(), names) {
            let rest =
                text[name_end..].trim_start_matches([':', '：', '/', '&', ',', '–', '—', ' ']);
            let is_note = rest.starts_with(['(', '（']);
            return Some((section, if is_note { "" } else { rest }));
        }
        let first_end = text.find(' ').unwrap_or(text.len());
        let (name, rest) = (&text[..first_end], text[first_end..].trim_start());
        let next = rest.split(' ').next().unwrap_or_default();
        if is_one_of(name, names) && FOR.contains(&next) {
            return Some((section, rest));
        }
        // `Cooking Directions`, `Sauce Ingredients (for 4)`, `所需工具`.
        let whole = text[..name_end].trim_end();
        let last = whole.rsplit(' ').next().unwrap_or_default();
        let is_wide = |name: &&&str| name.starts_with(|char: char| char >= '\u{2e80}');
        // `成品` also ends the name of a step.
        let ends = (section != Section::Aside || whole.ends_with("工具"))
            && names
                .iter()
                .filter(is_wide)
                .any(|name| whole.ends_with(name));
        (is_one_of(last, names) || ends).then_some((section, whole))
    })
}

fn is_one_of(name: &str, names: &[&str]) -> bool {
    let name = name.to_lowercase();
    names.contains(&name.as_str())
}

/// Words that join a section's name to what it is for.
const FOR: &[&str] = &[
    "for", "für", "pour", "para", "per", "voor", "för", "til", "dla", "для", "do", "de", "della",
];

/// Words of headings over things that are not eaten.
const TOOLS: &[&str] = &["equipment", "tools", "utensils", "cookware", "appliances"];

#[rustfmt::skip]
const INGREDIENTS: &[&str] = &[
    "ingredients", "ingredient", "ingredient list", "ingredients list", "what you need", "what you'll need",
    "you will need", "shopping list",
    "zutaten", "zutatenliste", "ingrédients", "ingredientes", "ingredienti", "ingrediënten", "ingredienser",
    "ingredienten", "składniki", "suroviny", "ingredience", "hozzávalók", "ingrediente", "ainekset", "malzemeler",
    "ингредиенты", "состав", "інгредієнти", "υλικά", "المكونات", "재료", "材料", "原料", "食材", "用料", "配料", "备料",
    "必备原料和工具", "必备原料", "所需材料", "所需食材", "食材准备", "原材料",
];

#[rustfmt::skip]
const AMOUNTS: &[&str] = &["计算", "用量", "分量", "份量", "amounts", "quantities"];

#[rustfmt::skip]
const DIRECTIONS: &[&str] = &[
    "directions", "direction", "instructions", "instruction", "method", "steps", "preparation", "procedure",
    "how to make it", "how to make", "cooking", "cooking instructions", "cooking steps", "step by step", "process",
    "preparation steps", "preparation method",
    "zubereitung", "anleitung", "préparation", "étapes", "recette", "preparación", "elaboración", "instrucciones",
    "pasos", "preparo", "modo de preparo", "modo de preparar", "preparação", "preparazione", "procedimento",
    "bereiding", "bereidingswijze", "werkwijze", "instructies", "tillagning", "gör så här", "instruktioner",
    "fremgangsmåde", "fremgangsmåte", "slik gjør du", "przygotowanie", "sposób przygotowania", "wykonanie", "postup",
    "příprava", "elkészítés", "mod de preparare", "preparare", "valmistus", "ohjeet", "hazırlanışı", "yapılışı",
    "приготовление", "способ приготовления", "приготування", "εκτέλεση", "طريقة التحضير", "만드는 법", "조리법", "조리 방법",
    "作り方", "手順", "操作", "步骤", "做法", "制作步骤", "制作方法", "操作步骤", "烹饪步骤", "制作", "制作过程",
];

#[rustfmt::skip]
const ASIDES: &[&str] = &[
    "notes", "note", "tips", "tip", "tips and tricks", "contribution", "contributions", "contributors",
    "nutrition", "nutrition facts", "nutritional information", "nutrition information", "source", "sources", "story",
    "history", "storage", "variations", "references", "reference", "credits", "credit", "license", "about", "description",
    "served with", "serving suggestion", "serving suggestions", "serving size", "serving sizes",
    "closing remarks", "variation", "variants", "substitutions", "related recipes",
    "similar recipes", "further reading", "video", "videos", "photos", "gallery", "yield",
    "nährwerte", "nährwertangaben", "aufbewahrung", "lagerung", "varianten", "variationen", "serviervorschlag",
    "conservation", "valeurs nutritionnelles", "variantes", "conservación", "información nutricional", "conservação",
    "informação nutricional", "conservazione", "valori nutrizionali", "варианты", "хранение", "пищевая ценность",
    "保存", "保存方法", "营养", "营养成分", "营养价值", "参考文献", "变体", "ポイント", "栄養", "보관", "영양 정보",
    "links", "see also", "background", "trivia", "faq", "comments", "tags", "images", "pictures",
    "notizen", "anmerkungen", "tipps", "tipp", "hinweise", "hinweis", "quelle", "notes et astuces", "astuces", "conseils",
    "remarques", "notas", "consejos", "trucos", "dicas", "consigli", "suggerimenti", "tips en weetjes", "wskazówki",
    "uwagi", "советы", "примечания", "附加内容", "备注", "备注说明", "参考资料", "参考", "工具", "所需工具", "必备工具", "成品", "流程图解", "小贴士",
    "提示", "贴士", "注意事项", "注意", "技术总结", "技巧总结", "コツ", "メモ", "팁",
];
