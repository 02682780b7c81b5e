//! The recipe's text, one line: `title: ... | ingredients: ... | ... | directions: ... | ...`.

use crate::recipe::Recipe;

const TITLE: &str = "title";
const INGREDIENTS: &str = "ingredients";
const DIRECTIONS: &str = "directions";
/// Stands between two items; [`normalise`](super::normalise) leaves none inside of one.
pub(super) const SEPARATOR: &str = " | ";

/// The text of a clean recipe. An empty list leaves its head with nothing after it.
#[must_use]
pub fn recipe_text(recipe: &Recipe) -> String {
    let mut text = String::new();
    write_recipe(
        &recipe.title,
        &recipe.ingredients,
        &recipe.directions,
        &mut text,
    );
    text
}

/// Adds the text of a clean recipe.
pub(super) fn write_recipe<S: AsRef<str>>(
    title: &str,
    ingredients: &[S],
    directions: &[S],
    text: &mut String,
) {
    text.push_str(TITLE);
    text.push(':');
    if !title.is_empty() {
        text.push(' ');
        text.push_str(title);
    }
    for (head, items) in [(INGREDIENTS, ingredients), (DIRECTIONS, directions)] {
        text.push_str(SEPARATOR);
        text.push_str(head);
        text.push(':');
        if !items.is_empty() {
            text.push(' ');
            write_list(items, text);
        }
    }
}

/// Adds the items, separated by ` | `.
pub(super) fn write_list<S: AsRef<str>>(items: &[S], text: &mut String) {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            text.push_str(SEPARATOR);
        }
        text.push_str(item.as_ref());
    }
}

/// The recipe that `text` spells: for every recipe, `parse_recipe(&recipe_text(&clean(r)))` is
/// `clean(r)`. White space is free, so the text survives any tokenizer that keeps its words; empty
/// items are dropped. `None` unless all three heads are there, once each and in order.
#[must_use]
pub fn parse_recipe(text: &str) -> Option<Recipe> {
    let mut items = text
        .split('|')
        .map(squeezed)
        .filter(|item| !item.is_empty());
    let mut recipe = Recipe {
        title: after_head(&items.next()?, TITLE)?.to_owned(),
        ..Recipe::default()
    };
    let first = items.next()?;
    push(&mut recipe.ingredients, after_head(&first, INGREDIENTS)?);
    let mut is_in_directions = false;
    for item in items {
        if let Some(first) = after_head(&item, DIRECTIONS)
            && !is_in_directions
        {
            is_in_directions = true;
            push(&mut recipe.directions, first);
        } else if is_head(&item) {
            return None;
        } else if is_in_directions {
            recipe.directions.push(item);
        } else {
            recipe.ingredients.push(item);
        }
    }
    is_in_directions.then_some(recipe)
}

/// Whether an item would be taken for the head of a section.
pub(super) fn is_head(item: &str) -> bool {
    [TITLE, INGREDIENTS, DIRECTIONS]
        .iter()
        .any(|head| after_head(item, head).is_some())
}

fn push(items: &mut Vec<String>, item: &str) {
    if !item.is_empty() {
        items.push(item.to_owned());
    }
}

/// What follows the head in an item that begins with it.
fn after_head<'a>(item: &'a str, head: &str) -> Option<&'a str> {
    let rest = item.strip_prefix(head)?.trim_start().strip_prefix(':')?;
    Some(rest.trim_start())
}

/// One space for each run of white space, none at the ends.
fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
