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
        let reader = open::unpacked(path, compression)?;
        let mut window = Window {
            path: path.to_owned(),
            compression,
            reader,
            buffer: Vec::new(),
            start: 0,
            end: 0,
            ended: false,
            failed: None,
            line: 1,
            column: 1,
        };
        while window.bytes().len() < BOM.len() && window.more()? {}
        if window.bytes().starts_with(BOM) {
            window.start += BOM.len();
        }
        Ok(window)
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
        let wanted = self.end + self.end.max(CHUNK);
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
