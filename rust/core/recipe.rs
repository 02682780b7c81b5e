//! What a raw record is once it is read, before any text is made of it.

use std::fmt;
use std::sync::Arc;

/// A recipe as its source spells it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recipe {
    pub title: String,
    /// One line each, quantities included: `1 1/2 cups flour`.
    pub ingredients: Vec<String>,
    /// One step each, in order.
    pub directions: Vec<String>,
}

/// A prompt and its target that somebody has written already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    pub input: String,
    pub output: String,
}

/// What a record holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    Recipe(Recipe),
    Pair(Pair),
}

/// One good record of a source file.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    pub content: Content,
    /// The source's own score, higher is better; `None` where it gives none.
    pub quality: Option<f32>,
}

/// One record of a source file that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRecord {
    pub reason: String,
}

/// Where in its source a record begins. Displays as `line 3, byte 120`, `row 7`, `soups/pho.md, line 1, byte 0`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file, where the source is a directory or an archive.
    pub file: Option<Arc<str>>,
    pub position: Position,
}

/// Where in its file a record begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// Of text: the line from 1, and the byte from 0, both of the unpacked file.
    Line { line: u64, byte: u64 },
    /// Of a table without lines: the row from 1.
    Row(u64),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{file}, ")?;
        }
        self.position.fmt(f)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Position::Line { line, byte } => write!(f, "line {line}, byte {byte}"),
            Position::Row(row) => write!(f, "row {row}"),
        }
    }
}

/// A record of a source, good or bad, with its place.
pub type Read = (Place, Result<Record, BadRecord>);
