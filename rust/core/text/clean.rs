//! A recipe whose items are clean.

use std::borrow::Cow;

use crate::recipe::Recipe;

use super::form::is_head;
use super::spell::respell;
use super::{Spell, normalise};

/// The recipe as it is trained on: every item normalised, empty ones dropped, and gone what a list's
/// layout says already: a leading bullet, and a step's own number where it is its place (`3.` or `3)`
/// on the third step). An item that begins like a section's head (`directions:`) gets a capital, so that it
/// cannot be taken for one. Cleaning a clean recipe changes nothing.
#[must_use]
pub fn clean(recipe: &Recipe) -> Recipe {
    let owned = |items: Vec<Cow<str>>| items.into_iter().map(Cow::into_owned).collect();
    let clean = Clean::of(recipe);
    Recipe {
        title: clean.title.into_owned(),
        ingredients: owned(clean.ingredients),
        directions: owned(clean.directions),
    }
}

/// What [`clean`] gives, borrowed wherever nothing had to change.
pub(super) struct Clean<'a> {
    pub title: Cow<'a, str>,
    pub ingredients: Vec<Cow<'a, str>>,
    pub directions: Vec<Cow<'a, str>>,
}

impl<'a> Clean<'a> {
    pub fn of(recipe: &'a Recipe) -> Self {
        let borrowed = |items: &'a [String]| items.iter().map(|item| Cow::Borrowed(item.as_str()));
        Clean {
            title: normalise(&recipe.title),
            ingredients: clean_list(borrowed(&recipe.ingredients), false),
            directions: clean_list(borrowed(&recipe.directions), true),
        }
    }

    /// About how many bytes its text takes.
    pub fn text_len(&self) -> usize {
        let items = self.ingredients.iter().chain(&self.directions);
        64 + self.title.len() + items.map(|item| item.len() + 3).sum::<usize>()
    }

    /// The same recipe with every item respelt, and clean again.
    pub fn respelt(mut self, spell: &mut dyn Spell) -> Self {
        respell(&mut self.title, spell);
        self.ingredients = respelt_list(self.ingredients, false, spell);
        self.directions = respelt_list(self.directions, true, spell);
        self
    }
}

fn clean_list<'a>(
    items: impl Iterator<Item = Cow<'a, str>>,
    is_numbered: bool,
) -> Vec<Cow<'a, str>> {
    let mut cleaned: Vec<Cow<str>> = Vec::with_capacity(items.size_hint().0);
    for item in items {
        let place = is_numbered.then_some(cleaned.len() + 1);
        let item = match item {
            Cow::Borrowed(item) => clean_item(item, place),
            Cow::Owned(item) => Cow::Owned(clean_item(&item, place).into_owned()),
        };
        if !item.is_empty() {
            cleaned.push(item);
        }
    }
    cleaned
}

fn respelt_list<'a>(
    mut items: Vec<Cow<'a, str>>,
    is_numbered: bool,
    spell: &mut dyn Spell,
) -> Vec<Cow<'a, str>> {
    let mut has_changed = false;
    for item in &mut items {
        has_changed |= respell(item, spell);
    }
    if has_changed {
        items = clean_list(items.into_iter(), is_numbered);
    }
    items
}

/// The item of a list, at `place` (from 1) where the list is numbered.
fn clean_item(item: &str, place: Option<usize>) -> Cow<'_, str> {
    match normalise(item) {
        Cow::Borrowed(item) => bare(item, place),
        Cow::Owned(item) => Cow::Owned(bare(&item, place).into_owned()),
    }
}

/// A normalised item without what the list's layout says.
fn bare(item: &str, place: Option<usize>) -> Cow<'_, str> {
    let bare = without_marker(item, place);
    if is_head(bare) {
        Cow::Owned(capitalised(bare))
    } else {
        Cow::Borrowed(bare)
    }
}

/// `item` without bullets and, at `place`, its own number.
fn without_marker(item: &str, place: Option<usize>) -> &str {
    let mut rest = item;
    loop {
        let shorter = after_bullet(rest)
            .or_else(|| after_number(rest, place?))
            .map(str::trim_start);
        match shorter {
            Some(shorter) => rest = shorter,
            None => return rest,
        }
    }
}

fn after_bullet(item: &str) -> Option<&str> {
    if item.starts_with(|first: char| first.is_ascii_alphanumeric()) {
        return None;
    }
    if let Some(rest) = item.strip_prefix(['•', '‣', '▪', '●', '◦', '■', '‧', '∙'])
    {
        return Some(rest);
    }
    // These begin words too (`*optional`, `-5 C`): only a space after them makes them bullets.
    let rest = item.strip_prefix(['-', '*', '+', '–', '—', '·'])?;
    (rest.is_empty() || rest.starts_with(' ')).then_some(rest)
}

fn after_number(item: &str, number: usize) -> Option<&str> {
    let digits = item.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = item.split_at(digits);
    let is_number = !digits.starts_with('0') && digits.parse() == Ok(number);
    let rest = rest.strip_prefix(['.', ')']).filter(|_| is_number)?;
    let is_decimal = rest.starts_with(|first: char| first.is_ascii_digit());
    (!is_decimal).then_some(rest)
}

fn capitalised(item: &str) -> String {
    let (first, rest) = item.split_at(1);
    first.to_ascii_uppercase() + rest
}
