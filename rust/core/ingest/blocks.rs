//! The lines of a Markdown page -> its blocks: headings, list items, paragraphs, each one line of text.

use super::inline::{self, near};

/// What a block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `#` is level 1. A bold line alone is one of [`BOLD`], a line that ends with a colon stays a paragraph.
    Heading(usize),
    /// An entry of a list, or a row of a table.
    Item,
    Paragraph,
    /// A line of fenced text.
    Code,
}

/// The level of a bold line that stands alone: below all others.
pub(super) const BOLD: usize = 7;

/// What fenced text of these languages says stands in the page's words too.
const DIAGRAMS: [&str; 5] = ["mermaid", "dot", "graphviz", "plantuml", "svg"];

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) kind: Kind,
    /// Its lines, joined by spaces; where `lines` is empty there is but one.
    pub(super) text: String,
    /// The lines that may be items each: of a paragraph all, of an item those after hard breaks.
    pub(super) lines: Vec<String>,
}

/// A page as blocks.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    /// `title` of the front matter.
    pub(super) title: Option<String>,
    pub(super) blocks: Vec<Block>,
    /// Whether the page has words or addresses that stand in no block.
    pub(super) has_lost: bool,
    /// Whether the next line goes on with the last block.
    goes_on: bool,
    /// Whether the last block is of a list, whose indented lines go on with it over blank lines too.
    is_in_list: bool,
    /// The bits of the numbers that items had.
    numbers: u128,
    /// Whether the last line ends with a hard break: two spaces, a backslash, `<br>`.
    is_broken: bool,
    /// The number that the next line begins with.
    next_number: Option<u32>,
    /// The head of a table, until the line after it tells that it is one.
    table_head: Option<usize>,
}

impl Blocks {
    /// The blocks of a page; `is_plain`: without the marks inside their lines ([`inline`]).
    pub(super) fn of(page: &str, is_plain: bool) -> Blocks {
        let mut blocks = Blocks::default();
        let mut lines = blocks.front_matter(page).lines().peekable();
        let mut fence: Option<(&str, bool)> = None;
        let mut is_comment = false;
        while let Some(line) = lines.next() {
            let text = line.trim();
            blocks.next_number = lines.peek().and_then(|next| number(next));
            if let Some((mark, is_diagram)) = fence {
                blocks.has_lost |= !text.is_empty();
                if text.starts_with(mark) && text.trim_start_matches(['`', '~']).is_empty() {
                    fence = None;
                } else if !text.is_empty() && !is_diagram {
                    blocks.push(Kind::Code, text);
                }
            } else if is_comment || text.starts_with("<!--") {
                is_comment = !text.contains("-->");
                blocks.has_lost = true;
            } else if let Some(mark) = ["```", "~~~"]
                .into_iter()
                .find(|mark| text.starts_with(mark))
            {
                let language = text.trim_start_matches(['`', '~']).trim();
                fence = Some((mark, DIAGRAMS.contains(&language)));
                blocks.break_off();
            } else if is_plain && line.contains('<') && !text.starts_with('|') {
                blocks.html(line);
            } else {
                blocks.line(line);
                blocks.is_broken = line.ends_with("  ") || line.ends_with('\\');
            }
        }
        let marked = |block: &&mut Block| is_plain && block.kind != Kind::Code;
        for block in blocks.blocks.iter_mut().filter(marked) {
            block.text = inline::plain(&block.text, &mut blocks.has_lost);
            for line in &mut block.lines {
                *line = inline::plain(line, &mut blocks.has_lost);
            }
        }
        blocks
    }

