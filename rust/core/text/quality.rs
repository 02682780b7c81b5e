//! How much of a good recipe a recipe has.

use std::collections::BTreeSet;

use crate::recipe::Recipe;

use super::clean::Clean;
use super::name::{ingredient_name, is_measured};

/// A score of 0 to 1, for sources that give none: the sum of these parts, once the recipe is clean.
///
/// | weight | part |
/// |---|---|
/// | 0.10 | a title: half of it for the first word, all for two or more |
/// | 0.15 | three ingredients or more; fewer count in proportion |
/// | 0.20 | the share of ingredients with an amount (`2 eggs`, `a pinch of salt`) |
/// | 0.15 | two different steps or more; a single one counts half |
/// | 0.15 | the share of different steps of 4 to 80 words |
/// | 0.15 | the share of ingredients of which the steps speak: one word of the name stands in them |
/// | 0.05 | the share of items that are not all in capitals |
/// | 0.05 | the share of steps that repeat none before them |
///
/// Sub-headings (`For the sauce:`) are no ingredients. Two ideographs count as a word. The share of an empty list is
/// 0, so an empty recipe has 0. The score says how complete a recipe is, and nothing of how good it tastes.
#[must_use]
pub fn quality(recipe: &Recipe) -> f32 {
    let recipe = Clean::of(recipe);
    let ingredients: Vec<String> = recipe
        .ingredients
        .iter()
        .filter(|item| !item.ends_with(':'))
        .map(|item| item.to_lowercase())
        .collect();
    let steps: BTreeSet<&str> = recipe.directions.iter().map(AsRef::as_ref).collect();
    let spoken: Vec<String> = steps.iter().map(|step| step.to_lowercase()).collect();
    let items = || recipe.ingredients.iter().chain(&recipe.directions);
    let title_words = recipe.title.split_whitespace().count();
    let is_step_length = |step: &&&str| (4.0..=80.0).contains(&words(step));

    let parts = [
        (0.10, up_to(title_words, 2)),
        (0.15, up_to(ingredients.len(), 3)),
        (0.20, share(&ingredients, |line| is_measured(line))),
        (0.15, up_to(steps.len(), 2)),
        (0.15, share(&steps, is_step_length)),
        (
            0.15,
            share(&ingredients, |line| is_spoken_of(line, &spoken)),
        ),
        (0.05, share(items(), |item| !is_shouted(item))),
        (0.05, ratio(steps.len(), recipe.directions.len())),
    ];
    let score: f64 = parts.iter().map(|(weight, part)| weight * part).sum();
    score.min(1.0) as f32
}

fn up_to(count: usize, enough: usize) -> f64 {
    ratio(count.min(enough), enough)
}

fn share<I: IntoIterator<IntoIter: Clone>>(items: I, is_good: impl Fn(&I::Item) -> bool) -> f64 {
    let items = items.into_iter();
    ratio(items.clone().filter(is_good).count(), items.count())
}

fn ratio(part: usize, whole: usize) -> f64 {
    part as f64 / whole.max(1) as f64
}

fn words(step: &str) -> f64 {
    let is_ideograph =
        |char: &char| matches!(char, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}');
    step.split(' ').count() as f64 + step.chars().filter(is_ideograph).count() as f64 / 2.0
}

/// Whether a step has a word of the ingredient's name, in the singular or the plural.
fn is_spoken_of(line: &str, steps: &[String]) -> bool {
    let name = ingredient_name(line);
    let mut words = name
        .split(|char: char| !char.is_alphanumeric())
        .map(|word| word.strip_suffix('s').unwrap_or(word))
        .filter(|word| word.len() >= 3);
    words.any(|word| steps.iter().any(|step| step.contains(word)))
}

fn is_shouted(item: &str) -> bool {
    let capitals = item.chars().filter(|char| char.is_uppercase()).count();
    capitals >= 4 && !item.chars().any(char::is_lowercase)
}
