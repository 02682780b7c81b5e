//! From a record to its prompt and target.

use std::borrow::Cow;

use crate::error::{Error, Result};
use crate::ingest::whole_page;
use crate::recipe::{Content, Pair, Recipe};

use super::body::Body;
use super::clean::Clean;
use super::form::{SEPARATOR, write_list, write_recipe};
use super::name::write_names;
use super::spell::respell;
use super::{Spell, normalise, parse_recipe};

const PROMPT: &str = "Write a recipe for {title}. Ingredients: {names}.";
const TARGET: &str = "{recipe}";

/// The text of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextPair {
    /// What the model is given.
    pub prompt: String,
    /// What the model is to write.
    pub target: String,
    /// What makes two records the same for the split and, with `numbers`, for duplicates: ingredients and directions
    /// (of a ready pair that is no recipe: the output) in NFKC, case-folded, letters and digits only.
    pub body: String,
    /// A hash of the numbers in what the body is of, each as it is written: `1.5 kg` and `15 kg` have one body.
    pub numbers: u64,
}

/// Two format strings, for prompt and target, with the placeholders
///
/// - `{title}`,
/// - `{names}`: the names of the ingredients, each once, separated by commas (`rice, lemons`),
/// - `{ingredients}` and `{directions}`: the items, separated by ` | `,
/// - `{recipe}`: the whole text of the recipe, as [`recipe_text`] writes it.
///
/// `{{` and `}}` stand for braces. The default is the prompt
/// `Write a recipe for {title}. Ingredients: {names}.` and the target `{recipe}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    prompt: Format,
    target: Format,
}

impl Template {
    /// # Errors
    /// `Error::Template` when a format string is empty, has a placeholder that is not known, or a brace
    /// without its partner.
    pub fn new(prompt: &str, target: &str) -> Result<Self> {
        Ok(Template {
            prompt: Format::parse("prompt", prompt)?,
            target: Format::parse("target", target)?,
        })
    }

    /// The format string of the prompt.
    #[must_use]
    pub fn prompt(&self) -> &str {
        &self.prompt.source
    }

    /// The format string of the target.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target.source
    }

    /// The text of a record, in characters that `spell` leaves. A ready pair keeps its prompt, normalised; where
    /// its output is a recipe, target and body are that recipe's, else the target is its lines, normalised and
    /// separated by ` | `. The body is that of the record before respelling.
    #[must_use]
    pub fn render(&self, content: &Content, spell: &mut dyn Spell) -> TextPair {
        match content {
            Content::Recipe(recipe) => {
                let (recipe, body) = cleaned(recipe, spell);
                let (body, numbers) = body.finish();
                TextPair {
                    prompt: self.prompt.render(&recipe),
                    target: self.target.render(&recipe),
                    body,
                    numbers,
                }
            }
            Content::Pair(pair) => {
                let mut prompt = normalise(&pair.input);
                respell(&mut prompt, spell);
                let (target, body) = match recipe_of(content) {
                    Some(recipe) => {
                        let (recipe, body) = cleaned(&recipe, spell);
                        (self.target.render(&recipe), body)
                    }
                    None => loose(&pair.output, spell),
                };
                let (body, numbers) = body.finish();
                TextPair {
                    prompt: prompt.into_owned(),
                    target,
                    body,
                    numbers,
                }
            }
        }
    }
}

/// The recipe that a record holds: its own, or the one that the output of a ready pair spells, in our form or
/// in Markdown.
#[must_use]
pub fn recipe_of(content: &Content) -> Option<Cow<'_, Recipe>> {
    match content {
        Content::Recipe(recipe) => Some(Cow::Borrowed(recipe)),
        Content::Pair(Pair { output, .. }) => parse_recipe(output)
            .or_else(|| whole_page(output))
            .map(Cow::Owned),
    }
}

/// A recipe clean and respelt, and its body from before it was respelt.
fn cleaned<'a>(recipe: &'a Recipe, spell: &mut dyn Spell) -> (Clean<'a>, Body) {
    let clean = Clean::of(recipe);
    let items = clean.ingredients.iter().chain(&clean.directions);
    let body = Body::of_items(items.map(AsRef::as_ref));
    (clean.respelt(spell), body)
}

