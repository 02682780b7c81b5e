//! A target that did not come back from its ids as it was written.

use crate::recipe::Place;
use crate::store::Lost;

/// Characters of an excerpt before and from the first difference on.
const BEFORE: usize = 20;
const AFTER: usize = 40;
/// How many of a store are spelt out.
const REPORTED: usize = 5;

/// What did not come back of a target.
pub(super) struct Loss {
    place: Place,
    /// How many quantities.
    pub(super) quantities: u32,
    /// The share of its items that came back the same.
    same_items: f64,
    written: String,
    read_back: String,
}

impl Loss {
    /// Of the record at `place`, whose `target` came back as `read`.
    pub(super) fn of(place: Place, quantities: u32, target: &str, read: &str) -> Self {
        let at = first_difference(target, read);
        Loss {
            place,
            quantities,
            same_items: same_items(target, read),
            written: excerpt(target, at),
            read_back: excerpt(read, at),
        }
    }
}

/// The targets that lost most, worst first; the earlier ones of those that lost as much.
#[derive(Default)]
pub(super) struct Worst(Vec<Lost>);

impl Worst {
    /// Looks at one more.
    pub(super) fn add(&mut self, source: &str, loss: Loss) {
        let place = self
            .0
            .partition_point(|lost| lost.same_items <= loss.same_items);
        if place < REPORTED {
            self.0.truncate(REPORTED - 1);
            let lost = Lost {
                source: source.to_owned(),
                place: loss.place.to_string(),
                same_items: loss.same_items,
                written: loss.written,
                read_back: loss.read_back,
            };
            self.0.insert(place, lost);
        }
    }

    pub(super) fn into_vec(self) -> Vec<Lost> {
        self.0
    }
}

/// The share of the items of `written` (what stands between `|`) that `read` has in the same place.
fn same_items(written: &str, read: &str) -> f64 {
    let items = |text| str::split(text, '|').map(str::trim);
    let read = items(read).map(Some).chain(std::iter::repeat(None));
    let (mut all, mut same) = (0_u32, 0_u32);
    for (item, read) in items(written).zip(read) {
        all += 1;
        same += u32::from(read == Some(item));
    }
    f64::from(same) / f64::from(all)
}

/// How many characters both begin with.
fn first_difference(a: &str, b: &str) -> usize {
    a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count()
}

fn excerpt(text: &str, at: usize) -> String {
    let from = at.saturating_sub(BEFORE);
    text.chars().skip(from).take(at - from + AFTER).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::Position;

    fn loss(line: u64, read: &str) -> Loss {
        let position = Position::Line { line, byte: 0 };
        let place = Place {
            file: None,
            position,
        };
        Loss::of(place, 0, "one | two | three | four", read)
    }

    #[test]
    fn the_worst_come_first_and_the_earlier_of_equals() {
        let mut worst = Worst::default();
        for (line, read) in [
            (1, "one | two | three | 4"),
            (2, "1 | 2 | 3 | 4"),
            (3, "one | two | 3 | 4"),
            (4, "one | 2 | 3 | 4"),
            (5, "one"),
            (6, "one | two three four"),
            (7, ""),
        ] {
            worst.add("a", loss(line, read));
        }
        let shares: Vec<(String, f64)> = worst
            .into_vec()
            .into_iter()
            .map(|lost| (lost.place, lost.same_items))
            .collect();
        let place = |line| Position::Line { line, byte: 0 }.to_string();
        let expected = [(2, 0.0), (7, 0.0), (4, 0.25), (5, 0.25), (6, 0.25)];
        assert_eq!(shares, expected.map(|(line, share)| (place(line), share)));
    }

    #[test]
    fn an_excerpt_shows_the_first_difference() {
        let long = "a".repeat(50);
        let place = |c| format!("{long}{c}{long}");
        assert_eq!(first_difference(&place("ñ"), &place("n")), 50);
        assert_eq!(
            excerpt(&place("ñ"), 50),
            format!("{}ñ{}", &long[..20], &long[..39])
        );
        assert_eq!(excerpt("", 0), "");
    }
}
