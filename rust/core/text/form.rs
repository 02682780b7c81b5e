//! The recipe's text, one line: `title: ... | ingredients: ... | ... | directions: ... | ...`.

use crate::recipe::Recipe;

use super::normalise;

const TITLE: &str = "title";
const INGREDIENTS: &str = "ingredients";
const DIRECTIONS: &str = "directions";
/// Stands between two items; [`normalise`] leaves none inside of one.
pub(super) const SEPARATOR: &str = " | ";

/// The recipe as it is trained on: every item normalised, empty ones dropped, and gone what a list's
/// layout says already: a leading bullet, and a step's own number where it is its place (`3.` or `3)`
/// on the third step). An item that begins like a section's head (`directions:`) gets a capital, so that it
/// cannot be taken for one. Cleaning a clean recipe changes nothing.
#[must_use]
pub fn clean(recipe: &Recipe) -> Recipe {
    Recipe {
        title: normalise(&recipe.title),
        ingredients: clean_list(&recipe.ingredients, false),
        directions: clean_list(&recipe.directions, true),
    }
}

fn clean_list(items: &[String], is_numbered: bool) -> Vec<String> {
    let mut cleaned: Vec<String> = Vec::with_capacity(items.len());
    for item in items {
        let item = normalise(item);
        let place = is_numbered.then_some(cleaned.len() + 1);
        let bare = without_marker(&item, place);
        if !bare.is_empty() {
            cleaned.push(if is_head(bare) {
                capitalised(bare)
            } else {
                bare.to_owned()
            });
        }
    }
    cleaned
}

/// `item` without bullets and, at `place`, its own number.
fn without_marker(item: &str, place: Option<usize>) -> &str {
    let number = place.map(|place| place.to_string());
    let mut rest = item;
    loop {
        let shorter = after_bullet(rest)
            .or_else(|| after_number(rest, number.as_deref()?))
            .map(str::trim_start);
        match shorter {
            Some(shorter) => rest = shorter,
            None => return rest,
        }
    }
}

fn after_bullet(item: &str) -> Option<&str> {
    if let Some(rest) = item.strip_prefix(['•', '‣', '▪', '●', '◦', '■', '‧', '∙'])
    {
        return Some(rest);
    }
    // These begin words too (`*optional`, `-5 C`): only a space after them makes them bullets.
    let rest = item.strip_prefix(['-', '*', '+', '–', '—', '·'])?;
    (rest.is_empty() || rest.starts_with(' ')).then_some(rest)
}

fn after_number<'a>(item: &'a str, number: &str) -> Option<&'a str> {
    let rest = item.strip_prefix(number)?.strip_prefix(['.', ')'])?;
    let is_decimal = rest.starts_with(|first: char| first.is_ascii_digit());
    (!is_decimal).then_some(rest)
}

fn is_head(item: &str) -> bool {
    [TITLE, INGREDIENTS, DIRECTIONS]
        .iter()
        .any(|head| after_head(item, head).is_some())
}

fn capitalised(item: &str) -> String {
    let (first, rest) = item.split_at(1);
    first.to_ascii_uppercase() + rest
}

/// The text of a clean recipe. An empty list leaves its head with nothing after it.
#[must_use]
pub fn recipe_text(recipe: &Recipe) -> String {
    let mut text = format!("{TITLE}: {}", recipe.title);
    for (head, items) in [
        (INGREDIENTS, &recipe.ingredients),
        (DIRECTIONS, &recipe.directions),
    ] {
        text.truncate(text.trim_end().len());
        text.push_str(SEPARATOR);
        text.push_str(head);
        text.push(':');
        for (index, item) in items.iter().enumerate() {
            text.push_str(if index == 0 { " " } else { SEPARATOR });
            text.push_str(item);
        }
    }
    text
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