/// Target and body of an output that is no recipe.
fn loose(output: &str, spell: &mut dyn Spell) -> (String, Body) {
    let mut body = Body::default();
    let mut lines = Vec::new();
    for line in output.lines() {
        let mut line = normalise(line);
        body.add(&line);
        respell(&mut line, spell);
        if !line.is_empty() {
            lines.push(line);
        }
    }
    (lines.join(SEPARATOR), body)
}

impl Default for Template {
    fn default() -> Self {
        use Placeholder::{Names, Recipe, Title};
        let literal = |text: &str| Piece::Literal(text.to_owned());
        Template {
            prompt: Format {
                source: PROMPT.to_owned(),
                pieces: vec![
                    literal("Write a recipe for "),
                    Piece::Placeholder(Title),
                    literal(". Ingredients: "),
                    Piece::Placeholder(Names),
                    literal("."),
                ],
            },
            target: Format {
                source: TARGET.to_owned(),
                pieces: vec![Piece::Placeholder(Recipe)],
            },
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Placeholder {
    Title,
    Names,
    Ingredients,
    Directions,
    Recipe,
}

impl Placeholder {
    const ALL: [(&str, Placeholder); 5] = [
        ("title", Placeholder::Title),
        ("names", Placeholder::Names),
        ("ingredients", Placeholder::Ingredients),
        ("directions", Placeholder::Directions),
        ("recipe", Placeholder::Recipe),
    ];

    /// Adds what it stands for.
    fn write(self, recipe: &Clean, text: &mut String) {
        match self {
            Placeholder::Title => text.push_str(&recipe.title),
            Placeholder::Names => write_names(&recipe.ingredients, text),
            Placeholder::Ingredients => write_list(&recipe.ingredients, text),
            Placeholder::Directions => write_list(&recipe.directions, text),
            Placeholder::Recipe => {
                write_recipe(&recipe.title, &recipe.ingredients, &recipe.directions, text)
            }
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Placeholder(Placeholder),
}

/// A format string and what it is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Format {
    source: String,
    pieces: Vec<Piece>,
}

impl Format {
    /// `which` is the string's name in messages.
    fn parse(which: &str, source: &str) -> Result<Self> {
        if source.trim().is_empty() {
            return Err(Error::Template(format!(
                "the {which} is empty: use {{recipe}} or other placeholders"
            )));
        }
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = source;
        while let Some(at) = rest.find(['{', '}']) {
            literal.push_str(&rest[..at]);
            let brace = &rest[at..=at];
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix(brace) {
                literal.push_str(brace);
                rest = after;
                continue;
            }
            let end = rest.find('}').filter(|_| brace == "{").ok_or_else(|| {
                Error::Template(format!(
                    "the {which} `{source}` has a single `{brace}`: write `{brace}{brace}` for a brace"
                ))
            })?;
            pieces.push(Piece::Literal(std::mem::take(&mut literal)));
            pieces.push(Piece::Placeholder(placeholder(which, &rest[..end])?));
            rest = &rest[end + 1..];
        }
        literal.push_str(rest);
        pieces.push(Piece::Literal(literal));
        pieces.retain(|piece| *piece != Piece::Literal(String::new()));
        Ok(Format {
            source: source.to_owned(),
            pieces,
        })
    }

    fn render(&self, recipe: &Clean) -> String {
        let mut text = String::with_capacity(self.source.len() + recipe.text_len());
        for piece in &self.pieces {
            match piece {
                Piece::Literal(literal) => text.push_str(literal),
                Piece::Placeholder(placeholder) => placeholder.write(recipe, &mut text),
            }
        }
        text
    }
}

fn placeholder(which: &str, name: &str) -> Result<Placeholder> {
    let known = Placeholder::ALL.iter().find(|(known, _)| *known == name);
    known.map(|(_, placeholder)| *placeholder).ok_or_else(|| {
        let all: Vec<String> = Placeholder::ALL
            .iter()
            .map(|(name, _)| format!("`{{{name}}}`"))
            .collect();
        Error::Template(format!(
            "the {which} has the placeholder `{{{name}}}`, which is not known: use {}",
            all.join(", ")
        ))
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_what_its_strings_say() {
        assert_eq!(Template::default(), Template::new(PROMPT, TARGET).unwrap());
    }
}
