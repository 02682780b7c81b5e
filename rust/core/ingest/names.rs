//! Which field of a record means what.
//!
//! | part         | known names, the preferred one first                                              |
//! |--------------|-----------------------------------------------------------------------------------|
//! | `title`      | title, name, recipe title, recipe name, dish name                                 |
//! | `ingredients`| ingredients, ingredient, ingredient list(s), ingredient lines, recipe ingredient(s), recipe ingredient parts, extended ingredients |
//! | `quantities` | recipe ingredient quantities: the amounts of `ingredients`, entry by entry         |
//! | `groups`     | ingredient groups: the ingredients again, under headings                           |
//! | `directions` | directions, instruction(s) list, instructions, steps, method, recipe instructions, preparation, preparation steps, cooking instructions, analyzed instructions, direction, instruction |
//! | `quality`    | quality score, quality                                                             |
//! | `input`, `output` | input, output: a ready pair                                                   |
//!
//! Capital letters, spaces, `_` and `-` do not count: `Recipe_Title` is `recipetitle`.

use crate::error::{Error, Result};

/// The parts of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Title,
    Ingredients,
    Quantities,
    Groups,
    Directions,
    Quality,
    Input,
    Output,
}

pub(super) const PARTS: usize = 8;

const PART_NAMES: [(&str, Part); PARTS] = [
    ("title", Part::Title),
    ("ingredients", Part::Ingredients),
    ("quantities", Part::Quantities),
    ("groups", Part::Groups),
    ("directions", Part::Directions),
    ("quality", Part::Quality),
    ("input", Part::Input),
    ("output", Part::Output),
];

/// Every known name, the preferred ones of a part first, spelt as errors show them.
const KNOWN: [(&str, Part); 32] = [
    ("title", Part::Title),
    ("name", Part::Title),
    ("recipe_title", Part::Title),
    ("recipe_name", Part::Title),
    ("dish_name", Part::Title),
    ("ingredients", Part::Ingredients),
    ("ingredient", Part::Ingredients),
    ("ingredient_list", Part::Ingredients),
    ("ingredients_list", Part::Ingredients),
    ("ingredient_lines", Part::Ingredients),
    ("recipeIngredient", Part::Ingredients),
    ("recipeIngredients", Part::Ingredients),
    ("RecipeIngredientParts", Part::Ingredients),
    ("extendedIngredients", Part::Ingredients),
    ("RecipeIngredientQuantities", Part::Quantities),
    ("ingredient_groups", Part::Groups),
    ("directions", Part::Directions),
    ("instructions_list", Part::Directions),
    ("instruction_list", Part::Directions),
    ("instructions", Part::Directions),
    ("steps", Part::Directions),
    ("method", Part::Directions),
    ("recipeInstructions", Part::Directions),
    ("preparation_steps", Part::Directions),
    ("preparation", Part::Directions),
    ("cooking_instructions", Part::Directions),
    ("analyzedInstructions", Part::Directions),
    ("direction", Part::Directions),
    ("instruction", Part::Directions),
    ("quality_score", Part::Quality),
    ("quality", Part::Quality),
    ("input", Part::Input),
];

/// A known name: its place in [`Names`]. Of one part, a smaller one is preferred.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name(u8);

impl Name {
    /// The one bit of this name.
    pub(super) fn bit(self) -> u64 {
        1 << self.0
    }
}

#[derive(Debug, Clone)]
struct Known {
    spelt: String,
    part: Part,
    /// Given by the user: nothing but these very bytes.
    is_exact: bool,
}

/// Which field means what: the known names (see the module's table), or the user's own.
#[derive(Debug, Clone)]
pub struct Names {
    known: Vec<Known>,
    /// The names that begin with a letter, by its place in the alphabet; the last: with anything else.
    by_letter: [Vec<Name>; 27],
}

impl Default for Names {
    fn default() -> Self {
        Names::over(Vec::new())
    }
}

impl Names {
    /// The known names, but for the parts in `map`, which go by the source's own field and no other:
    /// (part, field), the field spelt exactly as the source does.
    ///
    /// # Errors
    /// `Error::Argument` of `map`: an unknown part, a part or a field that is named twice, an empty field.
    pub fn with(map: &[(String, String)]) -> Result<Names> {
        let bad = |reason: String| Error::Argument {
            name: "map",
            reason,
        };
        let mut mapped: Vec<Known> = Vec::new();
        for (part, field) in map {
            let Some((_, part)) = PART_NAMES.iter().find(|(name, _)| name == part) else {
                let parts = PART_NAMES.map(|(name, _)| format!("`{name}`")).join(", ");
                return Err(bad(format!(
                    "there is no part `{part}`: name one of {parts}"
                )));
            };
            if field.is_empty() {
                return Err(bad(
                    format!("`{part:?}` has no field: name one").to_lowercase()
                ));
            }
            if let Some(twice) = mapped
                .iter()
                .find(|known| known.part == *part || known.spelt == *field)
            {
                return Err(bad(format!(
                    "`{field}` comes after `{}`, which is the same part or field: name each once",
                    twice.spelt
                )));
            }
            mapped.push(Known {
                spelt: field.clone(),
                part: *part,
                is_exact: true,
            });
        }
        Ok(Names::over(mapped))
    }

