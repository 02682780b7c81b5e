//! The known fields of a record -> [`Record`], or the reason why not.
//!
//! Of several names of one part the preferred one counts that is not blank; blank (null, empty) is the same as
//! absent where another one is there. With `input` and `output` both there the record is a ready pair, and its
//! other fields are not looked at. All fields without a known name are ignored.

use crate::recipe::{BadRecord, Content, Pair, Recipe, Record};

use super::items::{self, Items};
use super::names::{Name, Names, PARTS, Part};
use super::value::Value;

/// The known fields of one record.
#[derive(Debug, Default)]
pub(super) struct Fields {
    parts: [Option<(Name, Value)>; PARTS],
    /// The bits of the names that were set.
    seen: u64,
    repeated: Option<Name>,
}

impl Fields {
    /// Takes a field in. A better name beats a worse one, and anything beats what is blank.
    pub(super) fn set(&mut self, name: Name, value: Value, names: &Names) {
        if self.seen & name.bit() != 0 {
            self.repeated = self.repeated.or(Some(name));
        }
        self.seen |= name.bit();
        let slot = &mut self.parts[names.part(name) as usize];
        let wins = match slot {
            None => true,
            Some((held, old)) => match (old.is_blank(), value.is_blank()) {
                (true, false) => true,
                (false, true) => false,
                _ => name < *held,
            },
        };
        if wins {
            *slot = Some((name, value));
        }
    }

    pub(super) fn has_any(&self) -> bool {
        self.seen != 0
    }

    /// The record, or the first thing that is wrong with it.
    pub(super) fn into_record(mut self, names: &Names) -> Result<Record, BadRecord> {
        self.record(names).map_err(|reason| BadRecord { reason })
    }

    fn record(&mut self, names: &Names) -> Result<Record, String> {
        if let Some(name) = self.repeated {
            let name = names.spelt(name);
            return Err(format!("`{name}` is there twice"));
        }
        let quality = self.quality(names)?;
        let is_pair = self.holds(Part::Input) && self.holds(Part::Output);
        let is_half_pair = self.holds(Part::Input) || self.holds(Part::Output);
        let content = if is_pair || (is_half_pair && !self.holds(Part::Title)) {
            Content::Pair(Pair {
                input: self.text(Part::Input, names)?,
                output: self.text(Part::Output, names)?,
            })
        } else {
            let title = self.text(Part::Title, names)?;
            if title.trim().is_empty() {
                return Err(format!("`{}` is blank", names.preferred(Part::Title)));
            }
            Content::Recipe(Recipe {
                title,
                ingredients: self.ingredients(names)?,
                directions: self.directions(names)?,
            })
        };
        Ok(Record { content, quality })
    }

    fn holds(&self, part: Part) -> bool {
        !matches!(self.parts[part as usize], None | Some((_, Value::Null)))
    }

    fn take<'n>(&mut self, part: Part, names: &'n Names) -> Result<(&'n str, Value), String> {
        match self.parts[part as usize].take() {
            None => Err(format!("`{}` is missing", names.preferred(part))),
            Some((name, Value::Null)) => Err(format!("`{}` is null", names.spelt(name))),
            Some((name, value)) => Ok((names.spelt(name), value)),
        }
    }

    fn text(&mut self, part: Part, names: &Names) -> Result<String, String> {
        match self.take(part, names)? {
            (_, Value::Text(text)) => Ok(text),
            (name, other) => Err(format!("`{name}` is {}, not text", other.kind())),
        }
    }

    fn directions(&mut self, names: &Names) -> Result<Vec<String>, String> {
        let (name, value) = self.take(Part::Directions, names)?;
        Ok(items::of(value, Part::Directions, name)?.texts)
    }

    /// The ingredients: with their amounts where `quantities` has one for each, and under their headings where
    /// `groups` holds the same under some.
    fn ingredients(&mut self, names: &Names) -> Result<Vec<String>, String> {
        let groups = match self.take(Part::Groups, names) {
            Ok((name, value)) => items::of(value, Part::Ingredients, name)?,
            Err(_) => Items::default(),
        };
        let quantities = match self.take(Part::Quantities, names) {
            Ok((name, value)) => Some((name, items::entries(value, Part::Ingredients, name)?)),
            Err(_) => None,
        };
        if !self.holds(Part::Ingredients) && !groups.texts.is_empty() {
            return Ok(groups.texts);
        }
        let (name, value) = self.take(Part::Ingredients, names)?;
        let value = match quantities {
            Some(quantities) => {
                let things = items::entries(value, Part::Ingredients, name)?;
                with_amounts(quantities, (name, things))?
            }
            None => value,
        };
        let flat = items::of(value, Part::Ingredients, name)?;
        match groups.headings > flat.headings && groups.has_all_of(&flat) {
            true => Ok(groups.texts),
            false => Ok(flat.texts),
        }
    }

    fn quality(&mut self, names: &Names) -> Result<Option<f32>, String> {
        if !self.holds(Part::Quality) {
            return Ok(None);
        }
        let (name, value) = self.take(Part::Quality, names)?;
        let number = match value {
            Value::Number(number) => number,
            Value::Text(text) if text.trim().is_empty() => return Ok(None),
            Value::Text(text) => text
                .trim()
                .parse()
                .map_err(|_| format!("`{name}` is text, not a number"))?,
            other => return Err(format!("`{name}` is {}, not a number", other.kind())),
        };
        let score = number as f32;
        if !score.is_finite() {
            return Err(format!("`{name}` is not a finite number"));
        }
        Ok(Some(score))
    }
}

/// Each thing after its amount; the things alone where there are no amounts at all.
///
/// # Errors
/// That there are not as many amounts as things, where nobody can tell which is whose, or that an amount has no text
/// behind it.
fn with_amounts(amounts: (&str, Value), things: (&str, Value)) -> Result<Value, String> {
    let ((amounts_name, amounts), (name, things)) = (amounts, things);
    let is_told = |amount: &Value| !amount.is_blank() && *amount != Value::Text("NA".into());
    let amounts = match amounts {
        Value::List(amounts) if amounts.iter().any(is_told) => amounts,
        Value::Number(_) | Value::Bool(_) | Value::Object(_) => {
            return Err(format!(
                "`{amounts_name}` is {}, not a list",
                amounts.kind()
            ));
        }
        _ => return Ok(things),
    };
    let Value::List(things) = things else {
        return Ok(things);
    };
    if amounts.len() != things.len() {
        return Err(format!(
            "`{amounts_name}` has {} entries and `{name}` {}, so that nobody can tell which is whose: give both as many",
            amounts.len(),
            things.len()
        ));
    }
    let join = |(amount, thing): (Value, Value)| match (amount, thing) {
        (amount, thing) if !is_told(&amount) => Ok(thing),
        (Value::Text(amount), Value::Text(thing)) => {
            Ok(Value::Text(format!("{} {thing}", amount.trim())))
        }
        (Value::Number(amount), Value::Text(thing)) => Ok(Value::Text(format!("{amount} {thing}"))),
        (amount, thing) => Err(format!(
            "`{amounts_name}` has {} for {} of `{name}`: give text for both",
            amount.kind(),
            thing.kind()
        )),
    };
    let pairs = amounts.into_iter().zip(things).map(join);
    Ok(Value::List(pairs.collect::<Result<_, _>>()?))
}
