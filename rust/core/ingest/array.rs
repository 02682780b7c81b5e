//! A JSON array of records, or an object with a record under each key, element by element.
//!
//! The elements are cut out by brackets and quotes alone, so only one is in memory. An element of the wrong
//! shape is a bad record. After a syntax error nobody can tell where the next element begins: each
//! element is checked, and that is an error of the source, with line and column.

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::error::Result;

use super::Sink;
use super::json;
use super::raw::Raw;
use super::value::Value;
use super::window::{MAX_RECORD, Window};

/// What the elements stand in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Array,
    /// Each element has a key, which is not looked at.
    Object,
}

impl Shape {
    fn brackets(self) -> (u8, u8) {
        match self {
            Shape::Array => (b'[', b']'),
            Shape::Object => (b'{', b'}'),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Shape::Array => "array",
            Shape::Object => "object",
        }
    }
}

/// Gives each element to `sink`. Nodes of JSON-LD that are no recipe are left out; when there is nothing else,
/// that is an error of the source.
pub(super) fn read(window: &mut Window, shape: Shape, sink: &mut Sink) -> Result<()> {
    let (opening, closing) = shape.brackets();
    if next_byte(window)? != Some(opening) {
        let wanted = format!("expected `{}`", char::from(opening));
        return Err(syntax_error(window, 0, &wanted));
    }
    window.consume(1);
    let mut is_first = true;
    let (mut given, mut others) = (0_u64, 0_u64);
    loop {
        match next_byte(window)? {
            None => {
                let reason = format!("the {} is not closed", shape.name());
                return Err(syntax_error(window, 0, &reason));
            }
            Some(byte) if byte == closing && is_first => {
                window.consume(1);
                break;
            }
            Some(_) => {}
        }
        is_first = false;
        if shape == Shape::Object {
            skip_key(window)?;
        }
        let end = element_end(window, shape)?;
        if is_other_node(&window.bytes()[..end]) {
            others += 1;
        } else {
            given += 1;
            give_element(window, end, sink)?;
        }
        let closes = window.bytes()[end] == closing;
        window.consume(end + 1);
        if closes {
            break;
        }
    }
    if next_byte(window)?.is_some() {
        let reason = format!("something follows the closed {}", shape.name());
        return Err(syntax_error(window, 0, &reason));
    }
    if given == 0 && others > 0 {
        return Err(window.error(format!(
            "none of its {others} JSON-LD nodes is a `Recipe`: name a file with recipes in it"
        )));
    }
    Ok(())
}

/// Consumes a key and the colon after it, up to the value.
fn skip_key(window: &mut Window) -> Result<()> {
    if window.bytes()[0] != b'"' {
        return Err(syntax_error(window, 0, "expected a key in quotes"));
    }
    let mut at = 1;
    loop {
        match memchr::memchr2(b'"', b'\\', &window.bytes()[at..]).map(|found| at + found) {
            Some(end) if window.bytes()[end] == b'"' => {
                window.consume(end + 1);
                break;
            }
            Some(escape) if escape + 1 < window.bytes().len() => at = escape + 2,
            _ if window.bytes().len() > MAX_RECORD || !window.more()? => {
                return Err(syntax_error(window, 0, "the key is not closed"));
            }
            // The same bytes once more, with some behind them.
            _ => {}
        }
    }
    if next_byte(window)? != Some(b':') {
        return Err(syntax_error(window, 0, "expected `:` after the key"));
    }
    window.consume(1);
    next_byte(window)?;
    Ok(())
}

/// Whether the element is a node of JSON-LD of another type than `Recipe`, and holds no graph.
fn is_other_node(element: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Node {
        #[serde(rename = "@type")]
        types: Option<Value>,
        #[serde(rename = "@graph")]
        graph: Option<IgnoredAny>,
    }
    memchr::memmem::find(element, b"\"@type\"").is_some()
        && serde_json::from_slice(element).is_ok_and(|node: Node| {
            node.graph.is_none() && node.types.is_some_and(|types| !json::is_recipe(&types))
        })
}

