//! What is left of a target once a tokenizer has had it.

use crate::recipe::Recipe;

use super::parse_recipe;
use super::quantity::quantities;

/// How much of a target came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadBack {
    /// Nothing is lost: title, each ingredient and each step are equal, or, where the target is no recipe,
    /// its words are.
    pub same: bool,
    /// The quantities of the target.
    pub quantities: u32,
    /// Those of them that came back in their item and in order.
    pub quantities_same: u32,
}

/// Compares a target with what came out of its ids.
///
/// Items are compared by their place: a step that fell together with the next one is lost, and so are those
/// after it. Within an item the quantities that came back are the longest common subsequence of both.
/// Cost: one comparison and one scan for numbers where the two are equal.
#[must_use]
pub fn read_back(target: &str, decoded: &str) -> ReadBack {
    if target == decoded {
        let quantities = count(target);
        return ReadBack {
            same: true,
            quantities,
            quantities_same: quantities,
        };
    }
    let Some(written) = parse_recipe(target) else {
        return ReadBack {
            same: target.split_whitespace().eq(decoded.split_whitespace()),
            quantities: count(target),
            quantities_same: common(target, decoded),
        };
    };
    let read = parse_recipe(decoded);
    let same = read.as_ref() == Some(&written);
    let read = read.unwrap_or_default();
    let mut items = pairs(&written, &read);
    items.retain(|(item, _)| item.bytes().any(|byte| byte.is_ascii_digit()));
    ReadBack {
        same,
        quantities: items.iter().map(|(item, _)| count(item)).sum(),
        quantities_same: items.iter().map(|(item, read)| common(item, read)).sum(),
    }
}

/// Every item of a recipe, beside the one that stands in its place in another; empty where there is none.
fn pairs<'a>(written: &'a Recipe, read: &'a Recipe) -> Vec<(&'a str, &'a str)> {
    let mut pairs = vec![(written.title.as_str(), read.title.as_str())];
    for (written, read) in [
        (&written.ingredients, &read.ingredients),
        (&written.directions, &read.directions),
    ] {
        let read = read.iter().map(String::as_str).chain(std::iter::repeat(""));
        pairs.extend(written.iter().map(String::as_str).zip(read));
    }
    pairs
}

fn count(item: &str) -> u32 {
    quantities(item).count().try_into().unwrap_or(u32::MAX)
}

/// The length of the longest common subsequence of the quantities of both.
fn common(written: &str, read: &str) -> u32 {
    let written: Vec<&str> = quantities(written).collect();
    let read: Vec<&str> = quantities(read).collect();
    let same = |(a, b): &(&&str, &&str)| a.split_whitespace().eq(b.split_whitespace());
    let ahead = written.iter().zip(&read).take_while(same).count();
    // One row of the usual table: the best for the items so far and each beginning of `read`.
    let read = &read[ahead..];
    let mut best = vec![0_u32; read.len() + 1];
    for number in &written[ahead..] {
        let mut diagonal = 0;
        for (place, other) in read.iter().enumerate() {
            let above = best[place + 1];
            best[place + 1] = if same(&(number, other)) {
                diagonal + 1
            } else {
                above.max(best[place])
            };
            diagonal = above;
        }
    }
    u32::try_from(ahead).unwrap_or(u32::MAX) + best[read.len()]
}
