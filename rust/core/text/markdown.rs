//! Recipes in Markdown, as earlier systems wrote their outputs.
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

use crate::recipe::Recipe;

const INGREDIENTS: &[&str] = &["ingredients"];
const DIRECTIONS: &[&str] = &["instructions", "directions", "method", "steps"];

/// The recipe that a page spells: a title, the ingredients, the directions, in this order.
///
/// A heading inside the ingredients, or a deeper one inside the directions, is an item of theirs, with a
/// colon at its end. A line without a marker goes on with the item before, after a blank line it is an
/// item. `None` when the page has anything else: no text is left out.
pub(super) fn parse(page: &str) -> Option<Recipe> {
    let mut lines = page.lines().map(str::trim).filter(|line| !line.is_empty());
    let (1, title) = heading(lines.next()?)? else {
        return None;
    };
    let (section_level @ 2.., head) = heading(lines.next()?)? else {
        return None;
    };
    if !is_one_of(head, INGREDIENTS) {
        return None;
    }
    let mut ingredients = Items::default();
    let mut directions = Items::default();
    let mut is_in_directions = false;
    // The two headings are the first two lines that are not blank; the lists follow.
    let mut headings = 2;
    for line in page.lines().map(str::trim) {
        if headings > 0 {
            headings -= usize::from(!line.is_empty());
            continue;
        }
        let items = if is_in_directions {
            &mut directions
        } else {
            &mut ingredients
        };
        match heading(line) {
            None => items.line(line),
            Some((_, head)) if !is_in_directions && is_one_of(head, DIRECTIONS) => {
                is_in_directions = true;
            }
            Some((level, _)) if is_in_directions && level <= section_level => return None,
            Some((_, head)) => items.heading(head),
        }
    }
    is_in_directions.then(|| Recipe {
        title: title.to_owned(),
        ingredients: ingredients.items,
        directions: directions.items,
    })
}

/// Level and text of a heading (`## Ingredients`).
fn heading(line: &str) -> Option<(usize, &str)> {
    let text = line.trim_start_matches('#');
    let level = line.len() - text.len();
    let is_heading = (1..=6).contains(&level) && (text.is_empty() || text.starts_with([' ', '\t']));
    is_heading.then(|| (level, text.trim()))
}

fn is_one_of(heading: &str, names: &[&str]) -> bool {
    let name = heading.trim_end_matches(':').trim_end();
    names.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// The items of a list, as its lines come.
#[derive(Default)]
struct Items {
    items: Vec<String>,
    /// The number of the last item that had one.
    number: Option<u32>,
    goes_on: bool,
}

impl Items {
    fn line(&mut self, line: &str) {
        if line.is_empty() {
            self.goes_on = false;
        } else if let Some(item) = self.marked(line) {
            self.items.push(item.trim_start().to_owned());
            self.goes_on = true;
        } else if let Some(last) = self.items.last_mut().filter(|_| self.goes_on) {
            last.push(' ');
            last.push_str(line);
        } else {
            self.items.push(line.to_owned());
            self.goes_on = true;
        }
    }

    fn heading(&mut self, text: &str) {
        self.items
            .push(format!("{}:", text.trim_end_matches(':').trim_end()));
        self.goes_on = false;
    }

    /// The item after its marker. A number is a marker when it is the next one, or when each is 1.
    fn marked<'a>(&mut self, line: &'a str) -> Option<&'a str> {
        let is_end = |rest: &str| rest.is_empty() || rest.starts_with([' ', '\t']);
        if let Some(rest) = line.strip_prefix(['-', '*', '+', '•']) {
            return is_end(rest).then_some(rest);
        }
        let digits = line.bytes().take_while(u8::is_ascii_digit).count();
        let number: u32 = line[..digits].parse().ok()?;
        let rest = line[digits..].strip_prefix(['.', ')'])?;
        let is_next = match self.number {
            None => true,
            Some(last) => Some(number) == last.checked_add(1) || (number == 1 && last == 1),
        };
        if !is_end(rest) || !is_next {
            return None;
        }
        self.number = Some(number);
        Some(rest)
    }
}
