//! From a record to its prompt and target.

use crate::error::{Error, Result};
use crate::ingest::whole_page;
use crate::recipe::{Content, Pair, Recipe};

use super::form::{SEPARATOR, clean, parse_recipe, recipe_text};
use super::name::ingredient_name;
use super::{body, normalise};

const PROMPT: &str = "Write a recipe for {title}. Ingredients: {names}.";
const TARGET: &str = "{recipe}";

/// The text of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextPair {
    /// What the model is given.
    pub prompt: String,
    /// What the model is to write.
    pub target: String,
    /// What makes two records the same, for the split and for duplicates: ingredients and directions
    /// (of a ready pair that is no recipe: the output) in NFKC, case-folded, letters and digits only.
    pub body: String,
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

    /// The text of a record. A ready pair keeps its prompt, normalised; where its output is a recipe,
    /// target and body are that recipe's, else the target is its lines, normalised and separated by
    /// ` | `.
    #[must_use]
    pub fn render(&self, content: &Content) -> TextPair {
        match content {
            Content::Recipe(recipe) => {
                let recipe = clean(recipe);
                TextPair {
                    prompt: self.prompt.render(&recipe),
                    target: self.target.render(&recipe),
                    body: body::of_recipe(&recipe),
                }
            }
            Content::Pair(pair) => self.render_pair(pair),
        }
    }

    fn render_pair(&self, pair: &Pair) -> TextPair {
        let prompt = normalise(&pair.input);
        let recipe = parse_recipe(&pair.output).or_else(|| whole_page(&pair.output));
        if let Some(recipe) = recipe {
            let recipe = clean(&recipe);
            return TextPair {
                prompt,
                target: self.target.render(&recipe),
                body: body::of_recipe(&recipe),
            };
        }
        let lines: Vec<String> = pair
            .output
            .lines()
            .map(normalise)
            .filter(|line| !line.is_empty())
            .collect();
        let mut body = String::new();
        lines.iter().for_each(|line| body::add(line, &mut body));
        TextPair {
            prompt,
            target: lines.join(SEPARATOR),
            body,
        }
    }
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

    fn value(self, recipe: &Recipe) -> String {
        match self {
            Placeholder::Title => recipe.title.clone(),
            Placeholder::Names => names(recipe),
            Placeholder::Ingredients => recipe.ingredients.join(SEPARATOR),
            Placeholder::Directions => recipe.directions.join(SEPARATOR),
            Placeholder::Recipe => recipe_text(recipe),
        }
    }
}

fn names(recipe: &Recipe) -> String {
    let mut names: Vec<String> = Vec::with_capacity(recipe.ingredients.len());
    for line in &recipe.ingredients {
        let name = ingredient_name(line);
        if !name.is_empty() && !names.contains(&name) {
            names.push(name);
        }
    }
    names.join(", ")
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

    fn render(&self, recipe: &Recipe) -> String {
        let mut text = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Literal(literal) => text.push_str(literal),
                Piece::Placeholder(placeholder) => text.push_str(&placeholder.value(recipe)),
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