/// Moves to the next byte that is not white space and returns it; `None` at the end.
pub(super) fn next_byte(window: &mut Window) -> Result<Option<u8>> {
    loop {
        let bytes = window.bytes();
        let at = bytes.iter().position(|byte| !byte.is_ascii_whitespace());
        let byte = at.map(|at| bytes[at]);
        window.consume(at.unwrap_or(bytes.len()));
        if byte.is_some() || !window.more()? {
            return Ok(byte);
        }
    }
}

/// The offset of the comma or the closing bracket that ends the element at the window's beginning.
fn element_end(window: &mut Window, shape: Shape) -> Result<usize> {
    let mut scan = Scan::new(shape.brackets().1);
    let mut from = 0;
    loop {
        let end = scan.step(&window.bytes()[from..]).map(|end| from + end);
        if let Some(end) = end.filter(|end| *end <= MAX_RECORD) {
            return Ok(end);
        }
        from = window.bytes().len();
        let is_overlong = from > MAX_RECORD;
        if is_overlong || !window.more()? {
            // Its own syntax error, if it has one, says more than "not closed".
            let bytes = window.bytes();
            if let Ok(text) = std::str::from_utf8(bytes)
                && let Some((line, column, reason)) = json::syntax_error(text)
                && !reason.starts_with("EOF")
            {
                return Err(inner_error(window, line, column, &reason));
            }
            let reason = match is_overlong {
                true => format!("this element is longer than {} MiB", MAX_RECORD >> 20),
                false => format!("the {} breaks off in this element", shape.name()),
            };
            return Err(syntax_error(window, 0, &reason));
        }
    }
}

/// The state between two looks at an element: inside a string or not, and how deep.
pub(super) struct Scan {
    closing: u8,
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl Scan {
    /// Before an element that ends with a comma or with `closing`.
    pub(super) fn new(closing: u8) -> Self {
        Scan {
            closing,
            depth: 0,
            in_string: false,
            escaped: false,
        }
    }

    /// Whether what it went over ends inside a string.
    pub(super) fn in_string(&self) -> bool {
        self.in_string
    }

    /// Goes over `bytes`; the offset of the byte that ends the element, if it is among them.
    pub(super) fn step(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        while at < bytes.len() {
            if self.escaped {
                self.escaped = false;
                at += 1;
            } else if self.in_string {
                at += memchr::memchr2(b'"', b'\\', &bytes[at..])?;
                self.escaped = bytes[at] == b'\\';
                self.in_string = self.escaped;
                at += 1;
            } else {
                match bytes[at] {
                    b'"' => self.in_string = true,
                    b'[' | b'{' => self.depth += 1,
                    b',' if self.depth == 0 => return Some(at),
                    byte if self.depth == 0 && byte == self.closing => return Some(at),
                    b']' | b'}' => self.depth = self.depth.saturating_sub(1),
                    _ => {}
                }
                at += 1;
            }
        }
        None
    }
}

fn give_element(window: &Window, end: usize, sink: &mut Sink) -> Result<()> {
    let bytes = &window.bytes()[..end];
    let Ok(text) = std::str::from_utf8(bytes) else {
        return sink(window.position(0), Err(json::not_utf8(bytes)));
    };
    if text.is_empty() {
        return Err(syntax_error(window, 0, "expected a value"));
    }
    match json::syntax_error(text) {
        None => sink(window.position(0), Ok(Raw::json(bytes.trim_ascii_end()))),
        Some((line, column, reason)) => Err(inner_error(window, line, column, &reason)),
    }
}

/// A syntax error at `line` and `column` of the element at the window's beginning.
fn inner_error(window: &Window, line: u64, column: u64, reason: &str) -> crate::error::Error {
    let (first_line, first_column) = window.place(0);
    let place = match line {
        0 | 1 => (first_line, first_column + column.saturating_sub(1)),
        // A line end inside a string counts as column 0 of the line after it.
        _ => (first_line + line - 1, column.max(1)),
    };
    error_at(window, place, reason)
}

fn syntax_error(window: &Window, offset: usize, reason: &str) -> crate::error::Error {
    error_at(window, window.place(offset), reason)
}

fn error_at(window: &Window, (line, column): (u64, u64), reason: &str) -> crate::error::Error {
    window.error(format!(
        "not valid JSON in line {line}, column {column}: {reason}: mend the file, or write it as JSON Lines, \
         where one bad line is one bad record"
    ))
}
