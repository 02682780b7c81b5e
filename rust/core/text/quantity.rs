//! The numbers of a recipe.

/// The quantities of an item, as it writes them, in order.
///
/// A quantity is a number in ASCII digits: a whole one (`2`), one with groups of three (`1,000`), a decimal
/// (`1.5`, `.5`), a fraction (`1/2`) or a whole number, one space or more, and a fraction (`1 1/2`). So `5-6`
/// is two of them, `2 x 400g` too, and `cm2` is one. Linear, without allocation.
pub fn quantities(item: &str) -> impl Iterator<Item = &str> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let bytes = item.as_bytes();
        let first = at + bytes[at..].iter().position(u8::is_ascii_digit)?;
        // `.5`, but not the end of `...5` or `approx.5`.
        let is_below_one = first > at
            && bytes[first - 1] == b'.'
            && !bytes[..first - 1]
                .last()
                .is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'.');
        let start = if is_below_one { first - 1 } else { first };
        at = if is_below_one {
            end_of_digits(bytes, first)
        } else {
            end_of_number(bytes, first)
        };
        Some(&item[start..at])
    })
}

/// Where the number that begins at `start` with a digit ends.
fn end_of_number(bytes: &[u8], start: usize) -> usize {
    let whole = end_of_digits(bytes, start);
    if let Some(end) = end_after(bytes, whole, b'/') {
        return end;
    }
    let spaces = bytes[whole..]
        .iter()
        .take_while(|byte| **byte == b' ')
        .count();
    let numerator = end_of_digits(bytes, whole + spaces);
    if spaces > 0
        && numerator > whole + spaces
        && let Some(end) = end_after(bytes, numerator, b'/')
    {
        return end;
    }
    let mut end = whole;
    while let Some(group) = end_after(bytes, end, b',').filter(|group| group - end == 4) {
        end = group;
    }
    end_after(bytes, end, b'.').unwrap_or(end)
}

/// Where the digits end that begin at `start`; `start` where there are none.
fn end_of_digits(bytes: &[u8], start: usize) -> usize {
    let digits = bytes[start..]
        .iter()
        .take_while(|byte| byte.is_ascii_digit());
    start + digits.count()
}

/// Where the digits end that follow a `mark` at `at`.
fn end_after(bytes: &[u8], at: usize, mark: u8) -> Option<usize> {
    let end = end_of_digits(bytes, at + usize::from(bytes.get(at) == Some(&mark)));
    (bytes.get(at) == Some(&mark) && end > at + 1).then_some(end)
}