    /// Takes the title out of front matter (`---` or `+++`) and returns what follows it.
    fn front_matter<'a>(&mut self, page: &'a str) -> &'a str {
        let page = page.trim_start_matches(['\u{feff}', '\n', '\r']);
        let mut end = 0;
        let mut fence = "";
        let mut title = None;
        let mut has_more = false;
        for (number, line) in page.split_inclusive('\n').enumerate() {
            end += line.len();
            let text = line.trim_end();
            match (number, text) {
                (0, "---" | "+++") => fence = text,
                (0, _) => return page,
                (_, text) if text == fence => {
                    self.title = title;
                    self.has_lost |= has_more;
                    return &page[end..];
                }
                _ => match front_value(text, "title") {
                    Some(value) if title.is_none() => title = Some(value),
                    _ => has_more |= !text.trim().is_empty(),
                },
            }
        }
        // Never closed: a rule, and text.
        page
    }

    fn line(&mut self, line: &str) {
        let quoted = line.trim_start().trim_start_matches('>');
        let indent = match quoted.len() == line.trim_start().len() {
            true => line
                .chars()
                .take_while(|char| matches!(char, ' ' | '\t'))
                .count(),
            false => 0,
        };
        let text = quoted.trim();
        if text.is_empty() {
            self.goes_on = false;
        } else if let Some((level, text)) = heading(text) {
            self.push(Kind::Heading(level), text);
            self.break_off();
        } else if self.goes_on && !self.is_in_list && is_underline(text) {
            let level = if text.starts_with('=') { 1 } else { 2 };
            if let Some(last) = self.blocks.last_mut() {
                last.kind = Kind::Heading(level);
            }
            self.break_off();
        } else if is_rule(text) {
            self.break_off();
        } else if text.starts_with('|') {
            self.row(text);
        } else if let Some(item) = self.marked(text) {
            self.push(Kind::Item, item);
            self.goes_on = true;
            self.is_in_list = true;
        } else if let Some(name) = bold_line(text).filter(|_| indent < 2 || !self.is_in_list) {
            self.push(Kind::Heading(BOLD), name);
            self.break_off();
        } else {
            self.text(text, indent);
        }
    }

    /// A line with HTML: `<li>` begins an item, `<br>` breaks a line, other tags of blocks vanish.
    fn html(&mut self, line: &str) {
        let mut rest = line;
        let mut is_start = true;
        loop {
            let tag = rest.match_indices('<').find_map(|(at, _)| {
                let end = near(&rest[at..]).find('>')? + at;
                let name = rest[at + 1..end].trim_end_matches('/').trim();
                let name = name.split(' ').next()?.to_ascii_lowercase();
                BLOCK_TAGS
                    .contains(&name.trim_start_matches('/'))
                    .then_some((at, end + 1, name))
            });
            let Some((at, end, name)) = tag else {
                self.piece(rest, is_start);
                self.is_broken |= rest.ends_with("  ");
                return;
            };
            self.piece(&rest[..at], is_start);
            match name.as_str() {
                "br" => self.is_broken = true,
                "li" => {
                    self.push(Kind::Item, "");
                    self.goes_on = true;
                    self.is_in_list = true;
                }
                _ => self.break_off(),
            }
            is_start = name != "li" && name != "br" && rest[..at].trim().is_empty();
            rest = &rest[end..];
        }
    }

    /// What stands between tags.
    fn piece(&mut self, text: &str, is_start: bool) {
        if text.trim().is_empty() {
            return;
        }
        if is_start {
            self.line(text);
        } else if let Some(item) = self.marked(text.trim()) {
            self.push(Kind::Item, item);
        } else {
            self.text(text.trim(), 0);
        }
        self.is_broken = false;
    }

    /// A line without a mark: it goes on with the block before, or is a paragraph.
    fn text(&mut self, text: &str, indent: usize) {
        let goes_on = self.goes_on || (self.is_in_list && indent >= 2);
        match self.blocks.last_mut().filter(|_| goes_on) {
            Some(last) => {
                if last.lines.is_empty() {
                    last.lines.push(last.text.clone());
                }
                match last.lines.last_mut() {
                    Some(line) if last.kind == Kind::Item && !self.is_broken => join(line, text),
                    _ => last.lines.push(text.to_owned()),
                }
                join(&mut last.text, text);
            }
            None => {
                self.is_in_list = false;
                self.push(Kind::Paragraph, text);
            }
        }
        self.goes_on = true;
    }

    fn push(&mut self, kind: Kind, text: &str) {
        self.blocks.push(Block {
            kind,
            text: text.to_owned(),
            lines: Vec::new(),
        });
    }

    /// What comes next belongs to no block before it.
    fn break_off(&mut self) {
        self.goes_on = false;
        self.is_in_list = false;
        self.table_head = None;
    }

    /// A row of a table is an item: its cells, with spaces between. The head says nothing of its own.
    fn row(&mut self, text: &str) {
        let cells = text.trim_matches('|').split('|').map(str::trim);
        let is_separator = text.contains('-') && text.chars().all(|char| "|-: ".contains(char));
        if is_separator {
            if let Some(head) = self
                .table_head
                .take()
                .filter(|head| head + 1 == self.blocks.len())
            {
                self.blocks.truncate(head);
                self.has_lost = true;
            }
        } else {
            let row = cells
                .filter(|cell| !cell.is_empty())
                .collect::<Vec<_>>()
                .join(" ");
            self.table_head = Some(self.blocks.len());
            self.push(Kind::Item, &row);
        }
        self.goes_on = false;
        self.is_in_list = false;
    }

    /// The item after its mark. Where the line before goes on, a number is a mark only when it is 1 or about the one
    /// after another's: any other is part of a sentence that was broken there.
    fn marked<'a>(&mut self, line: &'a str) -> Option<&'a str> {
        let is_end = |rest: &str| rest.is_empty() || rest.starts_with([' ', '\t']);
        if let Some(rest) = line.strip_prefix(['-', '*', '+', '•']) {
            let rest = Some(rest).filter(|rest| is_end(rest))?.trim_start();
            let boxes = ["[ ] ", "[x] ", "[X] "];
            let ticked = boxes.into_iter().find_map(|mark| rest.strip_prefix(mark));
            return Some(ticked.unwrap_or(rest));
        }
        let digits = line.bytes().take_while(u8::is_ascii_digit).count();
        let number: u32 = line[..digits].parse().ok()?;
        let is_bracketed = line[digits..].starts_with(')');
        let rest = line[digits..].strip_prefix(['.', ')', '、', '．'])?;
        let is_wide = rest.starts_with(|char: char| char >= '\u{2e80}');
        let bit = 1_u128.checked_shl(number).unwrap_or_default();
        // `10)` is a mark, but for one whose bracket the line before opened.
        let is_bracket = is_bracketed
            && self.blocks.last().is_none_or(|last| {
                let start = last.text.len().saturating_sub(inline::REACH);
                let tail = &last.text[last.text.floor_char_boundary(start)..];
                tail.matches('(').count() <= tail.matches(')').count()
            });
        let is_next = is_bracket
            || number
                .checked_add(1)
                .is_some_and(|next| self.next_number == Some(next))
            || number == 1
            || (self.numbers | self.numbers << 1 | self.numbers << 2) & bit != 0;
        if !(is_end(rest) || is_wide) || digits > 3 || (self.goes_on && !is_next) {
            return None;
        }
        self.numbers |= bit;
        Some(rest.trim_start())
    }
}

