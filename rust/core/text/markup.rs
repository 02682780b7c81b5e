//! HTML out of an item, and every character that is invisible or a kind of space.
//!
//! The text is pushed character by character onto an output. An entity is complete with its `;`, a tag
//! with its `>`: at these the end of the output is looked at and replaced, and what an entity stood for is
//! pushed like any other character. So entities in entities and tags in tags fold up in one
//! linear pass, and none is left, however they were nested.

use super::digit::ascii_digit;

/// `text` with rules 2, 3, 5, 7 and 8 of [`normalise`](super::normalise) applied, and all white space
/// turned into spaces.
pub(super) fn strip(text: &str) -> String {
    let mut output = Output {
        text: String::with_capacity(text.len()),
        tag_starts: Vec::new(),
        waiting: Vec::new(),
        has_ampersand: false,
    };
    // Up to what may begin an entity or a tag there is nothing to look back for.
    let special = text.find(['&', '<']).unwrap_or(text.len());
    output
        .text
        .extend(text[..special].chars().filter_map(plain));
    for char in text[special..].chars() {
        output.push(char);
    }
    while let Some((start, char)) = output.unfinished_entity() {
        output.text.truncate(start);
        output.push(char);
    }
    settled(output.text)
}

/// The longest name is `CounterClockwiseContourIntegral`.
const MAX_ENTITY: usize = 33;
const MAX_TAG: usize = 2000;

struct Output {
    text: String,
    /// Offsets of each `<` that may still begin a tag.
    tag_starts: Vec<usize>,
    /// Characters to push before the next one of the input, last first.
    waiting: Vec<char>,
    has_ampersand: bool,
}

impl Output {
    fn push(&mut self, char: char) {
        self.waiting.push(char);
        while let Some(char) = self.waiting.pop() {
            if let Some(char) = plain(char) {
                self.push_plain(char);
            }
        }
    }

    fn push_plain(&mut self, char: char) {
        let ends_name = !char.is_ascii_alphanumeric() && char != ';';
        if ends_name && let Some((start, meant)) = self.unfinished_entity() {
            self.text.truncate(start);
            self.waiting.extend([char, meant]);
            return;
        }
        match char {
            '<' => self.tag_starts.push(self.text.len()),
            '&' => self.has_ampersand = true,
            _ => {}
        }
        self.text.push(char);
        match char {
            ';' => self.fold_entity(),
            '>' => self.fold_tag(),
            _ => {}
        }
    }

