//! The value of a list field -> its items, one text each.

use super::value::Value;

/// The items of the field `name`. Blank ones and nulls are left out.
pub(super) fn of(value: Value, name: &str) -> Result<Vec<String>, String> {
    let value = match value {
        Value::Text(text) => list_in_text(&text)
            .ok_or_else(|| format!("`{name}` looks like a list, but is not a JSON one"))?,
        other => other,
    };
    let Value::List(values) = value else {
        return Err(format!("`{name}` is {}, not a list of text", value.kind()));
    };
    let mut items = Vec::with_capacity(values.len());
    for (value, number) in values.into_iter().zip(1..) {
        match value {
            Value::Text(text) if text.trim().is_empty() => {}
            Value::Null => {}
            Value::Text(text) => items.push(text),
            other => {
                return Err(format!(
                    "entry {number} of `{name}` is {}, not text",
                    other.kind()
                ));
            }
        }
    }
    Ok(items)
}

/// A list that is spelt as text. `None` when it is bracketed and no JSON list.
fn list_in_text(text: &str) -> Option<Value> {
    let trimmed = text.trim();
    if trimmed.starts_with('[') {
        match serde_json::from_str(trimmed) {
            Ok(list) => return Some(list),
            Err(_) if trimmed.ends_with(']') => return None,
            Err(_) => {}
        }
    }
    Some(Value::List(
        text.lines()
            .map(|line| Value::Text(line.to_owned()))
            .collect(),
    ))
}
