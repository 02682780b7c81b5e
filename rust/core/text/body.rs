//! The body of a text: what is left when spelling, layout and punctuation do not count.

use caseless::Caseless;
use unicode_normalization::UnicodeNormalization;

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
}

impl Body {
    /// Of ingredients and directions; the title does not count.
    pub fn of_items<'a>(items: impl Iterator<Item = &'a str> + Clone) -> String {
        let mut body = Body {
            bytes: Vec::with_capacity(items.clone().map(str::len).sum()),
        };
        items.for_each(|item| body.add(item));
        body.finish()
    }

    /// Adds `text` in NFKC, case-folded, letters and digits only.
    pub fn add(&mut self, text: &str) {
        if text.is_ascii() {
            // Every byte is written, and the next one over it where it does not count.
            let mut end = self.bytes.len();
            self.bytes.resize(end + text.len(), 0);
            for byte in text.bytes() {
                let kept = KEPT[usize::from(byte)];
                self.bytes[end] = kept;
                end += usize::from(kept != 0);
            }
            self.bytes.truncate(end);
        } else {
            let folded = text.nfkc().default_case_fold();
            let mut utf8 = [0; 4];
            for char in folded.filter(|char| char.is_alphanumeric()) {
                self.bytes.extend(char.encode_utf8(&mut utf8).as_bytes());
            }
        }
    }

    pub fn finish(self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelling_does_not_count() {
        let of = |text: &str| Body::of_items([text].into_iter());
        assert_eq!(of("1 1/2 Cups, RICE!"), "112cupsrice");
        assert_eq!(of("STRASSE é"), of("Straße e\u{301}"));
        assert_eq!(of("ﬁne ①"), "fine1");
    }
}
