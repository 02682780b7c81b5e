//! Lists as programs print them: JSON, Python's repr, numpy's arrays, R's `c(...)`.
//!
//! ```text
//! ["1 cup rice", "salt"]                        JSON
//! ['1 cup rice', "baker's yeast", None]         Python, with its escapes, tuples, dicts, nested
//! array(['1 cup rice', 'salt'], dtype=object)   numpy; without commas as its str prints them
//! c("1 cup rice", "salt", NA)                   R
//! ```

use super::value::Value;

/// Lists in lists; more than these are noise.
const DEPTH: u32 = 32;

/// Where a literal cannot be read: the byte within the text, from 0, and what was wanted there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) byte: usize,
    pub(super) wanted: &'static str,
}

/// The value that `text` spells, white space around it aside.
pub(super) fn parse(text: &str) -> Result<Value, Fault> {
    let mut literal = Literal { text, at: 0 };
    let value = literal.value(0)?;
    literal.space();
    match literal.rest().is_empty() {
        true => Ok(value),
        false => Err(literal.fault("the end")),
    }
}

struct Literal<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Literal<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn fault(&self, wanted: &'static str) -> Fault {
        Fault {
            byte: self.at,
            wanted,
        }
    }

    fn space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    /// Goes past `wanted` where it is next, after white space.
    fn take(&mut self, wanted: &str) -> bool {
        self.space();
        let is_next = self.rest().starts_with(wanted);
        if is_next {
            self.at += wanted.len();
        }
        is_next
    }

    fn value(&mut self, depth: u32) -> Result<Value, Fault> {
        if depth == DEPTH {
            return Err(self.fault("fewer lists in lists"));
        }
        self.space();
        match self.rest().as_bytes() {
            [b'"' | b'\'', ..] => self.quoted().map(Value::Text),
            [b'[', ..] => self.list("[", "]", depth),
            [b'(', ..] => self.list("(", ")", depth),
            [b'{', ..] => self.dict(depth),
            [b'-' | b'+' | b'.' | b'0'..=b'9', ..] => self.number(),
            _ => self.word(depth),
        }
    }

    fn list(&mut self, open: &str, close: &str, depth: u32) -> Result<Value, Fault> {
        self.take(open);
        let mut values = Vec::new();
        loop {
            if self.take(close) {
                return Ok(Value::List(values));
            }
            let is_kind = self.keyword() == Some("dtype");
            let value = self.value(depth + 1)?;
            if !is_kind {
                values.push(value);
            }
            let has_comma = self.take(",");
            // Without a comma only another text or list follows: numpy prints them so.
            self.space();
            if !has_comma
                && !self.rest().starts_with(close)
                && !self.rest().starts_with(['\'', '"', '['])
            {
                return Err(self.fault("a comma or the end of the list"));
            }
        }
    }

    /// Goes past `name=`, as before a named argument.
    fn keyword(&mut self) -> Option<&'a str> {
        self.space();
        let name = self
            .rest()
            .bytes()
            .take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
            .count();
        let (name, after) = self.rest().split_at(name);
        let after = after
            .trim_start()
            .strip_prefix('=')
            .filter(|_| !name.is_empty())?;
        self.at = self.text.len() - after.len();
        Some(name)
    }

    fn dict(&mut self, depth: u32) -> Result<Value, Fault> {
        self.take("{");
        let mut entries = Vec::new();
        loop {
            if self.take("}") {
                return Ok(Value::Object(entries));
            }
            self.space();
            let key = match self.value(depth + 1)? {
                Value::Text(key) => key,
                Value::Number(key) => key.to_string(),
                _ => return Err(self.fault("a key that is text")),
            };
            if !self.take(":") {
                return Err(self.fault("a colon after the key"));
            }
            entries.push((key, self.value(depth + 1)?));
            self.space();
            if !self.take(",") && !self.rest().starts_with('}') {
                return Err(self.fault("a comma or `}`"));
            }
        }
    }

    fn number(&mut self) -> Result<Value, Fault> {
        let length = self
            .rest()
            .bytes()
            .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.'))
            .count();
        let digits = &self.rest()[..length];
        // R writes whole numbers as `1L`.
        match digits.strip_suffix('L').unwrap_or(digits).parse::<f64>() {
            Ok(number) if number.is_finite() => {
                self.at += length;
                Ok(Value::Number(number))
            }
            _ => Err(self.fault("a number")),
        }
    }

    /// A name that stands for a value, or a call around one.
    fn word(&mut self, depth: u32) -> Result<Value, Fault> {
        let length = self
            .rest()
            .bytes()
            .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.'))
            .count();
        let (word, after) = self.rest().split_at(length);
        let value = match word {
            "None" | "NA" | "NA_character_" | "NULL" | "null" | "nan" | "NaN" | "undefined" => {
                Value::Null
            }
            "True" | "true" | "TRUE" => Value::Bool(true),
            "False" | "false" | "FALSE" => Value::Bool(false),
            // The kind of the entries.
            "object" | "str" => Value::Null,
            "c" | "list" => {
                self.at += length;
                self.space();
                return self.list("(", ")", depth);
            }
            "array" | "np.array" | "numpy.array" | "tuple" | "set" if after.starts_with('(') => {
                self.at += length;
                let Value::List(mut arguments) = self.list("(", ")", depth)? else {
                    return Err(self.fault("a list"));
                };
                return match arguments.len() {
                    0 => Ok(Value::List(Vec::new())),
                    _ => Ok(arguments.swap_remove(0)),
                };
            }
            _ => return Err(self.fault("a text in quotes")),
        };
        self.at += length;
        Ok(value)
    }

    /// A text in single or double quotes, with the escapes of Python, JSON and R.
    fn quoted(&mut self) -> Result<String, Fault> {
        let begin = self.at;
        let Some(quote) = self.rest().chars().next() else {
            return Err(self.fault("a text in quotes"));
        };
        self.at += 1;
        let mut text = String::new();
        loop {
            let Some(found) = self.rest().find([quote, '\\']) else {
                self.at = begin;
                return Err(self.fault("the quote that closes this one"));
            };
            text.push_str(&self.rest()[..found]);
            self.at += found;
            if self.rest().starts_with(quote) {
                self.at += 1;
                return Ok(text);
            }
            self.escape(&mut text)?;
        }
    }

    fn escape(&mut self, text: &mut String) -> Result<(), Fault> {
        let mut chars = self.rest().chars();
        chars.next();
        let Some(escaped) = chars.next() else {
            return Err(self.fault("something after the backslash"));
        };
        let plain = match escaped {
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'a' | 'b' | 'f' | 'v' | '0' => ' ',
            // A line that goes on.
            '\n' => {
                self.at += 2;
                return Ok(());
            }
            'x' => return self.code(2, text),
            'u' => return self.code(4, text),
            'U' => return self.code(8, text),
            '\'' | '"' | '\\' | '/' | '`' => escaped,
            // Python keeps what is no escape as it is.
            other => {
                text.push('\\');
                other
            }
        };
        text.push(plain);
        self.at += 1 + escaped.len_utf8();
        Ok(())
    }

    /// `\xe9`, `\u00e9`, `\U000000e9`, and pairs of surrogates, which JSON writes.
    fn code(&mut self, digits: usize, text: &mut String) -> Result<(), Fault> {
        let first = self.hex(digits)?;
        let is_high = digits == 4 && (0xd800..0xdc00).contains(&first);
        let code = match self.rest().starts_with("\\u") && is_high {
            true => {
                let second = self.hex(4)?;
                0x10000 + ((first - 0xd800) << 10) + (second.wrapping_sub(0xdc00) & 0x3ff)
            }
            false => first,
        };
        text.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
        Ok(())
    }

    /// The number after a backslash and a letter.
    fn hex(&mut self, digits: usize) -> Result<u32, Fault> {
        let number = self
            .rest()
            .get(2..2 + digits)
            .filter(|number| number.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .and_then(|number| u32::from_str_radix(number, 16).ok());
        match number {
            Some(number) => {
                self.at += 2 + digits;
                Ok(number)
            }
            None => Err(self.fault("hexadecimal digits after the backslash")),
        }
    }
}
