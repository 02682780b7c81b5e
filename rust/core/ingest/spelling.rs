//! A list that is spelt as one text -> its entries.
//!
//! | spelling              | example                                              |
//! |-----------------------|------------------------------------------------------|
//! | a program's           | `["a", "b"]`, `['a', 'b']`, `array(['a' 'b'])`, `c("a", "b")`; see [`literal`] |
//! | JSON in JSON          | `"[\"a\", \"b\"]"`                                   |
//! | HTML                  | `<ol><li>a</li><li>b</li></ol>`, `<p>a</p>`, `a<br>b` |
//! | lines                 | `a\nb`, also with `\r\n` and `\r`                    |
//! | joined                | `a \| b`, `a--b--c`, `• a • b`                        |
//!
//! Anything else is a list of one entry: a long step is not cut up.

use super::literal::{self, Fault};
use super::names::Part;
use super::value::Value;

/// The entries that `text` spells, of this part of a record.
///
/// # Errors
/// Its beginning and end are those of a program's list, and it is none.
pub(super) fn list(text: &str, part: Part) -> Result<Value, Fault> {
    let trimmed = text.trim();
    if let Some(list) = programs(trimmed)? {
        return Ok(list);
    }
    if trimmed.starts_with("\"[")
        && let Ok(inner) = serde_json::from_str::<String>(trimmed)
        && let Some(list) = programs(inner.trim())?
    {
        return Ok(list);
    }
    let texts = |texts: Vec<&str>| {
        let texts = texts.into_iter().map(|text| Value::Text(text.to_owned()));
        Value::List(texts.collect())
    };
    if let Some(broken) = html(trimmed) {
        return Ok(texts(broken.lines().map(str::trim).collect()));
    }
    if trimmed.contains(['\n', '\r']) {
        return Ok(texts(trimmed.split(['\n', '\r']).collect()));
    }
    Ok(texts(joined(trimmed, part)))
}

/// A list as a program prints it; `None` for what looks like none.
fn programs(text: &str) -> Result<Option<Value>, Fault> {
    let begins = |begin: &str| text.starts_with(begin);
    let calls = ["c(", "array(", "np.array(", "list("];
    let is_list = begins("[\"")
        || begins("['")
        || (begins("[") && text.ends_with(']'))
        || (calls.into_iter().any(begins) && text.ends_with(')'));
    if is_list {
        return match serde_json::from_str(text) {
            Ok(list) => Ok(Some(list)),
            Err(_) => literal::parse(text).map(Some),
        };
    }
    if begins("character(0)") {
        return Ok(Some(Value::List(Vec::new())));
    }
    // A tuple, a dict, or words in brackets.
    let may_be = ["('", "(\"", "{'", "{\""].into_iter().any(begins) && text.ends_with([')', '}']);
    Ok(Some(text)
        .filter(|_| may_be)
        .and_then(|text| literal::parse(text).ok()))
}

/// Tags that begin or end an item.
const BREAKS: [&str; 15] = [
    "li", "p", "br", "ol", "ul", "div", "tr", "table", "h1", "h2", "h3", "h4", "h5", "h6",
    "section",
];

/// `text` with a line end in place of each tag that parts items; `None` where there is no such tag.
fn html(text: &str) -> Option<String> {
    text.find('<')?;
    let mut lines = String::with_capacity(text.len());
    let mut rest = text;
    let mut is_html = false;
    while let Some(open) = rest.find('<') {
        let tag = &rest[open + 1..];
        let name = tag.strip_prefix('/').unwrap_or(tag);
        let length = name.bytes().take_while(u8::is_ascii_alphanumeric).count();
        let (name, after) = name.split_at(length);
        let is_break = BREAKS.iter().any(|known| known.eq_ignore_ascii_case(name))
            && after.starts_with(['>', ' ', '/', '\t', '\n', '\r']);
        let end = near(tag).find('>').filter(|_| is_break);
        let kept = end.map_or(open + 1, |_| open);
        lines.extend(rest[..kept].chars().map(unbroken));
        if let Some(end) = end {
            is_html = true;
            lines.push('\n');
            rest = &tag[end + 1..];
        } else {
            rest = tag;
        }
    }
    lines.extend(rest.chars().map(unbroken));
    is_html.then_some(lines)
}

/// As far as a tag may reach.
fn near(tag: &str) -> &str {
    &tag[..tag.floor_char_boundary(1024)]
}

/// A line end in HTML is a space.
fn unbroken(char: char) -> char {
    if matches!(char, '\n' | '\r') {
        ' '
    } else {
        char
    }
}

