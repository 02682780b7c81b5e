//! Text: a record to the prompt and the target that a model sees, and back.
//!
//! 1. [`normalise`] makes one item (a title, an ingredient, a step) plain; its rules are listed there
//!    and have a version.
//! 2. [`clean`] normalises a whole recipe and drops what the lists say already (bullets, numbers).
//! 3. [`recipe_text`] writes a clean recipe in one line, [`parse_recipe`] reads it back.
//! 4. [`Template`] makes a prompt and a target of a record; a ready pair whose output is a recipe, in our
//!    form or in Markdown, goes the same way, any other keeps its words.
//! 5. [`TextPair::body`] is what the split and the search for duplicates look at.

mod body;
mod form;
mod markup;
mod name;
mod normalise;
mod quantity;
mod template;

pub use form::{clean, parse_recipe, recipe_text};
pub use name::ingredient_name;
pub use normalise::{NORMALISATION, normalise};
pub use template::{Template, TextPair};