/// The tags that part a page's text.
const BLOCK_TAGS: [&str; 9] = [
    "br", "li", "ul", "ol", "p", "div", "details", "summary", "center",
];

/// The number of a numbered line.
fn number(line: &str) -> Option<u32> {
    let (number, _) = line.trim_start().split_once(['.', ')', '、', '．'])?;
    number.parse().ok()
}

/// Adds a line to what goes on with it; Chinese and its kin have no space at a line's end.
fn join(text: &mut String, line: &str) {
    let kept = text.trim_end_matches(['\\', ' ']).len();
    text.truncate(kept);
    let is_wide = |char: Option<char>| char.is_some_and(|char| char >= '\u{2e80}');
    let is_dense = is_wide(text.chars().next_back()) && is_wide(line.chars().next());
    if !text.is_empty() && !line.is_empty() && !is_dense {
        text.push(' ');
    }
    text.push_str(line);
}

/// Level and text of a heading (`## Ingredients`, also with `##` at its end).
fn heading(line: &str) -> Option<(usize, &str)> {
    let text = line.trim_start_matches('#');
    let level = line.len() - text.len();
    let is_heading = (1..=6).contains(&level) && (text.is_empty() || text.starts_with([' ', '\t']));
    let text = text.trim();
    let bare = text.trim_end_matches('#');
    let text = if bare.ends_with([' ', '\t']) || bare.is_empty() {
        bare.trim_end()
    } else {
        text
    };
    is_heading.then_some((level, text))
}

/// The line below a heading of two lines.
fn is_underline(text: &str) -> bool {
    text.len() >= 3
        && (text.bytes().all(|byte| byte == b'=') || text.bytes().all(|byte| byte == b'-'))
}

/// A rule across the page: three or more of one mark, with or without spaces.
fn is_rule(text: &str) -> bool {
    ['-', '*', '_', '='].into_iter().any(|mark| {
        text.chars().filter(|char| *char == mark).count() >= 3
            && text.chars().all(|char| char == mark || char == ' ')
    })
}

/// The text of a line that is bold as a whole, with or without a colon at its end.
fn bold_line(text: &str) -> Option<&str> {
    let bare = text.trim_end_matches([':', '：']).trim_end();
    ["**", "__"].into_iter().find_map(|mark| {
        let inner = bare.strip_prefix(mark)?.strip_suffix(mark)?;
        let is_sentence = inner.ends_with(['.', '!', '?', '。', '！', '？']);
        (!inner.trim().is_empty() && !inner.contains(mark) && !is_sentence).then_some(inner)
    })
}

/// The value of `key` in a line of YAML or TOML, without its quotes.
fn front_value(line: &str, key: &str) -> Option<String> {
    let value = line.strip_prefix(key)?.trim_start();
    let value = value.strip_prefix([':', '='])?.trim();
    let unquoted = match value.as_bytes() {
        [b'"', .., b'"'] => value[1..value.len() - 1]
            .replace("\\\"", "\"")
            .replace("\\\\", "\\"),
        [b'\'', .., b'\''] => value[1..value.len() - 1].replace("''", "'"),
        _ => value.to_owned(),
    };
    (!unquoted.trim().is_empty()).then_some(unquoted)
}

/// A line of nothing but HTML tags.
pub(super) fn is_tag(text: &str) -> bool {
    let mut rest = text;
    while let Some(tag) = rest.strip_prefix('<') {
        match tag.split_once('>') {
            Some((_, after)) => rest = after.trim_start(),
            None => return false,
        }
    }
    rest.is_empty()
}
