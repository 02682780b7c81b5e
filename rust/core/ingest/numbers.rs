//! The numbers that a text tells, to see whether it tells an amount already.

/// Whether `text` tells all numbers of `amount`, or its words where it has none.
pub(super) fn holds(text: &str, amount: &str) -> bool {
    let (held, wanted) = (numbers(text), numbers(amount));
    match wanted.is_empty() {
        true => text.to_lowercase().contains(&amount.to_lowercase()),
        false => wanted
            .iter()
            .all(|number| held.iter().any(|other| (number - other).abs() < 0.006)),
    }
}

/// The numbers in a text; one with a fraction behind it (`1 1/2`, `1½`) as their sum.
pub(super) fn numbers(text: &str) -> Vec<f64> {
    let mut found: Vec<f64> = Vec::new();
    let mut rest = text;
    // Whether only a space stands between the last number and what comes.
    let mut is_beside = false;
    while let Some(first) = rest.chars().next() {
        let digits = rest
            .find(|letter: char| !letter.is_ascii_digit() && letter != '.')
            .unwrap_or(rest.len());
        let (number, length) = match (
            rest[..digits].trim_end_matches('.').parse::<f64>(),
            vulgar(first),
        ) {
            (Ok(number), _) if first.is_ascii_digit() => {
                let below = rest[digits..].strip_prefix(['/', '⁄']).unwrap_or_default();
                let end = below
                    .find(|letter: char| !letter.is_ascii_digit())
                    .unwrap_or(below.len());
                match below[..end].parse::<f64>() {
                    Ok(under) if under > 0.0 => (number / under, rest.len() - below.len() + end),
                    _ => (number, digits),
                }
            }
            (_, Some(number)) => (number, first.len_utf8()),
            _ => {
                is_beside &= first == ' ';
                rest = &rest[first.len_utf8()..];
                continue;
            }
        };
        match found.last_mut() {
            Some(last) if is_beside && number < 1.0 => *last += number,
            _ => found.push(number),
        }
        is_beside = true;
        rest = &rest[length..];
    }
    found
}

fn vulgar(letter: char) -> Option<f64> {
    let (above, under) = match letter {
        '½' => (1.0, 2.0),
        '⅓' => (1.0, 3.0),
        '⅔' => (2.0, 3.0),
        '¼' => (1.0, 4.0),
        '¾' => (3.0, 4.0),
        '⅕' => (1.0, 5.0),
        '⅖' => (2.0, 5.0),
        '⅗' => (3.0, 5.0),
        '⅘' => (4.0, 5.0),
        '⅙' => (1.0, 6.0),
        '⅚' => (5.0, 6.0),
        '⅛' => (1.0, 8.0),
        '⅜' => (3.0, 8.0),
        '⅝' => (5.0, 8.0),
        '⅞' => (7.0, 8.0),
        _ => return None,
    };
    Some(above / under)
}
