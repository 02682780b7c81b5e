//! A JSON array of records, element by element.
//!
//! The elements are cut out by brackets and quotes alone, then parsed one by one, so only one is
//! in memory. An element of the wrong shape is a bad record. After a syntax error nobody can
//! tell where the next element begins: that is an error of the source, with line and column.

use crate::error::Result;
use crate::recipe::{BadRecord, Read};

use super::json::{self, Parsed};
use super::window::{MAX_RECORD, Window};

/// Gives each element to `sink`, with the line it begins on.
pub(super) fn read(window: &mut Window, sink: &mut dyn FnMut(Read) -> Result<()>) -> Result<()> {
    if next_byte(window)? != Some(b'[') {
        return Err(syntax_error(window, 0, "expected `[`"));
    }
    window.consume(1);
    let mut is_first = true;
    loop {
        match next_byte(window)? {
            None => return Err(syntax_error(window, 0, "the array is not closed")),
            Some(b']') if is_first => {
                window.consume(1);
                break;
            }
            Some(_) => {}
        }
        is_first = false;
        let end = element_end(window)?;
        give_element(window, end, sink)?;
        let closes = window.bytes()[end] == b']';
        window.consume(end + 1);
        if closes {
            break;
        }
    }
    match next_byte(window)? {
        None => Ok(()),
        Some(_) => Err(syntax_error(
            window,
            0,
            "something follows the closed array",
        )),
    }
}

/// Moves to the next byte that is not white space and returns it; `None` at the end.
fn next_byte(window: &mut Window) -> Result<Option<u8>> {
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

/// The offset of the `,` or `]` that ends the element at the window's beginning.
fn element_end(window: &mut Window) -> Result<usize> {
    let mut scan = Scan::default();
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
                && let Parsed::Syntax {
                    line,
                    column,
                    reason,
                } = json::parse(text)
                && !reason.starts_with("EOF")
            {
                return Err(inner_error(window, line, column, &reason));
            }
            let reason = match is_overlong {
                true => format!("this element is longer than {} MiB", MAX_RECORD >> 20),
                false => "the array breaks off in this element".to_owned(),
            };
            return Err(syntax_error(window, 0, &reason));
        }
    }
}

/// The state between two looks at an element: inside a string or not, and how deep.
#[derive(Default)]
struct Scan {
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl Scan {
    /// Goes over `bytes`; the offset of the byte that ends the element, if it is among them.
    fn step(&mut self, bytes: &[u8]) -> Option<usize> {
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
                    b',' | b']' if self.depth == 0 => return Some(at),
                    b']' | b'}' => self.depth = self.depth.saturating_sub(1),
                    _ => {}
                }
                at += 1;
            }
        }
        None
    }
}

fn give_element(
    window: &Window,
    end: usize,
    sink: &mut dyn FnMut(Read) -> Result<()>,
) -> Result<()> {
    let bytes = &window.bytes()[..end];
    let Ok(text) = std::str::from_utf8(bytes) else {
        return sink((window.line(), Err(json::not_utf8(bytes))));
    };
    if text.is_empty() {
        return Err(syntax_error(window, 0, "expected a value"));
    }
    match json::parse(text) {
        Parsed::Record(record) => sink((window.line(), Ok(*record))),
        Parsed::Bad(reason) => sink((window.line(), Err(BadRecord { reason }))),
        Parsed::Syntax {
            line,
            column,
            reason,
        } => Err(inner_error(window, line, column, &reason)),
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
