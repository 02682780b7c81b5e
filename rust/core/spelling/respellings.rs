//! What may be written for a character, the best first.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// What stands around a character, as far as its respelling depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Around {
    /// A digit stands before it, or one with a mark that goes on with it: a slash, a point, a comma.
    pub after_digit: bool,
    /// Such a number follows, with a space or without.
    pub before_digit: bool,
    /// A letter or digit stands directly before it.
    pub after_word: bool,
    /// One stands directly after it.
    pub before_word: bool,
    /// The letter of a unit (gram, litre, metre) follows, and no other letter after it.
    pub before_unit: bool,
}

impl Around {
    /// `before` is written already, `after` is not.
    pub fn of(before: &str, after: &str) -> Self {
        let is_word = |char: Option<char>| char.is_some_and(char::is_alphanumeric);
        let next = after.strip_prefix(' ').unwrap_or(after);
        let marks = ['/', '.', ','];
        let (before_marks, after_marks) = (
            before.trim_end_matches(marks),
            next.trim_start_matches(marks),
        );
        Around {
            after_digit: before_marks.ends_with(|last: char| last.is_ascii_digit()),
            before_digit: after_marks.starts_with(|first: char| first.is_ascii_digit()),
            after_word: is_word(before.chars().next_back()),
            before_word: is_word(after.chars().next()),
            before_unit: after.starts_with(['g', 'l', 'L', 'm'])
                && !after[1..].starts_with(char::is_alphabetic),
        }
    }
}

/// The respellings of `char`, the best first; an empty one says that it may be left out.
///
/// 1. Those written by hand below.
/// 2. Of a Latin letter: itself without its marks (`ñ` is `n`).
/// 3. Its compatibility form (`ﬁ` is `fi`, `²` is `2`).
///
/// `¡` after a digit is the degree sign of another character set (`350¡F`).
///
/// None holds `|`, `&` or `<`. A digit stays apart from the digits around it: `10²` is `10 (2)`. What would
/// make a fraction of two numbers does not: `1\2` is `1 / 2`.
pub(super) fn respellings(char: char, around: Around) -> Vec<Cow<'static, str>> {
    let mut all: Vec<Cow<str>> = by_hand(char, around)
        .iter()
        .copied()
        .map(Cow::Borrowed)
        .collect();
    if char.is_alphabetic() {
        let bare: String = char
            .nfd()
            .filter(|part| !is_combining_mark(*part))
            .collect();
        let is_latin = !bare.is_empty() && bare.chars().all(|part| part < '\u{250}');
        all.extend(is_latin.then_some(Cow::Owned(bare)));
    }
    all.push(char.nfkc().collect());
    let itself = |respelt: &str| respelt.chars().eq([char]);
    all.retain(|respelt| !respelt.contains(['|', '&', '<']) && !itself(respelt));
    all.into_iter()
        .map(|respelt| fitted(respelt, around))
        .collect()
}

