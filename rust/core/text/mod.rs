//! Text: a record to the prompt and the target that a model sees, and back.
//!
//! 1. [`normalise`] makes one item (a title, an ingredient, a step) plain; its rules are listed there
//!    and have a version.
//! 2. [`clean`] normalises a whole recipe and drops what the lists say already (bullets, numbers).
//! 3. A [`Spell`] puts its items into characters that the tokenizer has.
//! 4. [`recipe_text`] writes a clean recipe in one line, [`parse_recipe`] reads it back.
//! 5. [`Template`] makes a prompt and a target of a record; a ready pair whose output is a recipe, in our
//!    form or in Markdown, goes the same way, any other keeps its words.
//! 6. [`TextPair::body`] is what the split and the search for duplicates look at; [`quality`] scores a recipe.
//! 7. [`read_back`] says what is left of a target once a tokenizer has had it, down to its [`quantities`].

mod body;
mod clean;
mod digit;
mod form;
mod fraction;
mod markup;
mod name;
mod normalise;
mod quality;
mod quantity;
mod read_back;
mod spell;
mod template;

pub use clean::clean;
pub use form::{parse_recipe, recipe_text};
pub(crate) use markup::numbers_apart;
pub use name::ingredient_name;
pub use normalise::{NORMALISATION, normalise};
pub use quality::quality;
pub use quantity::quantities;
pub use read_back::{ReadBack, read_back};
pub use spell::{AsIs, Spell};
pub use template::{Template, TextPair, recipe_of};
