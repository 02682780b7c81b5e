//! A moving window over the unpacked bytes of a file, which knows its line and column.

use std::io::{Cursor, ErrorKind, Read};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::recipe::Position;

use super::{Compression, open};

/// The longest record that is read; a longer one is a bad record.
pub(super) const MAX_RECORD: usize = 64 << 20;
const CHUNK: usize = 128 << 10;
const BOM: &[u8] = b"\xef\xbb\xbf";

/// The bytes that are read and not yet consumed. The readers of the formats look at
/// [`bytes`](Window::bytes), ask for [`more`](Window::more) while a record is incomplete, and
/// [`consume`](Window::consume) what they have dealt with.
pub(super) struct Window<'a> {
    path: PathBuf,
    compression: Compression,
    reader: Box<dyn Read + 'a>,
    chunk: usize,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    ended: bool,
    /// An error that came after good bytes: raised once those are dealt with.
    failed: Option<std::io::Error>,
    line: u64,
    column: u64,
    /// Bytes consumed.
    byte: u64,
}

impl<'a> Window<'a> {
    /// Opens the file at `path`, unpacked; a byte order mark at its beginning is consumed.
    pub(super) fn open(path: &Path) -> Result<Window<'static>> {
        Window::unpacking(path, open::file(path)?)
    }

    /// The same of bytes that come from elsewhere; errors name them `path`.
    pub(super) fn unpacking(path: &Path, packed: impl Read + 'a) -> Result<Self> {
        let (compression, reader) = open::unpacked(packed).map_err(|e| match e.raw_os_error() {
            Some(_) => Error::io(path, "read", e),
            None => Error::Source {
                path: path.to_owned(),
                reason: format!("its beginning cannot be read ({e}): fetch or pack it again"),
            },
        })?;
        let mut window = Window::over(reader, CHUNK);
        window.path = path.to_owned();
        window.compression = compression;
        window.skip_byte_order_mark()?;
        Ok(window)
    }

    /// A window over `reader`, which reads at least `chunk` bytes at a time.
    fn over(reader: Box<dyn Read + 'a>, chunk: usize) -> Self {
        Window {
            path: PathBuf::new(),
            compression: Compression::None,
            reader,
            chunk,
            buffer: Vec::new(),
            start: 0,
            end: 0,
            ended: false,
            failed: None,
            line: 1,
            column: 1,
            byte: 0,
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn compression(&self) -> Compression {
        self.compression
    }

    /// What is left to read, from the window's beginning on.
    pub(super) fn into_reader(self) -> impl Read + 'a {
        Cursor::new(self.buffer[self.start..self.end].to_vec()).chain(self.reader)
    }

    fn skip_byte_order_mark(&mut self) -> Result<()> {
        self.fill(BOM.len())?;
        if self.bytes().starts_with(BOM) {
            self.start += BOM.len();
            self.byte += BOM.len() as u64;
        }
        Ok(())
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Line and column (in bytes), both from 1, of the byte at `offset`.
    pub(super) fn place(&self, offset: usize) -> (u64, u64) {
        advance((self.line, self.column), &self.bytes()[..offset])
    }

    /// The position of the byte at `offset`, as a record's place gives it.
    pub(super) fn position(&self, offset: usize) -> Position {
        Position::Line {
            line: self.place(offset).0,
            byte: self.byte + offset as u64,
        }
    }

    /// Moves the beginning `count` bytes on.
    pub(super) fn consume(&mut self, count: usize) {
        (self.line, self.column) = self.place(count);
        self.start += count;
        self.byte += count as u64;
    }

    /// The same where the `count` bytes are one line with its line end.
    pub(super) fn consume_line(&mut self, count: usize) {
        (self.line, self.column) = (self.line + 1, 1);
        self.start += count;
        self.byte += count as u64;
    }

    /// Reads on until `wanted` bytes are there or the file ends.
    pub(super) fn fill(&mut self, wanted: usize) -> Result<()> {
        while self.bytes().len() < wanted && self.more()? {}
        Ok(())
    }

    /// Reads on, at least one byte and about as many as there are, so that looking at a record
    /// anew after each call costs time linear in its length. False at the end of the file.
    pub(super) fn more(&mut self) -> Result<bool> {
        if let Some(error) = self.failed.take() {
            return Err(self.unreadable(error));
        }
        if self.ended {
            return Ok(false);
        }
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        let wanted = self.end + self.end.max(self.chunk);
        if self.buffer.len() < wanted {
            self.buffer.resize(wanted, 0);
        }
        let before = self.end;
        while self.end < wanted {
            match self.reader.read(&mut self.buffer[self.end..wanted]) {
                Ok(0) => {
                    self.ended = true;
                    break;
                }
                Ok(count) => self.end += count,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => {
                    self.ended = true;
                    self.failed = Some(e);
                    break;
                }
            }
        }
        match self.failed.take_if(|_| self.end == before) {
            Some(error) => Err(self.unreadable(error)),
            None => Ok(self.end > before),
        }
    }

    /// An [`Error::Source`] of this file.
    pub(super) fn error(&self, reason: impl Into<String>) -> Error {
        Error::Source {
            path: self.path.clone(),
            reason: reason.into(),
        }
    }

    /// Errors of the disk carry the system's number; errors without one are a decoder's.
    fn unreadable(&self, error: std::io::Error) -> Error {
        if error.raw_os_error().is_some() {
            return Error::io(&self.path, "read", error);
        }
        let (line, _) = self.place(self.bytes().len());
        let what = match error.kind() {
            ErrorKind::UnexpectedEof => "breaks off".to_owned(),
            _ => format!("is damaged ({error})"),
        };
        self.error(format!(
            "its {} data {what} in line {line}: fetch or pack the file again",
            self.compression
        ))
    }
}

/// The place after `bytes` when they begin at `(line, column)`.
fn advance((line, column): (u64, u64), bytes: &[u8]) -> (u64, u64) {
    match memchr::memrchr(b'\n', bytes) {
        None => (line, column + bytes.len() as u64),
        Some(last) => (
            line + memchr::memchr_iter(b'\n', &bytes[..=last]).count() as u64,
            (bytes.len() - last) as u64,
        ),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::super::names::Names;
    use super::super::{Format, read_window};
    use super::*;
    use crate::recipe::{BadRecord, Record};

    type Given = (Position, std::result::Result<Record, BadRecord>);
    const FORMATS: [Format; 8] = [
        Format::JsonLines,
        Format::JsonArray,
        Format::JsonObject,
        Format::JsonDocument,
        Format::Csv(b','),
        Format::Csv(b'\t'),
        Format::Csv(b';'),
        Format::Markdown,
    ];

    /// All that the reader of `format` gives of `bytes`, and how it ended.
    fn read_all(format: Format, bytes: &[u8], chunk: usize) -> (Vec<Given>, Option<String>) {
        let names = Names::default();
        let mut window = Window::over(Box::new(Cursor::new(bytes.to_vec())), chunk);
        window.skip_byte_order_mark().unwrap();
        let mut given = Vec::new();
        let end = read_window(window, format, &names, &mut |position, cut| {
            given.push((position, cut.and_then(|raw| raw.parse(&names))));
            Ok(())
        });
        (given, end.err().map(|error| error.to_string()))
    }

    /// Text that is often nearly right, for all formats of text.
    fn rough() -> impl Strategy<Value = String> {
        let record = r#"{"title": "a", "ingredients": ["b, \"c\" ]"], "steps": "d"}"#;
        let row = "\"x\",\"[\"\"y\"\", \"\"z\"\"]\",w";
        let piece = prop_oneof![
            3 => Just(record),
            3 => Just(row),
            5 => prop::sample::select(vec!["\n", "\r\n", ",", "[", "]"]),
            2 => prop::sample::select(vec!["\"", "\\", "{", "}", " ", "é", "\u{feff}", "a", "null"]),
        ];
        let head = prop::sample::select(vec![
            "",
            "[",
            "{\"k\": ",
            "title,ingredients,directions\n",
            "\u{feff}",
        ]);
        (head, prop::collection::vec(piece, 0..12))
            .prop_map(|(head, pieces)| head.to_owned() + &pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 800, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn where_a_read_ends_changes_nothing(text in rough(), chunk in 1_usize..9) {
            for format in FORMATS {
                let whole = read_all(format, text.as_bytes(), CHUNK);
                prop_assert_eq!(read_all(format, text.as_bytes(), chunk), whole);
            }
        }

        #[test]
        fn json_lines_are_what_the_lines_are(text in rough()) {
            let (given, end) = read_all(Format::JsonLines, text.as_bytes(), 1);
            let names = Names::default();
            let mut naive = Vec::new();
            let mut byte = if text.starts_with('\u{feff}') { 3 } else { 0 };
            for (line, number) in text[byte..].split('\n').zip(1..) {
                let record = line.as_bytes().trim_ascii();
                let space = line.len() - line.as_bytes().trim_ascii_start().len();
                if !record.is_empty() {
                    let position = Position::Line { line: number, byte: (byte + space) as u64 };
                    naive.push((position, super::super::json::parse(record, &names)));
                }
                byte += line.len() + 1;
            }
            prop_assert_eq!(end, None);
            prop_assert_eq!(given, naive);
        }
    }

    #[test]
    fn places_are_lines_and_columns_from_one() {
        let mut window = Window::over(Box::new(Cursor::new(b"ab\n\ncd".to_vec())), CHUNK);
        assert!(window.more().unwrap());
        assert_eq!(window.place(0), (1, 1));
        assert_eq!(window.place(2), (1, 3));
        assert_eq!(window.place(3), (2, 1));
        window.consume(1);
        assert_eq!((window.place(0), window.place(1)), ((1, 2), (1, 3)));
        window.consume(4);
        assert_eq!(window.place(0), (3, 2));
        assert_eq!(window.position(0), Position::Line { line: 3, byte: 5 });
        assert!(!window.more().unwrap());
    }
}
