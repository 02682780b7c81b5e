//! A Markdown page -> the recipe on it.
//!
//! ```text
//! # Lemon Rice
//!
//! ## Ingredients
//! - 1 cup rice
//!
//! ## Instructions
//! 1. Cook the rice.
//! ```
//!
//! The title is the front matter's, else the first heading that announces no section. Sections are told by their
//! headings ([`headings`](super::headings)): `#`, underlined, bold, or a line that ends with a colon. What
//! stands below a deeper or unknown heading inside the ingredients belongs to them, as does what stands below a deeper one
//! inside the directions, or a list after them (`Icing`); the heading is an item then, with a colon at its end. Notes,
//! tools, prose after the directions and diagrams are left out. A page with two recipes is none.

use std::mem::take;

use crate::recipe::{BadRecord, Recipe};

use super::blocks::{BOLD, Block, Blocks, Kind, is_tag};
use super::headings::{self, Section};

/// The recipe of a page, its items without emphasis, the addresses of links, and pictures.
///
/// # Errors
/// The page has no title, no ingredients or no directions, or a second recipe; the reason names which. Lists below their headings may
/// be empty.
pub fn page(text: &str) -> Result<Recipe, BadRecord> {
    Reader::of(&Blocks::of(text, true), false).recipe()
}

/// The recipe of a page that says nothing else: no text was left out, and the items are spelt as they stand.
#[must_use]
pub fn whole_page(text: &str) -> Option<Recipe> {
    let mut reader = Reader::of(&Blocks::of(text, false), true);
    let recipe = reader.recipe().ok()?;
    (!reader.is_lossy).then_some(recipe)
}

/// The level of a plain line with a colon that names a section: below all headings.
const LINE: usize = BOLD + 1;

/// How many blocks or entries are looked at to decide about others: time stays linear in the page.
const NEAR: usize = 200;

const SENTENCE_ENDS: [char; 6] = ['.', '!', '?', '。', '！', '？'];

#[derive(Default)]
struct Reader {
    title: Option<String>,
    /// The section that the next block belongs to, and the level of its heading.
    section: Option<(Section, usize)>,
    /// The level of the heading inside a section below which an aside stands.
    aside: Option<usize>,
    ingredients: List,
    amounts: List,
    directions: List,
    /// Whether the block before is fenced text.
    was_code: bool,
    /// A heading after the ingredients that announces no section: maybe the title of another recipe.
    other: Option<String>,
    /// The title of another recipe on the page.
    second: Option<String>,
    is_lossy: bool,
    /// Titles and items stay as they are spelt.
    is_verbatim: bool,
}

/// The items of one section.
#[derive(Default)]
struct List {
    items: Vec<String>,
    /// Sentences before the first entry: about the list, not of it.
    lead: Vec<String>,
    has_entries: bool,
    was_announced: bool,
}

impl Reader {
    fn of(blocks: &Blocks, is_verbatim: bool) -> Reader {
        let mut reader = Reader {
            title: blocks.title.clone(),
            is_lossy: blocks.has_lost,
            is_verbatim,
            ..Reader::default()
        };
        for (at, block) in blocks.blocks.iter().enumerate() {
            reader.block(block, &blocks.blocks[at + 1..]);
            reader.was_code = block.kind == Kind::Code;
        }
        reader
    }

    fn block(&mut self, block: &Block, rest: &[Block]) {
        match block.kind {
            Kind::Heading(level) => self.heading(level, &block.text, rest),
            Kind::Code => self.code(&block.text),
            Kind::Item => match headings::section(&block.text) {
                // An entry that is the heading of those below it.
                Some((section @ (Section::Aside | Section::Ingredients), ""))
                    if !self.is_verbatim
                        && matches!(
                            self.section,
                            Some((Section::Ingredients | Section::Amounts, _))
                        ) =>
                {
                    self.inner_heading(LINE, &block.text, Some((section, "")), rest);
                }
                _ => self.item(block, true),
            },
            Kind::Paragraph => {
                let name = block.text.strip_suffix([':', '：']);
                let named = name
                    .and_then(headings::section)
                    .filter(|(_, rest)| rest.is_empty());
                if let Some((section, _)) = named {
                    self.see_second(section, LINE, true);
                }
                match named {
                    Some((section, _)) if self.begins(section, LINE, true) => {
                        self.enter(section, LINE);
                    }
                    _ => self.item(block, false),
                }
            }
        }
    }

