//! The seeded corpus: recipes in English-like words, as long as real ones.
//!
//! Most words are common, some are rare, as in any text: a few dozen real words make four fifths of it, the rest
//! comes from 20,000 made of syllables, the earlier ones more often.

use chefgenius::recipe::Recipe;
use serde_json::json;

use super::synthetic::Random;

const COMMON: [&str; 72] = [
    "the", "and", "a", "in", "of", "to", "until", "with", "for", "minutes", "add", "stir", "heat",
    "over", "salt", "pepper", "butter", "oil", "sugar", "flour", "water", "onion", "garlic", "egg",
    "milk", "bowl", "pan", "large", "small", "medium", "chopped", "fresh", "cook", "bake", "mix",
    "pour", "serve", "into", "from", "about", "cream", "cheese", "chicken", "tomato", "lemon",
    "juice", "rice", "oven", "degrees", "whisk", "simmer", "golden", "brown", "ground", "sliced",
    "dry", "white", "red", "green", "sauce", "cover", "remove", "set", "aside", "cool", "hot",
    "tender", "mixture", "dough", "skillet", "parsley", "vanilla",
];
const UNITS: [&str; 8] = [
    "cups",
    "cup",
    "teaspoons",
    "tablespoons",
    "pounds",
    "ounces",
    "cloves",
    "slices",
];
const ONSETS: [&str; 16] = [
    "b", "br", "c", "ch", "cr", "d", "f", "g", "l", "m", "p", "r", "s", "st", "t", "v",
];
const VOWELS: [&str; 8] = ["a", "e", "i", "o", "u", "ee", "ou", "ai"];
const ENDS: [&str; 8] = ["", "n", "r", "l", "st", "ck", "m", "t"];
const RARE: u64 = 20_000;

/// The first `n` recipes of the corpus; the first of any longer corpus are the same.
pub fn recipes(n: u64) -> Vec<Recipe> {
    (0..n).map(recipe).collect()
}

/// One of them.
pub fn recipe(number: u64) -> Recipe {
    let mut random = Random(number.wrapping_mul(0x2545_f491_4f6c_dd1d));
    let mut some = |least: u64, most: u64| least + random.below(most - least + 1);
    let (title, ingredients, directions) = (some(2, 5), some(5, 15), some(2, 7));
    let lengths: Vec<u64> = (0..directions).map(|_| some(10, 40)).collect();
    Recipe {
        title: sentence(&mut random, title),
        ingredients: (0..ingredients)
            .map(|_| {
                let amount = 1 + random.below(8);
                let unit = UNITS[random.below(8) as usize];
                let words = 1 + random.below(3);
                format!("{amount} {unit} {}", sentence(&mut random, words))
            })
            .collect(),
        directions: lengths
            .into_iter()
            .map(|words| format!("{}.", sentence(&mut random, words)))
            .collect(),
    }
}

fn sentence(random: &mut Random, words: u64) -> String {
    let words: Vec<String> = (0..words).map(|_| word(random)).collect();
    words.join(" ")
}

fn word(random: &mut Random) -> String {
    // The smaller of two draws: earlier words are more frequent.
    if random.below(5) > 0 {
        let draw = random.below(72).min(random.below(72));
        return COMMON[draw as usize].to_owned();
    }
    let mut syllables = Random(random.below(RARE).min(random.below(RARE)));
    let count = 2 + syllables.below(2);
    (0..count)
        .flat_map(|_| {
            let onset = ONSETS[syllables.below(16) as usize];
            let vowel = VOWELS[syllables.below(8) as usize];
            [onset, vowel, ENDS[syllables.below(8) as usize]]
        })
        .collect()
}

/// JSON Lines.
pub fn json_lines(recipes: &[Recipe]) -> String {
    recipes.iter().map(|r| format!("{}\n", object(r))).collect()
}

/// One JSON array.
pub fn json_array(recipes: &[Recipe]) -> String {
    let objects: Vec<String> = recipes.iter().map(object).collect();
    format!("[\n{}\n]\n", objects.join(",\n"))
}

/// One JSON object.
pub fn object(r: &Recipe) -> String {
    json!({"title": r.title, "ingredients": r.ingredients, "directions": r.directions}).to_string()
}

/// CSV in `RecipeNLG`'s columns, the lists as JSON in their cells.
pub fn csv(recipes: &[Recipe]) -> String {
    let quoted = |cell: String| format!("\"{}\"", cell.replace('"', "\"\""));
    let rows = recipes.iter().map(|r| {
        let cells = [
            r.title.clone(),
            json!(r.ingredients).to_string(),
            json!(r.directions).to_string(),
        ];
        cells.map(quoted).join(",") + "\n"
    });
    "title,ingredients,directions\n".to_owned() + &rows.collect::<String>()
}

/// A Markdown page.
pub fn page(recipe: &Recipe) -> String {
    let list =
        |items: &[String]| -> String { items.iter().map(|item| format!("- {item}\n")).collect() };
    format!(
        "# {}\n\n## Ingredients\n\n{}\n## Directions\n\n{}",
        recipe.title,
        list(&recipe.ingredients),
        list(&recipe.directions)
    )
}
