//! Formats numbers with their significant digits and units.

/// Returns a value as text, without its unit: `0.873`, `12,345`, `4.07`.
pub(crate) fn number(value: f64) -> String {
    let digits_behind = match value.abs() {
        0.0 => 0,
        size if size < 0.0995 => 4,
        size if size < 9.995 => 3,
        size if size < 99.95 => 2,
        size if size < 999.5 => 1,
        _ => 0,
    };
    let text = format!("{value:.digits_behind$}");
    let (whole, rest) = text
        .split_once('.')
        .map_or((text.as_str(), String::new()), |(whole, behind)| (whole, format!(".{behind}")));
    let (sign, whole) = whole.strip_prefix('-').map_or(("", whole), |whole| ("-", whole));
    format!("{sign}{}{rest}", grouped(whole))
}

/// Returns a value with its unit: `12,345 requests/s`. A ratio has none.
pub(crate) fn with_unit(value: f64, unit: &str) -> String {
    if unit.is_empty() || unit == "ratio" { number(value) } else { format!("{} {unit}", number(value)) }
}

/// Inserts a comma before each group of three digits.
fn grouped(digits: &str) -> String {
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_as_many_digits_as_mean_something() {
        let texts = [0.0, 0.01234, 0.8734, 4.071, 1.25, 17.333, 123.45, 1234.5, 1_234_567.8].map(number);
        assert_eq!(texts, ["0", "0.0123", "0.873", "4.071", "1.250", "17.33", "123.5", "1,234", "1,234,568"]);
    }

    #[test]
    fn what_is_rounded_up_to_another_size_is_written_like_it() {
        assert_eq!([9.9996, 99.96, 999.96, -12.5].map(number), ["10.00", "100.0", "1,000", "-12.50"]);
    }

    #[test]
    fn a_ratio_has_no_unit() {
        assert_eq!(with_unit(0.9, "ratio"), "0.900");
        assert_eq!(with_unit(17_345.0, "requests/s"), "17,345 requests/s");
    }
}
