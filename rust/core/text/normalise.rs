//! The rules that make an item plain text.

use std::borrow::Cow;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

use super::{fraction, markup};

/// The version of the rules of [`normalise`], of [`clean`](super::clean) and of spelling. It is part of a store's
/// fingerprint: any change of what they give raises it.
pub const NORMALISATION: u32 = 4;

/// One item (a title, an ingredient, a step) as plain text in one line.
///
/// 1. Unicode is composed (NFC).
/// 2. HTML entities become what they stand for, however often they were encoded (`&amp;frac12;`), with
///    the common ones lacking their semicolon (`&nbsp`) and numbers lacking their `#` (`&176;`);
///    numbers 128 to 159 mean Windows-1252.
/// 3. HTML tags and comments go; those that break a line (`<br>`, `<li>`, `<p>`, ...) leave a space. What
///    only looks like a tag (`< 5`, `<1 pie crust>`) stays.
/// 4. White space of any kind (line ends, tabs, no-break and thin spaces) is a space; runs of it are
///    one, and none is left at the ends.
/// 5. Zero-width and other invisible characters go: soft hyphens, joiners, byte order and direction
///    marks, variation selectors. Control characters that are Windows-1252 in disguise become what was
///    meant; the others and the zero-width space go, and leave a space between letters or digits.
/// 6. Fractions are ASCII: `½` is `1/2`, `1½` is `1 1/2`, `¹⁄₂`, `1/₂` and `1⁄2` are `1/2`, and `31⁄2`, where the
///    fraction slash says that a fraction was set, is `3 1/2`.
/// 7. `|` is ` / `: it separates the items of a recipe's text, and `2|3` is no fraction.
/// 8. Decimal digits of all scripts are ASCII (`٢`, `१`, `２`, `𝟐`), and so are the marks within their numbers:
///    the slash and the full stop as wide as ideographs (`１／２`), the Arabic decimal and thousands separators.
///
/// The result is a fixed point: normalising it again changes nothing. Cost: linear, and one scan where
/// there is nothing to do.
#[must_use]
pub fn normalise(item: &str) -> Cow<'_, str> {
    if is_plain(item) {
        return Cow::Borrowed(item);
    }
    let mut text = pass(item);
    while !is_plain(&text) {
        let next = pass(&text);
        if next == text {
            break;
        }
        text = next;
    }
    Cow::Owned(text)
}

/// Whether no rule has anything to do on `text`, as far as a glance at each character tells.
fn is_plain(text: &str) -> bool {
    const AMPERSAND: u8 = 1;
    const WIDE: u8 = 2;
    const WORK: u8 = 4;
    // Comparisons without branches: the compiler takes many bytes at once.
    let kind = |byte: u8| {
        let has_work = (byte < b' ') | (byte == b'<') | (byte == b'|') | (byte == 127);
        (u8::from(byte == b'&') * AMPERSAND)
            | (u8::from(byte >= 128) * WIDE)
            | (u8::from(has_work) * WORK)
    };
    let bytes = text.as_bytes();
    let kinds = bytes.iter().fold(0, |kinds, byte| kinds | kind(*byte));
    kinds & WORK == 0
        && is_spaced(bytes)
        && (kinds & AMPERSAND == 0 || !may_hold_entity(bytes))
        && (kinds & WIDE == 0 || text.chars().all(stands_alone))
}

/// Whether spaces are single and none is at the ends.
fn is_spaced(bytes: &[u8]) -> bool {
    let [first, .., last] = bytes else {
        return bytes != b" ";
    };
    let pairs = bytes.iter().zip(&bytes[1..]);
    let is_doubled = pairs.fold(false, |is_doubled, (a, b)| {
        is_doubled | ((*a == b' ') & (*b == b' '))
    });
    *first != b' ' && *last != b' ' && !is_doubled
}

/// Whether an `&` stands before what might be a name or number.
fn may_hold_entity(bytes: &[u8]) -> bool {
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'#';
    memchr::memchr_iter(b'&', bytes).any(|at| bytes.get(at + 1).is_some_and(is_name))
}

/// Whether a character is one that no rule changes and that composes with none beside it, of the common ones:
/// ASCII, the letters of Latin-1 and Latin Extended-A, the degree sign, dashes, quotes, bullets, ellipsis.
pub(super) fn stands_alone(char: char) -> bool {
    char.is_ascii()
        || matches!(char, 'À'..='ÿ' | 'Ā'..='ŀ' | 'Ł'..='ň' | 'Ŋ'..='ž' | '°' | 'º' | '\u{2010}'..='\u{2027}')
}

/// All rules once. A second pass is needed where one made work for another, say where removing
/// a zero-width character completed an entity.
fn pass(text: &str) -> String {
    let text = compose(text);
    let text = markup::strip(&text);
    let text = fraction::ascii_fractions(&text);
    let mut line = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    match compose(&line) {
        Cow::Borrowed(_) => line,
        Cow::Owned(composed) => composed,
    }
}

fn compose(text: &str) -> Cow<'_, str> {
    if text.is_ascii() || is_nfc_quick(text.chars()) == IsNormalized::Yes {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.nfc().collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_rule_changes_plain_text(text in "([ -~]|[À-ſ]|[‐-‧]|[°º½&<|\u{301}\u{200b}\u{a0}]|amp;| ){0,6}") {
            if is_plain(&text) {
                prop_assert_eq!(pass(&text), text);
            }
        }
    }

    #[test]
    fn plain_text_is_told_from_text_with_work_in_it() {
        for plain in [
            "",
            "a",
            "1 cup rice",
            "a > b",
            "salt & pepper",
            "&",
            "crème",
            "350°F",
        ] {
            assert!(is_plain(plain), "{plain:?}");
        }
        for other in [
            " ", " a", "a ", "a  b", "a\tb", "a&b", "a &#1", "a|b", "a<b", "a\u{7f}", "½",
            "e\u{301}", "a\u{a0}b",
        ] {
            assert!(!is_plain(other), "{other:?}");
        }
    }
}