    fn heading(&mut self, level: usize, text: &str, rest: &[Block]) {
        let named = headings::section(text);
        // `Grandmother's Method` and `Method: sous vide` name a page, `Method` does not.
        let is_title = self.title.is_none()
            && self.section.is_none()
            && named.is_none_or(|(_, more)| !more.is_empty());
        if let Some((section, more)) = named {
            self.see_second(section, level, more.is_empty());
        }
        match named {
            _ if is_title => {
                let title = text
                    .strip_suffix("的做法")
                    .filter(|_| !self.is_verbatim)
                    .unwrap_or(text)
                    .trim();
                self.title = (!title.is_empty()).then(|| title.to_owned());
            }
            Some((section, more)) if self.begins(section, level, more.is_empty()) => {
                self.enter(section, level);
                self.sub_heading(more);
            }
            _ => self.inner_heading(level, text, named, rest),
        }
    }

    /// Whether a heading of this level with the name of a section (and nothing else: `is_bare`) begins it, or stands
    /// inside another.
    fn begins(&self, section: Section, level: usize, is_bare: bool) -> bool {
        match self.section {
            None => true,
            Some((_, outer)) if level <= outer => true,
            Some((Section::Aside, _)) => match section {
                Section::Directions => !self.directions.was_announced,
                Section::Ingredients => !self.ingredients.was_announced,
                Section::Amounts | Section::Aside => false,
            },
            // Sloppy levels: directions below the ingredients' heading are directions all the same.
            Some((Section::Ingredients | Section::Amounts, _)) => {
                is_bare && section == Section::Directions && !self.directions.was_announced
            }
            Some((Section::Directions, _)) => false,
        }
    }

    /// Whether the name of a section, once more after a heading that may be a title, tells that it is one.
    fn see_second(&mut self, section: Section, level: usize, is_bare: bool) {
        let was_announced = match section {
            Section::Ingredients => self.ingredients.was_announced,
            Section::Directions => self.directions.was_announced,
            Section::Amounts | Section::Aside => false,
        };
        if was_announced && (is_bare || !self.begins(section, level, is_bare)) {
            self.second = self.second.take().or_else(|| self.other.clone());
        }
    }

    fn enter(&mut self, section: Section, level: usize) {
        self.section = Some((section, level));
        self.aside = None;
        match self.list() {
            Some(list) => list.was_announced = true,
            None => self.is_lossy = true,
        }
    }

    /// A heading that begins no section of its own.
    fn inner_heading(
        &mut self,
        level: usize,
        text: &str,
        named: Option<(Section, &str)>,
        rest: &[Block],
    ) {
        if self.aside.is_some_and(|aside| level > aside) {
            return;
        }
        self.aside = None;
        let Some((section, outer)) = self.section else {
            self.is_lossy = true;
            return;
        };
        let is_inside = level > outer
            || (section != Section::Directions
                && !self.directions.was_announced
                && has_entries(rest));
        let is_aside = matches!(named, Some((Section::Aside, _)));
        if is_aside && is_inside {
            self.aside = Some(level);
            self.is_lossy = true;
        } else if !is_inside && named.is_some() {
            self.enter(Section::Aside, level);
            self.other = None;
        } else if !is_inside {
            let is_title = level < outer && level == 1;
            let goes_on = self.directions.was_announced && !is_title && has_steps(rest, level);
            self.other = Some(text.to_owned());
            match goes_on {
                true => self.section = Some((Section::Directions, level)),
                false => self.enter(Section::Aside, level),
            }
            self.sub_heading(text);
        } else if section == Section::Directions || !matches!(named, Some((_, ""))) {
            self.sub_heading(text);
        }
    }

    fn sub_heading(&mut self, text: &str) {
        let name = text.trim_end_matches([':', '：', ' ']);
        if !name.is_empty()
            && let Some(list) = self.list()
        {
            let is_sentence = name.ends_with(SENTENCE_ENDS);
            list.items.push(match is_sentence {
                true => name.to_owned(),
                false => format!("{name}:"),
            });
        }
    }

    fn item(&mut self, block: &Block, is_entry: bool) {
        let is_aside = self.aside.is_some();
        let is_list = !matches!(self.section, Some((Section::Directions, _)));
        let Some(list) = self.list().filter(|_| !is_aside) else {
            self.is_lossy = true;
            return;
        };
        let text = block.text.as_str();
        if text.is_empty() || is_tag(text) {
            return;
        }
        if is_list && are_items(block) {
            let lines = block.lines.iter().filter(|line| !line.is_empty());
            list.items.extend(lines.cloned());
            list.has_entries |= is_entry;
            return;
        }
        let is_lead = !is_entry && !list.has_entries && list.items.is_empty();
        if is_lead && text.ends_with(SENTENCE_ENDS) {
            list.lead.push(text.to_owned());
        } else {
            list.items.push(text.to_owned());
        }
        list.has_entries |= is_entry;
    }

