//! Items in characters that a tokenizer spells.

use std::borrow::Cow;

use super::normalise;

/// Puts an item into characters that survive: what stands in between knows a tokenizer.
pub trait Spell {
    /// `item` itself where all of it survives, else respelt. Respelling what was respelt changes nothing.
    ///
    /// No respelling may bring in a `|`, a section's head or an entity with a number, or change a number.
    fn spell<'a>(&mut self, item: &'a str) -> Cow<'a, str>;
}

/// Leaves every item as it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct AsIs;

impl Spell for AsIs {
    fn spell<'a>(&mut self, item: &'a str) -> Cow<'a, str> {
        Cow::Borrowed(item)
    }
}

/// Respells a normalised item and normalises it again, until neither has anything to do. Whether it changed.
pub(super) fn respell(item: &mut Cow<str>, spell: &mut dyn Spell) -> bool {
    let Cow::Owned(mut text) = spell.spell(item) else {
        return false;
    };
    loop {
        // An entity that only respelling completed may stand for one more character to respell.
        text = normalise(&text).into_owned();
        match spell.spell(&text) {
            Cow::Borrowed(_) => break,
            Cow::Owned(respelt) => text = respelt,
        }
    }
    *item = Cow::Owned(text);
    true
}
