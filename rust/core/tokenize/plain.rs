//! Characters that stand for themselves: no neighbour changes what a normalizer makes of them.
//!
//! Printable ASCII is known once (`probe`). Others are asked of the library when they are first met, within ranges
//! that hold no combining mark, joiner, control or other character whose cluster reaches to its neighbours.

use std::collections::HashMap;

use super::library::Library;
use crate::error::Result;

/// Ranges whose characters are grapheme clusters of their own among each other and beside ASCII, and not white space.
const RANGES: [(char, char); 12] = [
    ('\u{A1}', '\u{AC}'),
    ('\u{AE}', '\u{2FF}'),
    ('\u{370}', '\u{373}'),
    ('\u{37B}', '\u{37F}'),
    ('\u{386}', '\u{386}'),
    ('\u{388}', '\u{3FF}'),
    ('\u{400}', '\u{482}'),
    ('\u{48A}', '\u{52F}'),
    ('\u{2010}', '\u{2027}'),
    ('\u{2030}', '\u{205E}'),
    ('\u{2150}', '\u{218B}'),
    ('\u{4E00}', '\u{9FFF}'),
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
            if !self.known.contains_key(&character) {
                let becomes = ask(library, character)?;
                self.known.insert(character, becomes);
            }
            match self.known.get(&character) {
                Some(Some(becomes)) => text.push_str(becomes),
                _ => return Ok(None),
            }
        }
        Ok(Some(()))
    }
}

/// What becomes of a character between two letters.
fn ask(library: &Library, character: char) -> Result<Option<Box<str>>> {
    let known = RANGES
        .iter()
        .any(|(first, last)| (first..=last).contains(&&character));
    if !known {
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