    /// A line of fenced text: an item of the ingredients; in the directions the fenced lines together are one.
    fn code(&mut self, line: &str) {
        let is_more = self.was_code && matches!(self.section, Some((Section::Directions, _)));
        let is_aside = self.aside.is_some();
        let list = self.list().filter(|_| !is_aside);
        if let Some(last) = list
            .and_then(|list| list.items.last_mut())
            .filter(|_| is_more)
        {
            last.push(' ');
            last.push_str(line);
        } else if let Some(list) = self.list().filter(|_| !is_aside) {
            list.items.push(line.to_owned());
        }
    }

    fn list(&mut self) -> Option<&mut List> {
        match self.section?.0 {
            Section::Ingredients => Some(&mut self.ingredients),
            Section::Amounts => Some(&mut self.amounts),
            Section::Directions => Some(&mut self.directions),
            Section::Aside => None,
        }
    }

    fn recipe(&mut self) -> Result<Recipe, BadRecord> {
        let bad = |what: &str| {
            let reason = format!("the page has no {what}");
            Err(BadRecord { reason })
        };
        let has_directions = self.directions.was_announced;
        let has_ingredients = self.ingredients.was_announced || self.amounts.was_announced;
        let directions = take(&mut self.directions).whole();
        let mut ingredients = take(&mut self.ingredients).without_lead(&mut self.is_lossy);
        let amounts = take(&mut self.amounts).without_lead(&mut self.is_lossy);
        if names_most(&amounts, &ingredients) {
            self.is_lossy = true;
            ingredients = amounts;
        } else {
            ingredients.extend(amounts);
        }
        if let Some(second) = &self.second {
            let reason =
                format!("the page holds another recipe, `{second}`: split it, a page holds one");
            return Err(BadRecord { reason });
        }
        let Some(title) = self.title.take() else {
            return bad("title: begin it with `# ` and the name of the dish");
        };
        if !has_ingredients {
            return bad("ingredients: put them below a heading `## Ingredients`");
        }
        if !has_directions {
            return bad("directions: put them below a heading `## Directions`");
        }
        Ok(Recipe {
            title,
            ingredients,
            directions,
        })
    }
}

impl List {
    fn whole(mut self) -> Vec<String> {
        self.lead.append(&mut self.items);
        self.lead
    }

    /// The list without sentences about it, unless those are all there is.
    fn without_lead(self, is_lossy: &mut bool) -> Vec<String> {
        if self.has_entries {
            *is_lossy |= !self.lead.is_empty();
            return self.items;
        }
        self.whole()
    }
}

/// Whether the lines of a block of the ingredients are items each: not those of a sentence that was broken.
fn are_items(block: &Block) -> bool {
    let is_amount = |line: &&String| line.starts_with(char::is_numeric);
    let is_sentence = block.kind == Kind::Paragraph && block.text.ends_with(SENTENCE_ENDS);
    let amounts = block.lines.iter().filter(is_amount).count();
    block.lines.len() > 1 && (!is_sentence || amounts * 2 >= block.lines.len())
}

/// Whether an entry of a list stands before the next heading.
fn has_entries(blocks: &[Block]) -> bool {
    blocks
        .iter()
        .take(NEAR)
        .take_while(|block| !matches!(block.kind, Kind::Heading(level) if level < BOLD))
        .any(|block| block.kind == Kind::Item)
}

/// Whether a list stands below a heading of this level, and no heading below it names ingredients.
fn has_steps(blocks: &[Block], level: usize) -> bool {
    let mut has_entries = false;
    for block in blocks.iter().take(NEAR) {
        match block.kind {
            Kind::Heading(inner) if inner <= level => break,
            Kind::Heading(_) => match headings::section(&block.text) {
                Some((Section::Ingredients | Section::Directions, _)) => return false,
                Some(_) => break,
                None => {}
            },
            Kind::Item => has_entries = true,
            Kind::Paragraph | Kind::Code => {}
        }
    }
    has_entries
}

/// Whether the list with amounts is about the things of the plain one: it names half of them, or half of its own
/// entries name one (the plain list may be of tools for the most part).
fn names_most(amounts: &[String], things: &[String]) -> bool {
    let names: Vec<String> = things
        .iter()
        .take(NEAR)
        .filter_map(|thing| thing.split(['(', '（', ':', '：', ',', '，', ' ']).next())
        .filter(|name| !name.is_empty())
        .map(str::to_lowercase)
        .collect();
    let amounts: Vec<String> = amounts
        .iter()
        .take(NEAR)
        .map(|amount| amount.to_lowercase())
        .collect();
    let named = |name: &&String| amounts.iter().any(|amount| amount.contains(*name));
    let naming = |amount: &&String| names.iter().any(|name| amount.contains(name));
    let (named, naming) = (
        names.iter().filter(named).count(),
        amounts.iter().filter(naming).count(),
    );
    named * 2 >= names.len().max(1) || (naming > 1 && naming * 2 >= amounts.len())
}
