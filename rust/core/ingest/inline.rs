//! The marks inside a line of Markdown: emphasis, links, images, escapes.

/// Marks inside marks, and the bytes from one mark to its partner: more than these are no marks, but noise.
const DEPTH: u32 = 8;
pub(super) const REACH: usize = 1024;

/// The plain text of a line. Bold, italic and code marks go, a link is its text, an image is nothing; `has_lost` is
/// set where words or an address went with them.
pub(super) fn plain(line: &str, has_lost: &mut bool) -> String {
    nested(line, 0, has_lost)
}

fn nested(line: &str, depth: u32, has_lost: &mut bool) -> String {
    let mut text = String::with_capacity(line.len());
    let mut rest = line.trim_end_matches('\\').trim();
    while let Some(at) = rest.find(['\\', '!', '[', '*', '_', '`', '<']) {
        let (before, from) = rest.split_at(at);
        text.push_str(before);
        rest = mark(from, depth, &mut text, has_lost);
    }
    text.push_str(rest);
    text.trim().to_owned()
}

/// Deals with the mark that `from` begins with, and returns what follows it.
fn mark<'a>(from: &'a str, depth: u32, text: &mut String, has_lost: &mut bool) -> &'a str {
    let keep = |text: &mut String, count: usize| {
        text.push_str(&from[..count]);
        &from[count..]
    };
    match from.as_bytes() {
        _ if depth == DEPTH => keep(text, from.len()),
        [b'\\', escaped, ..] if escaped.is_ascii_punctuation() => {
            text.push(char::from(*escaped));
            &from[2..]
        }
        [b'!', b'[', ..] => match link(&from[1..]) {
            Some((_, rest)) => left_out(rest, text, has_lost),
            None => keep(text, 2),
        },
        [b'[', ..] => match link(from) {
            Some((name, rest)) => {
                *has_lost = true;
                text.push_str(&nested(name, depth + 1, has_lost));
                rest
            }
            None => keep(text, 1),
        },
        [b'<', b'!', b'-', b'-', ..] => match near(from).split_once("-->") {
            Some((comment, _)) => left_out(&from[comment.len() + 3..], text, has_lost),
            None => keep(text, 4),
        },
        [b'`', ..] => match near(&from[1..])
            .find('`')
            .map(|end| (&from[1..=end], &from[end + 2..]))
        {
            Some((code, rest)) => {
                text.push_str(code);
                rest
            }
            None => keep(text, 1),
        },
        [first @ (b'*' | b'_'), ..] => {
            let count = from.bytes().take_while(|byte| byte == first).count();
            match emphasised(from, count, text) {
                Some((inner, rest)) => {
                    text.push_str(&nested(inner, depth + 1, has_lost));
                    rest
                }
                None => keep(text, count),
            }
        }
        _ => keep(text, 1),
    }
}

/// What follows something that is left out: of the spaces on its sides one stays.
fn left_out<'a>(rest: &'a str, before: &str, has_lost: &mut bool) -> &'a str {
    *has_lost = true;
    match before.is_empty() || before.ends_with(' ') {
        true => rest.trim_start(),
        false => rest,
    }
}

/// Text and rest of `[text](address)rest`.
fn link(from: &str) -> Option<(&str, &str)> {
    let mut depth = 0_usize;
    let close = near(from).bytes().position(|byte| {
        match byte {
            b'[' => depth += 1,
            b']' => depth -= 1,
            _ => {}
        }
        depth == 0
    })?;
    let address = from[close + 1..].strip_prefix('(')?;
    let mut depth = 1_usize;
    let end = near(address).bytes().position(|byte| {
        match byte {
            b'(' => depth += 1,
            b')' => depth -= 1,
            _ => {}
        }
        depth == 0
    })?;
    Some((&from[1..close], &address[end + 1..]))
}

/// Inner text and rest of `**inner**rest`, with `count` marks on each side; `None` where they emphasise nothing:
/// `2 * 3 * 4`, `10*10*5 cm`, `snake_case_name`. One star, and any underscore, stands at the edge of a word; two
/// stars may stand inside one, but at no digit outside them. Chinese and its kin have no edges for stars.
fn emphasised<'a>(from: &'a str, count: usize, before: &str) -> Option<(&'a str, &'a str)> {
    let (marks, inner) = from.split_at(count);
    let first = marks.chars().next()?;
    let is_strict = count == 1 || first == '_';
    let is_word = |char: char| match is_strict {
        true => char.is_alphanumeric() && (first == '_' || char < '\u{2e80}'),
        false => char.is_ascii_digit(),
    };
    if count > 3 || inner.starts_with(char::is_whitespace) || before.ends_with(is_word) {
        return None;
    }
    let is_end = |end: &usize| {
        let rest = &inner[end + count..];
        *end > 0
            && !inner[..*end].ends_with(|char: char| char.is_whitespace() || char == first)
            && !rest.starts_with(first)
            && !rest.starts_with(is_word)
    };
    let mut ends = near(inner).match_indices(marks).map(|(end, _)| end);
    let end = ends.find(is_end)?;
    Some((&inner[..end], &inner[end + count..]))
}

/// The beginning of `text`, as far as a mark may look for its partner.
pub(super) fn near(text: &str) -> &str {
    &text[..text.floor_char_boundary(REACH)]
}
