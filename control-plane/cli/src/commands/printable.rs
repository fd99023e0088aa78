use std::fmt::Write;

/// Escapes control characters in foreign text, which a terminal would interpret.
pub(super) fn printable(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_control() {
            let _ = write!(safe, "{}", letter.escape_default());
        } else {
            safe.push(letter);
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_commands_no_terminal() {
        assert_eq!(printable("rack 7 \u{1b}[31m\r\nö"), "rack 7 \\u{1b}[31m\\r\\nö");
    }
}
