use std::fmt::Write;

use similar::TextDiff;

/// The number of unchanged lines around a difference.
const CONTEXT: usize = 3;
const RED: &str = "\u{1b}[31m";
const GREEN: &str = "\u{1b}[32m";
const CYAN: &str = "\u{1b}[36m";
const BOLD: &str = "\u{1b}[1m";
const PLAIN: &str = "\u{1b}[0m";

/// Returns a unified diff of two texts of this name; none if they are equal. An empty text stands for a missing resource.
pub(super) fn diff(name: &str, before: &str, after: &str, colour: bool) -> Option<String> {
    if before == after {
        return None;
    }
    let side = |text: &str| if text.is_empty() { "/dev/null".to_owned() } else { name.to_owned() };
    let diff = TextDiff::from_lines(before, after);
    let text = diff.unified_diff().context_radius(CONTEXT).header(&side(before), &side(after)).to_string();
    if !colour {
        return Some(text);
    }
    let mut coloured = String::with_capacity(text.len() * 2);
    for line in text.lines() {
        let colour = match line.as_bytes() {
            [b'-', b'-', b'-', b' ', ..] | [b'+', b'+', b'+', b' ', ..] => BOLD,
            [b'-', ..] => RED,
            [b'+', ..] => GREEN,
            [b'@', ..] => CYAN,
            _ => "",
        };
        let plain = if colour.is_empty() { "" } else { PLAIN };
        let _ = writeln!(coloured, "{colour}{line}{plain}");
    }
    Some(coloured)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_shown_as_patch_takes_it() {
        assert_eq!(diff("w", "a\n", "a\n", false), None);
        assert_eq!(
            diff("w", "a: 1\nb: 2\n", "a: 1\nb: 3\n", false).unwrap(),
            "--- w\n+++ w\n@@ -1,2 +1,2 @@\n a: 1\n-b: 2\n+b: 3\n"
        );
        assert_eq!(diff("w", "", "a: 1\n", false).unwrap(), "--- /dev/null\n+++ w\n@@ -0,0 +1 @@\n+a: 1\n");
        let coloured = diff("w", "a\n", "b\n", true).unwrap();
        assert!(coloured.contains("\u{1b}[31m-a\u{1b}[0m\n\u{1b}[32m+b\u{1b}[0m\n"), "{coloured:?}");
    }
}