/// Keeps the digits of a respelling apart from those around it, and the space at its ends only towards words.
fn fitted(respelt: Cow<'static, str>, around: Around) -> Cow<'static, str> {
    let Around {
        after_digit,
        before_digit,
        after_word,
        before_word,
        ..
    } = around;
    let is_digit = |char: char| char.is_ascii_digit();
    if (after_digit && respelt.starts_with(is_digit))
        || (before_digit && respelt.ends_with(is_digit))
    {
        return format!(" ({respelt}) ").into();
    }
    match respelt.as_ref() {
        "/" if after_digit && before_digit => " / ".into(),
        "" | " " => respelt,
        text => {
            let text = if after_word { text } else { text.trim_start() };
            let text = if before_word { text } else { text.trim_end() };
            text.to_owned().into()
        }
    }
}

#[rustfmt::skip]
fn by_hand(char: char, around: Around) -> &'static [&'static str] {
    let Around { after_digit, before_digit, .. } = around;
    match char {
        // Degrees, and the ring and the ordinal that are typed for it.
        '°' => &[" degrees "],
        'º' | '˚' | 'ᵒ' => &["°", " degrees "],
        '¡' if after_digit => &["°", " degrees "],
        '℃' => &["°C", " degrees C"],
        '℉' => &["°F", " degrees F"],

        // Signs that shade a number.
        '~' | '⁓' | '〰' | '∼' | '˜' | '～' | '〜' | '≈' | '≃' | '≅' => match (after_digit, before_digit) {
            (false, true) => &[" about "],
            _ => &["-"],
        },
        '<' | '＜' if before_digit => &[" less than "],
        '>' | '＞' if before_digit => &[" more than "],
        '≤' | '⩽' | '≦' if before_digit => &[" at most "],
        '≥' | '⩾' | '≧' if before_digit => &[" at least "],
        '±' | '∓' => &["+/-"],
        '^' if after_digit && before_digit => &[" to the power of "],
        '%' | '٪' | '﹪' => &["%", " percent"],
        '‰' => &[" per thousand"],
        '‱' => &[" per ten thousand"],
        '∶' | '꞉' | 'ː' => &[":"],
        '➕' => &["+"],
        '⋅' if after_digit && before_digit => &["*", "x"],
        '×' | '✕' | '✖' | '⨯' | '✗' | '✘' => &["x"],
        '÷' | '➗' | '⟋' | '\\' | '｜' | '￤' | '¦' | '／' => &["/"],
        '·' | '‧' | '∙' | '・' if after_digit && before_digit => &["."],

        // Punctuation.
        '{' | '[' | '<' | '＜' | '【' | '〔' | '〖' | '〈' => &["("],
        '}' | ']' | '>' | '＞' | '】' | '〕' | '〗' | '〉' => &[")"],
        '‐' | '‑' | '‒' | '–' | '—' | '―' | '−' | '⁒' | '➖' | '⸺' | '⸻' | '⁃' | '﹣' | '─' | '━' => &["-"],
        '’' | '‘' | '‚' | '‛' | '′' | '‵' | '´' | '`' | 'ʹ' | 'ʻ' | 'ʼ' | 'ˈ' | '‹' | '›' | '＇' | '｀' => &["'"],
        '“' | '”' | '„' | '‟' | '″' | '‶' | '˝' | '«' | '»' | '「' | '」' | '『' | '』' | '《' | '》' | '〝' | '〞'
            | '＂' => &["\"", "''"],
        '"' => &["''"],
        '…' | '‥' | '⋯' => &["...", "-"],
        '•' | '‣' | '▪' | '●' | '◦' | '■' | '·' | '‧' | '∙' | '・' | '○' | '□' | '◆' | '◇' | '►' | '▶' | '▸' | '→'
            | '⇒' | '➔' | '➜' | '➡' | '←' => &["-"],
        '†' | '‡' | '※' | '★' | '☆' | '✱' | '∗' | '⁎' => &["*"],
        '、' => &[", "],
        '。' => &[". "],
        '۔' => &["."],
        '،' => &[","],
        '؟' => &["?"],
        '＆' | '&' => &[" and "],
        '_' => &["-"],
        '™' | '®' | '©' | '℠' => &[""],
        '#' | '№' if before_digit => &[" No. "],
        '€' => &[" EUR "],
        '£' => &[" GBP "],
        '¢' => &[" cents "],

        // Numbers of steps.
        '❶' | '⓵' | '➀' | '➊' => &["1"],
        '❷' | '⓶' | '➁' | '➋' => &["2"],
        '❸' | '⓷' | '➂' | '➌' => &["3"],
        '❹' | '⓸' | '➃' | '➍' => &["4"],
        '❺' | '⓹' | '➄' | '➎' => &["5"],
        '❻' | '⓺' | '➅' | '➏' => &["6"],
        '❼' | '⓻' | '➆' | '➐' => &["7"],
        '❽' | '⓼' | '➇' | '➑' => &["8"],
        '❾' | '⓽' | '➈' | '➒' => &["9"],
        '❿' | '⓾' | '🔟' | '➉' | '➓' => &["10"],
        '⓿' => &["0"],
        '⓫' => &["11"],
        '⓬' => &["12"],
        '⓭' => &["13"],
        '⓮' => &["14"],
        '⓯' => &["15"],
        '⓰' => &["16"],
        '⓱' => &["17"],
        '⓲' => &["18"],
        '⓳' => &["19"],
        '⓴' => &["20"],

        // Letters that are no base letter with a mark.
        'æ' | 'ǽ' => &["ae"],
        'Æ' | 'Ǽ' => &["Ae"],
        'œ' => &["oe"],
        'Œ' => &["Oe"],
        'ø' | 'ǿ' => &["o"],
        'Ø' | 'Ǿ' => &["O"],
        'ß' => &["ss"],
        'ẞ' => &["SS"],
        'ł' => &["l"],
        'Ł' => &["L"],
        'đ' | 'ð' => &["d"],
        'Đ' | 'Ð' => &["D"],
        'þ' => &["th"],
        'Þ' => &["Th"],
        'ħ' => &["h"],
        'Ħ' => &["H"],
        'ŋ' => &["ng"],
        'ı' => &["i"],
        'ª' => &["a"],
        'µ' => &["u"],
        'μ' if around.before_unit => &["µ", "u"],
        _ => &[],
    }
}
