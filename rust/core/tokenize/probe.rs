//! Trying whether words stand alone: at load with every printable ASCII character, later with each unusual word.
//!
//! What `shape` allows is an argument about code; this is the check of it. A tokenizer that fails here is given to
//! the library as a whole, a word that fails sends its text there.

use super::library::Library;
use super::shape::{Glue, Shape};
use super::unigram::Unigram;
use crate::error::Result;

/// How the words of a tokenizer stand alone.
pub(super) struct Rules {
    pub(super) glue: Glue,
    /// Which bytes part words. Space is one.
    separators: Vec<u8>,
    /// What marks an added token, and the bytes these begin with.
    added: Vec<String>,
    begins_added: [bool; 256],
    /// Whether an id is that of an added token, which decoding may leave out.
    added_ids: Vec<u32>,
    /// The ids of a letter that others are tried beside: at the beginning of a text, and after a space.
    letter: [Vec<u32>; 2],
    pub(super) joins: bool,
    pub(super) unigram: Option<Unigram>,
}

impl Rules {
    /// The rules of a tokenizer of this shape; or the reason why it must be given whole texts.
    pub(super) fn of(
        library: &Library,
        shape: Shape,
    ) -> Result<std::result::Result<Rules, String>> {
        let model = library.model();
        if shape.model != model {
            return Ok(Err(format!("its model is `{model}`")));
        }
        let mut begins_added = [false; 256];
        for content in &shape.added {
            if let Some(&first) = content.as_bytes().first() {
                begins_added[usize::from(first)] = true;
            }
        }
        let mut rules = Rules {
            glue: shape.glue,
            separators: vec![b' '],
            added_ids: library.added_ids(),
            added: shape.added,
            begins_added,
            letter: [library.ids("a")?, Vec::new()],
            joins: shape.joins,
            unigram: shape.unigram,
        };
        rules.letter[1] = library.ids(&rules.alone("a", false))?;
        Ok(rules.probe(library)?.map(|()| rules))
    }

    /// Whether this byte parts words.
    pub(super) fn separates(&self, byte: u8) -> bool {
        self.separators.contains(&byte)
    }

    /// Whether a word holds the mark of an added token.
    pub(super) fn holds_added(&self, word: &str) -> bool {
        word.bytes()
            .any(|byte| self.begins_added[usize::from(byte)])
            && self.added.iter().any(|content| word.contains(content))
    }

    /// Whether decoding puts out a piece for each of these ids.
    pub(super) fn all_shown(&self, ids: &[u32]) -> bool {
        ids.iter()
            .all(|id| self.added_ids.binary_search(id).is_err())
    }

    /// The text that the library is asked for a word's ids.
    pub(super) fn alone(&self, word: &str, first: bool) -> String {
        match self.glue {
            Glue::Single if !first => format!(" {word}"),
            _ => word.to_owned(),
        }
    }

    /// Whether a word has these ids wherever it stands: at the beginning, at the end, and between others, with each
    /// separator. `first` as in [`Rules::alone`].
    pub(super) fn stands_alone(
        &self,
        library: &Library,
        word: &str,
        first: bool,
        ids: &[u32],
    ) -> Result<bool> {
        let [a, next_a] = &self.letter;
        if first {
            let expected = [ids, next_a].concat();
            return Ok(library.ids(&format!("{word} a"))? == expected);
        }
        if library.ids(&format!("a {word}"))? != [a, ids].concat() {
            return Ok(false);
        }
        if self.glue == Glue::Runs && library.ids(&format!("{word} a"))? != [ids, a].concat() {
            return Ok(false);
        }
        let expected = [a, ids, next_a].concat();
        for separator in self.separators.iter().map(|&byte| char::from(byte)) {
            if library.ids(&format!("a{separator}{word}{separator}a"))? != expected {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether decoding these ids of a word gives the word back wherever it stands.
    pub(super) fn reads_back(
        &self,
        library: &Library,
        word: &str,
        first: bool,
        ids: &[u32],
    ) -> Result<bool> {
        let alone = first || self.glue == Glue::Runs;
        if !self.joins || (alone && library.decode(ids)? != word) {
            return Ok(false);
        }
        let after = [&self.letter[0], ids].concat();
        Ok(first || library.decode(&after)? == format!("a {word}"))
    }

    /// Finds the separators, and tries every printable ASCII character alone and doubled.
    fn probe(&mut self, library: &Library) -> Result<std::result::Result<(), String>> {
        let graphic = || (b'!'..=b'~').map(char::from);
        let words: Vec<String> = graphic()
            .flat_map(|c| [format!("a{c}a"), c.to_string(), format!("{c}{c}{c}")])
            .filter(|word| !self.holds_added(word))
            .collect();
        let mut expected = Vec::new();
        for (at, word) in words.iter().enumerate() {
            library.encode(&self.alone(word, at == 0), &mut expected)?;
        }
        if library.ids(&words.join(" "))? != expected {
            return Ok(Err("its words do not stand alone".into()));
        }
        if self.glue == Glue::Runs {
            for separator in ['\t', '\n', '\r'] {
                if library.ids(&words.join(&separator.to_string()))? == expected {
                    self.separators.push(separator as u8);
                }
            }
            if !self.runs_count_once(library)? {
                return Ok(Err("runs of white space change its ids".into()));
            }
        }
        if let Some(unigram) = &self.unigram {
            let ascii: String = graphic().collect();
            if library.normalised(&ascii)? != ascii {
                return Ok(Err("its normalizer changes printable ASCII".into()));
            }
            let (mut best, mut ids) = (Vec::new(), Vec::new());
            for word in &words {
                unigram.cut(&format!("\u{2581}{word}"), &mut best, &mut ids);
            }
            if ids != expected {
                return Ok(Err("its model cuts words in another way than ours".into()));
            }
        }
        Ok(Ok(()))
    }

    fn runs_count_once(&self, library: &Library) -> Result<bool> {
        let (a, b) = (library.ids("a")?, library.ids("b")?);
        let both = [a.as_slice(), &b].concat();
        let parts = || self.separators.iter().map(|&byte| char::from(byte));
        for (s, t) in parts().flat_map(|s| parts().map(move |t| (s, t))) {
            let run = format!("{s}{t}");
            let as_expected = library.ids(&run)?.is_empty()
                && library.ids(&format!("a{run}b"))? == both
                && library.ids(&format!("a{run}{run}b"))? == both
                && library.ids(&format!("{s}a{s}b{s}"))? == both
                && library.ids(&format!("{run}a{s}b{run}"))? == both;
            if !as_expected {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
