//! What a raw record is once it is read, before any text is made of it.

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

/// A record of a source file, good or bad, with the line it starts on (from 1).
pub type Read = (u64, Result<Record, BadRecord>);
