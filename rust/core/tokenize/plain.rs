//! Characters that stand for themselves: no neighbour changes what a normalizer makes of them.
//!
//! Printable ASCII is known once (`probe`). Others are asked of the library when they are first met, within ranges
//! that hold no combining mark, joiner, control or other character whose cluster reaches to its neighbours.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::library::Library;
use crate::error::Result;

/// Ranges whose characters are grapheme clusters of their own among each other and beside ASCII, and not white space.
const RANGES: [(char, char); 23] = [
    ('\u{A1}', '\u{AC}'),
    ('\u{AE}', '\u{2FF}'),
    ('\u{370}', '\u{373}'),
    ('\u{37B}', '\u{37F}'),
    ('\u{386}', '\u{386}'),
    ('\u{388}', '\u{3FF}'),
    ('\u{400}', '\u{482}'),
    ('\u{48A}', '\u{52F}'),
    ('\u{5D0}', '\u{5EA}'),
    ('\u{620}', '\u{64A}'),
    ('\u{2010}', '\u{2027}'),
    ('\u{2030}', '\u{205E}'),
    ('\u{2150}', '\u{218B}'),
    ('\u{2190}', '\u{2580}'),
    ('\u{2582}', '\u{2BFF}'),
    ('\u{3001}', '\u{3020}'),
    ('\u{3041}', '\u{3096}'),
    ('\u{30A1}', '\u{30FE}'),
    ('\u{4E00}', '\u{9FFF}'),
    ('\u{AC00}', '\u{D7A3}'),
    ('\u{FF01}', '\u{FF5E}'),
    ('\u{1F300}', '\u{1F3FA}'),
    ('\u{1F400}', '\u{1F64F}'),
];

/// What the normalizer makes of single characters, as far as they were met.
#[derive(Default)]
pub(super) struct Plain {
    known: HashMap<char, Option<Box<str>>>,
}

impl Plain {
    /// Appends what the normalizer makes of a word; `None` where a character does not stand for itself or becomes
    /// white space, nothing, or the mark of a space. `text` is then of no use.
    pub(super) fn normalise(
        &mut self,
        library: &Library,
        word: &str,
        text: &mut String,
    ) -> Result<Option<()>> {
        for character in word.chars() {
            if character.is_ascii_graphic() {
                text.push(character);
                continue;
            }
            let becomes = match self.known.entry(character) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(place) => place.insert(ask(library, character)?),
            };
            let Some(becomes) = becomes else {
                return Ok(None);
            };
            text.push_str(becomes);
        }
        Ok(Some(()))
    }
}

/// Whether a word begins and ends with characters that are no white space in anybody's eyes and join nothing, and
/// does not hold the mark of a space: two such words cannot meet in a way that one of them and a letter do not.
pub(super) fn edges_are_plain(word: &str) -> bool {
    let plain = |c: char| c.is_ascii_graphic() || stands_for_itself(c);
    let mut edges = word
        .chars()
        .next()
        .into_iter()
        .chain(word.chars().next_back());
    edges.all(plain) && !word.contains('\u{2581}')
}

fn stands_for_itself(character: char) -> bool {
    RANGES
        .iter()
        .any(|(first, last)| (first..=last).contains(&&character))
}

/// What becomes of a character between two letters.
fn ask(library: &Library, character: char) -> Result<Option<Box<str>>> {
    if !stands_for_itself(character) {
        return Ok(None);
    }
    let text = library.normalised(&format!("a{character}a"))?;
    let becomes = text
        .strip_prefix('a')
        .and_then(|text| text.strip_suffix('a'))
        .filter(|becomes| !becomes.is_empty())
        .filter(|becomes| !becomes.contains(|c: char| c.is_whitespace() || c == '\u{2581}'));
    Ok(becomes.map(Box::from))
}
