//! CSV and TSV: a header, then a record a row; cells may be quoted and hold newlines.
//!
//! A row is read by RFC 4180. A row that breaks its rules (a quote that never closes, text after a
//! closing quote, another number of cells than the header) cannot be trusted about where it
//! ends: its first line becomes a bad record, and reading goes on with the next *line*. So a stray
//! quote never swallows the good rows behind it, and nothing is dropped without a word. The `csv` crate
//! does not give this: it takes a quote that never closes for a cell as long as the rest of the file, and
//! cannot be set back to the line after its beginning.

use std::ops::Range;

use crate::error::Result;
use crate::recipe::BadRecord;

use super::Sink;
use super::json::not_utf8;
use super::jsonl::skip_line;
use super::names::{Name, Names};
use super::raw::Raw;
use super::value::Value;
use super::window::{MAX_RECORD, Window};

/// Gives each row after the header to `sink`; cells end with `delimiter`.
pub(super) fn read(
    window: &mut Window,
    delimiter: u8,
    names: &Names,
    sink: &mut Sink,
) -> Result<()> {
    let mut row = Row::new(delimiter);
    let columns = header(window, &mut row, names)?;
    while let Some(outcome) = next_row(window, &mut row)? {
        let position = window.position(0);
        let broken = outcome.err().or_else(|| {
            (row.cells.len() != columns.len()).then(|| {
                format!(
                    "it has {} cells, the header has {}",
                    row.cells.len(),
                    columns.len()
                )
            })
        });
        match broken {
            None => {
                sink(position, cut(&row, window.bytes(), &columns))?;
                window.consume(row.length);
            }
            Some(reason) => {
                sink(position, Err(BadRecord { reason }))?;
                skip_line(window)?;
            }
        }
    }
    Ok(())
}

/// The known name of each column, if it has one.
fn header(window: &mut Window, row: &mut Row, names: &Names) -> Result<Vec<Option<Name>>> {
    let columns: Vec<String> = match next_row(window, row)? {
        None => return Err(window.error("it is empty: name a file with recipes in it")),
        Some(Err(reason)) => return Err(window.error(format!("bad CSV header: {reason}"))),
        Some(Ok(())) => (0..row.cells.len())
            .map(|index| row.cell(index, window.bytes()))
            .collect::<std::result::Result<_, _>>()
            .map_err(|()| {
                window.error("bad CSV header: it is not UTF-8: save the file as UTF-8")
            })?,
    };
    let columns = super::names::of_columns(&columns, names)
        .map_err(|reason| window.error(format!("bad CSV header: {reason}")))?;
    window.consume(row.length);
    Ok(columns)
}

fn cut(row: &Row, bytes: &[u8], columns: &[Option<Name>]) -> std::result::Result<Raw, BadRecord> {
    let mut cells = Vec::with_capacity(4);
    for (index, name) in columns.iter().enumerate() {
        let Some(name) = *name else { continue };
        let cell = row
            .cell(index, bytes)
            .map_err(|()| not_utf8(&bytes[..row.length]))?;
        cells.push((name, Value::Text(cell)));
    }
    Ok(Raw::row(cells))
}

/// Looks at the next row that is not blank, reading on while it is incomplete. `None` at the end
/// of the file; else the row is in `row`, or its fault is the inner error. Nothing of it is consumed.
fn next_row(window: &mut Window, row: &mut Row) -> Result<Option<std::result::Result<(), String>>> {
    let mut ended = false;
    loop {
        let blank = blank_lines(window.bytes());
        window.consume(blank);
        if !window.bytes().is_empty() || ended {
            match row.parse(window.bytes(), ended) {
                Outcome::Row if row.length <= MAX_RECORD => return Ok(Some(Ok(()))),
                Outcome::Nothing => return Ok(None),
                Outcome::Broken(reason) => return Ok(Some(Err(reason))),
                _ if window.bytes().len() > MAX_RECORD => {
                    let reason = format!("it goes on for more than {} MiB", MAX_RECORD >> 20);
                    return Ok(Some(Err(reason)));
                }
                Outcome::Row | Outcome::Incomplete => {}
            }
        }
        ended = !window.more()?;
    }
}

