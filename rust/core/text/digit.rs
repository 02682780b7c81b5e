//! The digits of all scripts.

/// The ASCII digit that a decimal digit of any script stands for.
pub(super) fn ascii_digit(char: char) -> Option<char> {
    if char < ZEROS[0] {
        return None;
    }
    let zero = *ZEROS[..ZEROS.partition_point(|zero| *zero <= char)].last()?;
    char::from_digit(char as u32 - zero as u32, 10)
}

/// The zeros of Unicode's decimal digits; the other nine follow each.
#[rustfmt::skip]
const ZEROS: [char; 65] = [
    '\u{660}', '\u{6f0}', '\u{7c0}', '\u{966}', '\u{9e6}', '\u{a66}', '\u{ae6}', '\u{b66}',
    '\u{be6}', '\u{c66}', '\u{ce6}', '\u{d66}', '\u{de6}', '\u{e50}', '\u{ed0}', '\u{f20}',
    '\u{1040}', '\u{1090}', '\u{17e0}', '\u{1810}', '\u{1946}', '\u{19d0}', '\u{1a80}', '\u{1a90}',
    '\u{1b50}', '\u{1bb0}', '\u{1c40}', '\u{1c50}', '\u{a620}', '\u{a8d0}', '\u{a900}', '\u{a9d0}',
    '\u{a9f0}', '\u{aa50}', '\u{abf0}', '\u{ff10}', '\u{104a0}', '\u{10d30}', '\u{11066}', '\u{110f0}',
    '\u{11136}', '\u{111d0}', '\u{112f0}', '\u{11450}', '\u{114d0}', '\u{11650}', '\u{116c0}', '\u{11730}',
    '\u{118e0}', '\u{11950}', '\u{11c50}', '\u{11d50}', '\u{11da0}', '\u{16a60}', '\u{16ac0}', '\u{16b50}',
    '\u{1d7ce}', '\u{1d7d8}', '\u{1d7e2}', '\u{1d7ec}', '\u{1d7f6}', '\u{1e140}', '\u{1e2f0}', '\u{1e950}',
    '\u{1fbf0}',
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_of_all_scripts() {
        assert!(ZEROS.is_sorted());
        for (given, wanted) in [
            ('٠', Some('0')),
            ('٩', Some('9')),
            ('१', Some('1')),
            ('２', Some('2')),
            ('𝟏', Some('1')),
            ('𝟿', Some('9')),
            ('5', None),
            ('²', None),
            ('½', None),
            ('٪', None),
            ('é', None),
            ('汉', None),
        ] {
            assert_eq!(ascii_digit(given), wanted, "{given}");
        }
        assert!(ZEROS.iter().all(|zero| zero.is_numeric()));
    }
}
