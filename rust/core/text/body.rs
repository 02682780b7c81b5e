//! The body of a text: what is left when spelling, layout and punctuation do not count.

use caseless::Caseless;
use unicode_normalization::UnicodeNormalization;
use xxhash_rust::xxh3::Xxh3;

use super::normalise::stands_alone;
use super::quantity::quantities;

/// What a body keeps of each ASCII character: letters in lower case, digits, and 0 for the others.
const KEPT: [u8; 256] = {
    let mut kept = [0; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        if byte.is_ascii_alphanumeric() {
            kept[byte as usize] = byte.to_ascii_lowercase();
        }
        byte += 1;
    }
    kept
};

/// A body that is being put together.
#[derive(Default)]
pub(super) struct Body {
    /// UTF-8; without a check until it is whole.
    bytes: Vec<u8>,
    /// Its numbers as they are written: the letters and digits of `1.5` and `15` are the same.
    numbers: Xxh3,
}

impl Body {
    /// Of ingredients and directions; the title does not count.
    pub fn of_items<'a>(items: impl Iterator<Item = &'a str> + Clone) -> Self {
        let mut body = Body {
            bytes: Vec::with_capacity(items.clone().map(str::len).sum()),
            ..Body::default()
        };
        items.for_each(|item| body.add(item));
        body
    }

    /// Adds `text` in NFKC, case-folded, letters and digits only, and the numbers in it.
    pub fn add(&mut self, text: &str) {
        for number in quantities(text) {
            self.numbers.update(number.as_bytes());
            self.numbers.update(b"|");
        }
        if text.is_ascii() {
            self.add_ascii(text.as_bytes());
        } else if text.chars().all(stands_alone) {
            // What is between them is taken as it is.
            let mut rest = text;
            while let Some(at) = rest.find(|char: char| !char.is_ascii()) {
                let end = at + rest[at..].chars().next().map_or(0, char::len_utf8);
                self.add_ascii(&rest.as_bytes()[..at]);
                self.add_wide(&rest[at..end]);
                rest = &rest[end..];
            }
            self.add_ascii(rest.as_bytes());
        } else {
            self.add_wide(text);
        }
    }

    fn add_ascii(&mut self, text: &[u8]) {
        // Every byte is written, and the next one over it where it does not count.
        let mut end = self.bytes.len();
        self.bytes.resize(end + text.len(), 0);
        for byte in text {
            let kept = KEPT[usize::from(*byte)];
            self.bytes[end] = kept;
            end += usize::from(kept != 0);
        }
        self.bytes.truncate(end);
    }

    fn add_wide(&mut self, text: &str) {
        let folded = text.nfkc().default_case_fold();
        let mut utf8 = [0; 4];
        for char in folded.filter(|char| char.is_alphanumeric()) {
            self.bytes.extend(char.encode_utf8(&mut utf8).as_bytes());
        }
    }

    /// The body, and a hash of its numbers.
    pub fn finish(self) -> (String, u64) {
        let body = String::from_utf8(self.bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        (body, self.numbers.digest())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelling_does_not_count() {
        let of = |text: &str| Body::of_items([text].into_iter()).finish().0;
        assert_eq!(of("1 1/2 Cups, RICE!"), "112cupsrice");
        assert_eq!(of("STRASSE é"), of("Straße e\u{301}"));
        assert_eq!(of("ﬁne ①"), "fine1");
    }

    #[test]
    fn numbers_are_told_apart() {
        let of = |items: &[&str]| Body::of_items(items.iter().copied()).finish();
        for (one, other) in [
            ("1.5 kg", "15 kg"),
            ("1 1/2 cups", "11/2 cups"),
            ("1-2 eggs", "12 eggs"),
            ("1/2 cup", "12 cup"),
            (".5 l", "5 l"),
            ("1,5 l", "15 l"),
            ("1,5 l", "1.5 l"),
        ] {
            assert_eq!(of(&[one]).0, of(&[other]).0);
            assert_ne!(of(&[one]).1, of(&[other]).1, "{one} and {other}");
        }
        assert_ne!(of(&["bowl 1", "2 eggs"]).1, of(&["bowl", "12 eggs"]).1);
        assert_eq!(
            of(&["1-2 Eggs.", "Bake 5"]),
            of(&["1 – 2 eggs", "bake (5)"])
        );
        assert_eq!(of(&["Mix 2. Bake 5."]), of(&["Mix 2.", "Bake 5."]));
    }

    #[test]
    fn characters_that_stand_alone_may_be_taken_alone() {
        let alone: String = (0..0x3000)
            .filter_map(char::from_u32)
            .filter(|c| stands_alone(*c))
            .collect();
        assert!(alone.chars().count() > 300);
        let (mut whole, mut parts) = (Body::default(), Body::default());
        whole.add_wide(&alone);
        parts.add(&alone);
        assert_eq!(parts.finish().0, whole.finish().0);
        for char in alone.chars() {
            let twice = format!("{char}e{char}");
            assert_eq!(twice.nfc().collect::<String>(), twice);
        }
    }
}