/// The parts of a line that a mark joins.
fn joined(line: &str, part: Part) -> Vec<&str> {
    if line.contains(" | ") || line.contains('•') && !line.contains('|') {
        return line.split(['|', '•']).collect();
    }
    let parts: Vec<&str> = line.split("--").map(str::trim).collect();
    // A dash goes on in lower case, an ingredient begins in it.
    let begins_anew = |part: &&str| !part.starts_with(char::is_lowercase);
    let is_list = match part {
        Part::Directions => parts.iter().all(begins_anew),
        _ => parts.len() > 2 || !line.contains(" --"),
    };
    if parts.len() > 1 && is_list && !line.contains("---") {
        return parts;
    }
    vec![line]
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn entries(text: &str, part: Part) -> Vec<String> {
        let Value::List(values) = list(text, part).unwrap() else {
            return vec!["no list".to_owned()];
        };
        let text = |value| match value {
            Value::Text(text) => text,
            other => format!("<{other:?}>"),
        };
        let texts = values.into_iter().map(text);
        texts.filter(|text| !text.trim().is_empty()).collect()
    }

    #[test]
    fn every_spelling_is_read() {
        for (text, wanted) in [
            (r#"["a", "b \"c\""]"#, &["a", "b \"c\""][..]),
            (
                r#"['a', "b's", 'c\'s', 'd\xe9\u00e9\U0001F36F\n', r'',]"#
                    .replace("r''", "''")
                    .as_str(),
                &["a", "b's", "c's", "dé\u{e9}🍯\n"],
            ),
            ("['a' 'b'\n 'c']", &["a", "b", "c"]),
            ("array(['a', 'b'],\n      dtype=object)", &["a", "b"]),
            ("array(['a'\n 'b'], dtype=object)", &["a", "b"]),
            ("[array(['a'], dtype=object)]", &["<List([Text(\"a\")])>"]),
            ("('a', 'b')", &["a", "b"]),
            (
                "[('a', 'b'), None, 2, -1.5]",
                &[
                    "<List([Text(\"a\"), Text(\"b\")])>",
                    "<Null>",
                    "<Number(2.0)>",
                    "<Number(-1.5)>",
                ],
            ),
            (r#"c("a", "b, c", NA, 'd')"#, &["a", "b, c", "<Null>", "d"]),
            (
                r#"c("a", "1/2", NA, "1 (8 ounce)")"#,
                &["a", "1/2", "<Null>", "1 (8 ounce)"],
            ),
            ("character(0)", &[]),
            ("[]", &[]),
            (r#""[\"a\", \"b\"]""#, &["a", "b"]),
            (
                "<ol><li>a</li>\n<LI class=\"x\">b\nc</LI></ol>",
                &["a", "b c"],
            ),
            ("<p>a</p><p>b</p>", &["a", "b"]),
            ("a<br>b<br />c", &["a", "b", "c"]),
            ("a < b and <i>c</i>", &["a < b and <i>c</i>"]),
            ("a\r\nb\rc\n\n", &["a", "b", "c"]),
            ("1 cup a | 2 b | c", &["1 cup a ", " 2 b ", " c"]),
            ("1 cup a--2 b--c", &["1 cup a", "2 b", "c"]),
            ("• 1 cup a • 2 b", &[" 1 cup a ", " 2 b"]),
            ("1 cup onion -- chopped", &["1 cup onion -- chopped"]),
            ("Mix. [see note] Bake.", &["Mix. [see note] Bake."]),
            ("[Optional] Soak.", &["[Optional] Soak."]),
            ("(soaked) beans (dry)", &["(soaked) beans (dry)"]),
            ("1. Mix. 2. Bake.", &["1. Mix. 2. Bake."]),
            ("", &[]),
        ] {
            assert_eq!(entries(text, Part::Ingredients), wanted, "{text}");
        }
        let steps = |text| entries(text, Part::Directions);
        assert_eq!(
            steps("Mix--do not beat--and bake."),
            ["Mix--do not beat--and bake."]
        );
        assert_eq!(
            steps("Mix.--Bake at 350.--2 hours later, eat."),
            ["Mix.", "Bake at 350.", "2 hours later, eat."]
        );
        assert_eq!(
            steps("(\"Old\" recipe) Mix (well)"),
            ["(\"Old\" recipe) Mix (well)"]
        );
    }

    #[test]
    fn a_list_that_is_none_says_where() {
        let fault = |text| {
            let fault = list(text, Part::Ingredients).unwrap_err();
            (fault.byte, fault.wanted)
        };
        assert_eq!(fault("['a', b]"), (6, "a text in quotes"));
        assert_eq!(fault("['a', 'b"), (6, "the quote that closes this one"));
        assert_eq!(fault("['a': 'b']"), (4, "a comma or the end of the list"));
        assert_eq!(fault("c('a', 'b') + c('c')"), (12, "the end"));
        assert_eq!(
            fault(r"['\x4']"),
            (2, "hexadecimal digits after the backslash")
        );
        let nested = "[".repeat(99) + "'a'" + &"]".repeat(99);
        assert_eq!(fault(&nested), (32, "fewer lists in lists"));
        assert_eq!(fault("[{'a' 1}]"), (6, "a colon after the key"));
        assert_eq!(fault("[1e999]"), (1, "a number"));
    }
}
