//! The body of a text: what is left when spelling, layout and punctuation do not count.

use caseless::Caseless;
use unicode_normalization::UnicodeNormalization;

use crate::recipe::Recipe;

/// The body of a recipe: its ingredients and directions, without the title.
pub(super) fn of_recipe(recipe: &Recipe) -> String {
    let items = recipe.ingredients.iter().chain(&recipe.directions);
    let mut body = String::with_capacity(items.clone().map(String::len).sum());
    for item in items {
        add(item, &mut body);
    }
    body
}

/// Adds `text` in NFKC, case-folded, letters and digits only.
pub(super) fn add(text: &str, body: &mut String) {
    if text.is_ascii() {
        let kept = text.bytes().filter(u8::is_ascii_alphanumeric);
        body.extend(kept.map(|byte| char::from(byte.to_ascii_lowercase())));
    } else {
        let folded = text.nfkc().default_case_fold();
        body.extend(folded.filter(|char| char.is_alphanumeric()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelling_does_not_count() {
        let of = |text: &str| {
            let mut body = String::new();
            add(text, &mut body);
            body
        };
        assert_eq!(of("1 1/2 Cups, RICE!"), "112cupsrice");
        assert_eq!(of("STRASSE é"), of("Straße e\u{301}"));
        assert_eq!(of("ﬁne ①"), "fine1");
    }
}