    /// Where the name that ends the output begins, the `&` before it included.
    fn entity_start(&self, end: usize) -> Option<usize> {
        if !self.has_ampersand {
            return None;
        }
        let bytes = &self.text.as_bytes()[..end];
        let name = bytes
            .iter()
            .rev()
            .take(MAX_ENTITY)
            .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'#')
            .count();
        let start = (end - name).checked_sub(1)?;
        (bytes[start] == b'&' && name > 0).then_some(start)
    }

    /// Replaces the entity that the `;` just pushed completes.
    fn fold_entity(&mut self) {
        let end = self.text.len() - 1;
        let Some(start) = self.entity_start(end) else {
            return;
        };
        let name = &self.text[start + 1..end];
        let number = name.strip_prefix('#').unwrap_or(name);
        if let Some(char) = numeric(number) {
            self.waiting.push(char);
        } else if let Some(meant) = named(&self.text[start..]) {
            self.waiting.extend(meant.chars().rev());
        } else {
            return;
        }
        self.text.truncate(start);
    }

    /// A common entity at the end of the output that lacks its semicolon: its start and meaning.
    fn unfinished_entity(&self) -> Option<(usize, char)> {
        let start = self.entity_start(self.text.len())?;
        let char = match &self.text[start + 1..] {
            "nbsp" => ' ',
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "deg" => '°',
            "frac12" => '½',
            "frac14" => '¼',
            "frac34" => '¾',
            _ => return None,
        };
        Some((start, char))
    }

    /// Removes the tag that the `>` just pushed completes.
    fn fold_tag(&mut self) {
        let end = self.text.len() - 1;
        let Some(&start) = self.tag_starts.last() else {
            return;
        };
        let inside = &self.text[start + 1..end];
        if inside.len() <= MAX_TAG && inside.bytes().filter(|byte| *byte == b'"').count() % 2 == 1 {
            return; // The `>` stands inside an attribute's quotes.
        }
        let Some(tag) = Tag::read(inside) else {
            self.tag_starts.clear();
            return;
        };
        self.tag_starts.pop();
        self.text.truncate(start);
        let after_digit = self.text.ends_with(|last: char| last.is_ascii_digit());
        if tag == Tag::Break || (tag == Tag::Raised && after_digit) {
            self.waiting.push(' ');
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tag {
    /// Begins or ends a line: leaves a space.
    Break,
    /// `<sup>`: after a digit it begins a numerator (`1<sup>1</sup>/<sub>2</sub>`).
    Raised,
    Inline,
}

impl Tag {
    /// What `<inside>` is; `None` when it is no tag.
    fn read(inside: &str) -> Option<Tag> {
        if inside.len() > MAX_TAG {
            return None;
        }
        if let Some(comment) = inside.strip_prefix("!--") {
            return comment.ends_with("--").then_some(Tag::Inline);
        }
        let (closes, inside) = match inside.strip_prefix('/') {
            Some(inside) => (true, inside),
            None => (false, inside),
        };
        let is_name = |char: char| char.is_ascii_alphanumeric() || matches!(char, ':' | '-');
        let length = inside.find(|char| !is_name(char)).unwrap_or(inside.len());
        let (name, rest) = inside.split_at(length);
        if !name.starts_with(|first: char| first.is_ascii_alphabetic()) {
            return None;
        }
        let attributes = rest.trim().trim_end_matches('/').trim_end();
        let known = Tag::of_name(&name.to_ascii_lowercase());
        if closes {
            let tag = known.filter(|tag| *tag == Tag::Break);
            return attributes.is_empty().then_some(tag.unwrap_or(Tag::Inline));
        }
        if !rest.is_empty() && !rest.starts_with([' ', '/']) {
            return None;
        }
        match known {
            Some(tag) => (attributes.is_empty() || attributes.contains('=')).then_some(tag),
            // Foreign tags (`<epi:recipelink id="1">`); not words in brackets (`<lemon curd="">`).
            None => has_value(attributes).then_some(Tag::Inline),
        }
    }

    /// The elements of HTML that stand in texts, by their name in lower case.
    fn of_name(name: &str) -> Option<Tag> {
        match name {
            "address" | "article" | "aside" | "blockquote" | "body" | "br" | "center" | "dd"
            | "div" | "dl" | "dt" | "figcaption" | "figure" | "footer" | "form" | "h1" | "h2"
            | "h3" | "h4" | "h5" | "h6" | "head" | "header" | "hr" | "html" | "li" | "main"
            | "nav" | "ol" | "p" | "pre" | "section" | "table" | "tbody" | "td" | "tfoot"
            | "th" | "thead" | "title" | "tr" | "ul" => Some(Tag::Break),
            "sup" => Some(Tag::Raised),
            "a" | "abbr" | "b" | "big" | "cite" | "code" | "del" | "em" | "font" | "i"
            | "iframe" | "img" | "input" | "ins" | "kbd" | "label" | "link" | "mark" | "meta"
            | "noscript" | "q" | "s" | "script" | "small" | "span" | "strike" | "strong"
            | "style" | "sub" | "svg" | "time" | "tt" | "u" | "wbr" => Some(Tag::Inline),
            _ => None,
        }
    }
}

/// Whether an attribute has a quoted value that is not empty.
fn has_value(attributes: &str) -> bool {
    attributes
        .match_indices("=\"")
        .any(|(at, _)| !attributes[at + 2..].starts_with('"'))
}

/// What a whole entity, `&name;`, stands for.
fn named(entity: &str) -> Option<String> {
    let decoded = html_escape::decode_html_entities(entity);
    (decoded != entity).then(|| decoded.into_owned())
}

/// The character of a number as entities write it: decimal, or hexadecimal after an `x`.
fn numeric(number: &str) -> Option<char> {
    let code = match number.strip_prefix(['x', 'X']) {
        Some(hex) => u32::from_str_radix(hex, 16).ok()?,
        None if number.starts_with(|first: char| first.is_ascii_digit()) => number.parse().ok()?,
        None => return None,
    };
    match char::from_u32(code)? {
        char @ '\u{80}'..='\u{9f}' => Some(windows_1252(char).unwrap_or(char)),
        char => Some(char),
    }
}

/// `text` with a space after each `&` of an entity that has a digit in its name.
///
/// Of a text that was stripped before: what completed the entity was written since, and its number is one of
/// the text (`&0；` in characters that know no `；`).
pub(crate) fn numbers_apart(text: String) -> String {
    if !text.contains('&') {
        return text;
    }
    let mut apart = String::with_capacity(text.len() + 4);
    let mut parts = text.split('&');
    apart.extend(parts.next());
    for part in parts {
        apart.push('&');
        let is_name = |char: char| char.is_ascii_alphanumeric() || char == '#';
        let name = &part[..part.find(|char| !is_name(char)).unwrap_or(part.len())];
        let is_ended = part[name.len()..].starts_with(';');
        let entity = format!("&{name}{}", if is_ended { ';' } else { ' ' });
        if name.contains(|char: char| char.is_ascii_digit()) && strip(&entity) != entity {
            apart.push(' ');
        }
        apart.push_str(part);
    }
    apart
}

/// Stands for a control character until it is known what is beside it.
const GAP: char = '\u{200b}';

/// `text` with a space for each gap between letters or digits and none for the others, and with a slash,
/// apart from what it separates, for each `|`.
fn settled(text: String) -> String {
    if !text.contains([GAP, '|']) {
        return text;
    }
    let mut settled = String::with_capacity(text.len() + 8);
    let mut has_gap = false;
    for char in text.chars() {
        if char == GAP {
            has_gap = true;
            continue;
        }
        if has_gap && char.is_alphanumeric() && settled.ends_with(char::is_alphanumeric) {
            settled.push(' ');
        }
        has_gap = false;
        match char {
            '|' => settled.push_str(" / "),
            char => settled.push(char),
        }
    }
    settled
}

/// A character as it goes on; `None` where it goes.
fn plain(char: char) -> Option<char> {
    match char {
        ' '..='{' | '}' | '~' => Some(char),
        '|' => Some('|'),
        '\u{2215}' | '\u{29f8}' => Some('\u{2044}'),
        '．' | '\u{66b}' => Some('.'),
        '\u{66c}' => Some(','),
        '／' => Some('/'),
        // The three that composing turns into ASCII.
        '\u{37e}' => Some(';'),
        '\u{1fef}' => Some('`'),
        '\u{212a}' => Some('K'),
        _ if char.is_whitespace() => Some(' '),
        '\u{80}'..='\u{9f}' => Some(windows_1252(char).unwrap_or(GAP)),
        _ if char.is_control() => Some(GAP),
        GAP => Some(GAP),
        _ if is_invisible(char) => None,
        _ => Some(ascii_digit(char).unwrap_or(char)),
    }
}

fn is_invisible(char: char) -> bool {
    matches!(
        char,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// What Windows-1252 has where Unicode has the control characters 128 to 159.
fn windows_1252(char: char) -> Option<char> {
    // A space where it has none either.
    const CHARS: [char; 32] = [
        '€', ' ', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', ' ', 'Ž', ' ', ' ', '‘',
        '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', ' ', 'ž', 'Ÿ',
    ];
    let index = (char as usize).checked_sub(0x80)?;
    CHARS.get(index).copied().filter(|meant| *meant != ' ')
}
