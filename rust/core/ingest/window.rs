//! A moving window over the unpacked bytes of a file, which knows its line and column.

use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

use super::{Compression, open};

/// The longest record that is read; a longer one is a bad record.
pub(super) const MAX_RECORD: usize = 64 << 20;
const CHUNK: usize = 128 << 10;
const BOM: &[u8] = b"\xef\xbb\xbf";

/// The bytes that are read and not yet consumed. The readers of the formats look at
/// [`bytes`](Window::bytes), ask for [`more`](Window::more) while a record is incomplete, and
/// [`consume`](Window::consume) what they have dealt with.
pub(super) struct Window {
    path: PathBuf,
    compression: Compression,
    reader: Box<dyn Read>,
    chunk: usize,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    ended: bool,
    /// An error that came after good bytes: raised once those are dealt with.
    failed: Option<std::io::Error>,
    line: u64,
    column: u64,
}

impl Window {
    /// Opens `path`; a byte order mark at its beginning is consumed.
    pub(super) fn open(path: &Path, compression: Compression) -> Result<Self> {
        let mut window = Window::over(open::unpacked(path, compression)?, CHUNK);
        window.path = path.to_owned();
        window.compression = compression;
        window.skip_byte_order_mark()?;
        Ok(window)
    }

    /// A window over `reader`, which reads at least `chunk` bytes at a time.
    fn over(reader: Box<dyn Read>, chunk: usize) -> Self {
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
        }
    }

    fn skip_byte_order_mark(&mut self) -> Result<()> {
        while self.bytes().len() < BOM.len() && self.more()? {}
        if self.bytes().starts_with(BOM) {
            self.start += BOM.len();
        }
        Ok(())
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// The line of the first byte, from 1.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// Line and column (in bytes), both from 1, of the byte at `offset`.
    pub(super) fn place(&self, offset: usize) -> (u64, u64) {
        advance((self.line, self.column), &self.bytes()[..offset])
    }

    /// Moves the beginning `count` bytes on.
    pub(super) fn consume(&mut self, count: usize) {
        (self.line, self.column) = self.place(count);
        self.start += count;
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

    use super::*;
    use crate::recipe::Read as Given;

    type Reader = fn(&mut Window, &mut dyn FnMut(Given) -> Result<()>) -> Result<()>;
    const READERS: [Reader; 3] = [
        super::super::jsonl::read,
        super::super::array::read,
        super::super::csv::read,
    ];

    /// All that `reader` gives of `bytes`, and how it ended.
    fn read_all(reader: Reader, bytes: &[u8], chunk: usize) -> (Vec<Given>, Option<String>) {
        let mut window = Window::over(Box::new(Cursor::new(bytes.to_vec())), chunk);
        window.skip_byte_order_mark().unwrap();
        let mut given = Vec::new();
        let end = reader(&mut window, &mut |read| {
            given.push(read);
            Ok(())
        });
        (given, end.err().map(|error| error.to_string()))
    }

    /// Text that is often nearly right, for all three formats.
    fn rough() -> impl Strategy<Value = String> {
        let record = r#"{"title": "a", "ingredients": ["b, \"c\" ]"], "steps": "d"}"#;
        let row = "\"x\",\"[\"\"y\"\", \"\"z\"\"]\",w";
        let piece = prop_oneof![
            3 => Just(record),
            3 => Just(row),
            5 => prop::sample::select(vec!["\n", "\r\n", ",", "[", "]"]),
            2 => prop::sample::select(vec!["\"", "\\", "{", "}", " ", "é", "\u{feff}", "a", "null"]),
        ];
        let head =
            prop::sample::select(vec!["", "[", "title,ingredients,directions\n", "\u{feff}"]);
        (head, prop::collection::vec(piece, 0..12))
            .prop_map(|(head, pieces)| head.to_owned() + &pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn where_a_read_ends_changes_nothing(text in rough(), chunk in 1_usize..9) {
            for reader in READERS {
                let whole = read_all(reader, text.as_bytes(), CHUNK);
                prop_assert_eq!(read_all(reader, text.as_bytes(), chunk), whole);
            }
        }

        #[test]
        fn json_lines_are_what_the_lines_are(text in rough()) {
            let (given, end) = read_all(READERS[0], text.as_bytes(), 1);
            let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
            let naive: Vec<Given> = text
                .split('\n')
                .zip(1..)
                .filter(|(line, _)| !line.as_bytes().trim_ascii().is_empty())
                .map(|(line, number)| (number, super::super::json::parse_line(line.as_bytes().trim_ascii())))
                .collect();
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
        assert_eq!((window.line(), window.place(0)), (3, (3, 2)));
        assert!(!window.more().unwrap());
    }
}