/// How many bytes of line ends `bytes` begins with.
fn blank_lines(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .position(|byte| !matches!(byte, b'\n' | b'\r'))
        .unwrap_or(bytes.len())
}

enum Outcome {
    Row,
    Nothing,
    Incomplete,
    Broken(String),
}

/// Where the cells of one row lie in the window.
struct Row {
    delimiter: u8,
    cells: Vec<Cell>,
    /// Bytes of the whole row, its line end included.
    length: usize,
}

struct Cell {
    /// The cell's bytes, without the quotes around it.
    range: Range<usize>,
    /// Whether a doubled quote inside stands for one.
    has_quotes: bool,
}

impl Row {
    fn new(delimiter: u8) -> Self {
        Row {
            delimiter,
            cells: Vec::new(),
            length: 0,
        }
    }

    /// Finds the cells of the row that `bytes` begins with; `ended`: nothing follows `bytes`.
    fn parse(&mut self, bytes: &[u8], ended: bool) -> Outcome {
        self.cells.clear();
        if bytes.is_empty() {
            return Outcome::Nothing;
        }
        let mut at = 0;
        loop {
            let cell = match bytes.get(at) {
                Some(b'"') => match quoted(bytes, at + 1) {
                    Some(cell) => cell,
                    None if ended => {
                        return Outcome::Broken(format!(
                            "the quote that opens cell {} never closes",
                            self.cells.len() + 1
                        ));
                    }
                    None => return Outcome::Incomplete,
                },
                _ => {
                    let length = memchr::memchr2(self.delimiter, b'\n', &bytes[at..]);
                    let end = at + length.unwrap_or(bytes.len() - at);
                    Cell {
                        range: at..end,
                        has_quotes: false,
                    }
                }
            };
            let is_quoted = bytes.get(at) == Some(&b'"');
            at = cell.range.end + usize::from(is_quoted);
            self.cells.push(cell);
            let rest = &bytes[at..];
            match rest {
                [next, ..] if *next == self.delimiter => at += 1,
                [b'\n', ..] => return self.close(bytes, at + 1),
                [b'\r', b'\n', ..] => return self.close(bytes, at + 2),
                [] | [b'\r'] if ended => return self.close(bytes, bytes.len()),
                [] | [b'\r'] => return Outcome::Incomplete,
                _ => {
                    return Outcome::Broken(format!(
                        "text follows the closing quote of cell {}",
                        self.cells.len()
                    ));
                }
            }
        }
    }

    /// Ends the row; an unquoted last cell does not keep the carriage return of its line end.
    fn close(&mut self, bytes: &[u8], length: usize) -> Outcome {
        self.length = length;
        if let Some(last) = self.cells.last_mut() {
            let is_quoted = last.range.start > 0 && bytes[last.range.start - 1] == b'"';
            if !is_quoted && bytes[last.range.clone()].ends_with(b"\r") {
                last.range.end -= 1;
            }
        }
        Outcome::Row
    }

    /// The text of cell `index`; an error when it is not UTF-8.
    fn cell(&self, index: usize, bytes: &[u8]) -> std::result::Result<String, ()> {
        let cell = &self.cells[index];
        let text = std::str::from_utf8(&bytes[cell.range.clone()]).map_err(|_| ())?;
        Ok(match cell.has_quotes {
            true => text.replace("\"\"", "\""),
            false => text.to_owned(),
        })
    }
}

/// The quoted cell whose text begins at `start`; `None` when its end is not in `bytes`. A quote that
/// is the last byte may be the first of two: only the caller's next look can tell.
fn quoted(bytes: &[u8], start: usize) -> Option<Cell> {
    let mut at = start;
    let mut has_quotes = false;
    loop {
        at += memchr::memchr(b'"', &bytes[at..])?;
        if bytes.get(at + 1) != Some(&b'"') {
            return Some(Cell {
                range: start..at,
                has_quotes,
            });
        }
        has_quotes = true;
        at += 2;
    }
}
