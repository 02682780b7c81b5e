//! Fractions as ASCII.

use std::iter::Peekable;
use std::str::Chars;

const FRACTION_SLASH: char = '\u{2044}';

/// `text` with rule 6 of [`normalise`](super::normalise) applied.
pub(super) fn ascii_fractions(text: &str) -> String {
    let ascii = text.bytes().take_while(u8::is_ascii).count();
    let mut out = String::with_capacity(text.len() + 8);
    out.push_str(&text[..ascii]);
    let mut rest = text[ascii..].chars().peekable();
    while let Some(char) = rest.next() {
        if char.is_ascii() {
            out.push(char);
        } else if let Some(fraction) = vulgar(char) {
            part_from_digit(&mut out);
            out.push_str(fraction);
            if !fraction.ends_with('/') && rest.peek().is_some_and(char::is_ascii_digit) {
                out.push(' ');
            }
        } else if small(char).is_some() {
            small_digits(char, &mut rest, &mut out);
        } else if char == FRACTION_SLASH {
            part_whole_number(&mut out, rest.clone());
            slash(&mut rest, &mut out);
        } else {
            out.push(char);
        }
    }
    out
}

/// Super- and subscript digits are a numerator when a slash follows, a denominator after a number's slash, else
/// they stay what they are.
fn small_digits(first: char, rest: &mut Peekable<Chars<'_>>, out: &mut String) {
    let mut digits = String::from(first);
    while let Some(next) = rest.next_if(|next| small(*next).is_some()) {
        digits.push(next);
    }
    let is_denominator = out
        .strip_suffix('/')
        .is_some_and(|before| before.ends_with(|last: char| last.is_ascii_digit()));
    if is_denominator {
        out.extend(digits.chars().filter_map(small));
    } else if rest
        .next_if(|next| matches!(*next, FRACTION_SLASH | '/'))
        .is_some()
    {
        part_from_digit(out);
        out.extend(digits.chars().filter_map(small));
        slash(rest, out);
    } else {
        out.push_str(&digits);
    }
}

/// A slash, and the small digits of the denominator after it.
fn slash(rest: &mut Peekable<Chars<'_>>, out: &mut String) {
    out.push('/');
    while let Some(digit) = rest.peek().copied().and_then(small) {
        out.push(digit);
        rest.next();
    }
}

fn part_from_digit(out: &mut String) {
    if out.ends_with(|last: char| last.is_ascii_digit()) {
        out.push(' ');
    }
}

/// Before a fraction slash: of the digits at the end of `out`, those before the last are a whole number
/// when the last with the denominator that follows makes a proper kitchen fraction (`31⁄2`, not `10⁄12`).
fn part_whole_number(out: &mut String, mut rest: Peekable<Chars<'_>>) {
    let digits = out.bytes().rev().take_while(u8::is_ascii_digit).count();
    let before = out.len() - digits;
    let goes_on = out[..before].ends_with(['.', ',', '/']);
    let denominator = rest.next().and_then(|next| small(next).or(Some(next)));
    let is_longer = rest
        .next()
        .is_some_and(|next| next.is_ascii_digit() || small(next).is_some());
    let Some(denominator @ ('2' | '3' | '4' | '5' | '6' | '8')) = denominator else {
        return;
    };
    let numerator = out.as_bytes().last().copied().map_or('0', char::from);
    if digits >= 2 && !goes_on && !is_longer && numerator != '0' && numerator < denominator {
        out.insert(out.len() - 1, ' ');
    }
}

fn vulgar(char: char) -> Option<&'static str> {
    Some(match char {
        '¼' => "1/4",
        '½' => "1/2",
        '¾' => "3/4",
        '⅐' => "1/7",
        '⅑' => "1/9",
        '⅒' => "1/10",
        '⅓' => "1/3",
        '⅔' => "2/3",
        '⅕' => "1/5",
        '⅖' => "2/5",
        '⅗' => "3/5",
        '⅘' => "4/5",
        '⅙' => "1/6",
        '⅚' => "5/6",
        '⅛' => "1/8",
        '⅜' => "3/8",
        '⅝' => "5/8",
        '⅞' => "7/8",
        '⅟' => "1/",
        '↉' => "0/3",
        _ => return None,
    })
}

/// The ASCII digit of a superscript or subscript one.
fn small(char: char) -> Option<char> {
    const RAISED: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    const LOWERED: [char; 10] = ['₀', '₁', '₂', '₃', '₄', '₅', '₆', '₇', '₈', '₉'];
    place(&RAISED, char).or_else(|| place(&LOWERED, char))
}

fn place(digits: &[char; 10], char: char) -> Option<char> {
    let value = digits.iter().position(|digit| *digit == char)?;
    char::from_digit(u32::try_from(value).ok()?, 10)
}