    fn over(mapped: Vec<Known>) -> Names {
        let is_mapped = |part| mapped.iter().any(|known: &Known| known.part == part);
        let known: Vec<Known> = KNOWN
            .iter()
            .chain(&[("output", Part::Output)])
            .filter(|(_, part)| !is_mapped(*part))
            .map(|(name, part)| Known {
                spelt: (*name).to_owned(),
                part: *part,
                is_exact: false,
            })
            .collect();
        let known: Vec<Known> = mapped.into_iter().chain(known).collect();
        let mut by_letter = [const { Vec::new() }; 27];
        for (known, number) in known.iter().zip(0..) {
            by_letter[letter(&known.spelt)].push(Name(number));
        }
        Names { known, by_letter }
    }

    /// The name that the field `name` is, if it is one. About ten nanoseconds.
    pub(super) fn find(&self, name: &str) -> Option<Name> {
        self.by_letter[letter(name)]
            .iter()
            .copied()
            .find(|candidate| {
                let known = &self.known[usize::from(candidate.0)];
                known.spelt == name || (!known.is_exact && folded(&known.spelt).eq(folded(name)))
            })
    }

    pub(super) fn part(&self, name: Name) -> Part {
        self.known[usize::from(name.0)].part
    }

    pub(super) fn spelt(&self, name: Name) -> &str {
        &self.known[usize::from(name.0)].spelt
    }

    /// The preferred name of `part`, which messages about its absence use.
    pub(super) fn preferred(&self, part: Part) -> &str {
        self.known
            .iter()
            .find(|known| known.part == part)
            .map_or("", |known| &known.spelt)
    }
}

/// The known name of each column of a table, if it has one.
///
/// # Errors
/// The reason why no record can come of the table: a part without a column, or two columns of one name.
pub(super) fn of_columns<S: AsRef<str>>(
    columns: &[S],
    names: &Names,
) -> std::result::Result<Vec<Option<Name>>, String> {
    let found: Vec<Option<Name>> = columns
        .iter()
        .map(|column| names.find(column.as_ref()))
        .collect();
    let mut seen = 0;
    for name in found.iter().flatten() {
        if seen & name.bit() != 0 {
            let name = names.spelt(*name);
            return Err(format!("it has two columns `{name}`: rename one"));
        }
        seen |= name.bit();
    }
    let has = |part| found.iter().flatten().any(|name| names.part(*name) == part);
    let missing = |parts: &[Part]| parts.iter().copied().find(|part| !has(*part));
    if missing(&[Part::Input, Part::Output]).is_some()
        && let Some(part) = missing(&[Part::Title, Part::Ingredients, Part::Directions])
    {
        let given: Vec<String> = columns
            .iter()
            .map(|column| format!("`{}`", column.as_ref()))
            .collect();
        return Err(format!(
            "it has no column `{}`, only {}: title, ingredients and directions must be there, or input and \
             output; `map` tells which column is which",
            names.preferred(part),
            given.join(", ")
        ));
    }
    Ok(found)
}

/// The bytes of a name that count.
pub(super) fn folded(name: &str) -> impl Iterator<Item = u8> {
    name.bytes()
        .filter(|byte| !matches!(byte, b' ' | b'_' | b'-'))
        .map(|byte| byte.to_ascii_lowercase())
}

fn letter(name: &str) -> usize {
    match folded(name).next() {
        Some(byte @ b'a'..=b'z') => usize::from(byte - b'a'),
        _ => 26,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_and_has_a_bit() {
        let names = Names::default();
        assert!(names.known.len() <= 64, "`Name::bit` is of 64");
        for (known, number) in names.known.iter().zip(0..) {
            assert_eq!(names.find(&known.spelt), Some(Name(number)));
            assert_eq!(names.find(&known.spelt.to_uppercase()), Some(Name(number)));
        }
        assert_eq!(names.find(" Recipe Title"), names.find("recipe_title"));
        assert_eq!(names.find("titles"), None);
        assert_eq!(names.find("rating"), None);
        assert_eq!(names.find(""), None);
    }

    #[test]
    fn a_mapped_field_is_the_only_one_of_its_part() {
        let map = |pairs: &[(&str, &str)]| {
            let owned: Vec<_> = pairs
                .iter()
                .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
                .collect();
            Names::with(&owned)
        };
        let names = map(&[
            ("title", "Name"),
            ("ingredients", "title"),
            ("directions", "做法"),
        ])
        .unwrap();
        let part = |name| names.find(name).map(|name| names.part(name));
        assert_eq!(part("Name"), Some(Part::Title));
        assert_eq!(part("name"), None);
        assert_eq!(part("title"), Some(Part::Ingredients));
        assert_eq!(part("做法"), Some(Part::Directions));
        assert_eq!(part("Quality"), Some(Part::Quality));
        for (pairs, wanted) in [
            (
                &[("titel", "a")][..],
                "there is no part `titel`: name one of `title`, `ingredients`",
            ),
            (&[("title", "")], "`title` has no field"),
            (&[("title", "a"), ("title", "b")], "`b` comes after `a`"),
            (&[("title", "a"), ("input", "a")], "`a` comes after `a`"),
        ] {
            let message = map(pairs).unwrap_err().to_string();
            assert!(message.contains("bad value for `map`"), "{message}");
            assert!(message.contains(wanted), "{message}");
        }
    }
}
