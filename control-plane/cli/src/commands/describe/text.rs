use serde_json::Value;

use crate::commands::output::printable;

/// The depth down to which fields have their own lines; deeper ones are shown as JSON.
const DEPTH_MAX: usize = 4;
/// The smallest width of the column of names.
const WIDTH_MIN: usize = 16;

/// Lines with names and values, and lists under headings.
#[derive(Debug, Default)]
pub(super) struct Text {
    lines: Vec<Line>,
}

#[derive(Debug)]
enum Line {
    Pair(String, String),
    Heading(String),
    Entry(String),
}

impl Text {
    /// Adds a name and its value.
    pub(super) fn line(&mut self, name: impl Into<String>, value: impl AsRef<str>) {
        self.lines.push(Line::Pair(name.into(), printable(value.as_ref())));
    }

    /// Adds a heading of the entries that follow.
    pub(super) fn heading(&mut self, text: &str) {
        self.lines.push(Line::Heading(text.to_owned()));
    }

    /// Adds an entry under the last heading.
    pub(super) fn entry(&mut self, text: &str) {
        self.lines.push(Line::Entry(printable(text)));
    }

    /// Adds each field of an object by its name, `heartbeat.path` as "Heartbeat path", except those that are shown elsewhere.
    pub(super) fn fields(&mut self, name: &str, value: Option<&Value>, told: &[&str]) {
        self.fields_within(name, value.unwrap_or(&Value::Null), told, 0);
    }

    fn fields_within(&mut self, name: &str, value: &Value, told: &[&str], depth: usize) {
        match value {
            Value::Null => {}
            Value::Object(fields) if depth < DEPTH_MAX => {
                for (field, value) in fields.iter().filter(|(field, _)| !told.contains(&field.as_str())) {
                    let name = if name.is_empty() { field.clone() } else { format!("{name} {field}") };
                    self.fields_within(&name, value, &[], depth + 1);
                }
            }
            Value::String(text) => self.line(title(name), text),
            other => self.line(title(name), other.to_string()),
        }
    }

    /// Returns the text.
    pub(super) fn finish(self) -> String {
        let names = self.lines.iter().filter_map(|line| match line {
            Line::Pair(name, _) => Some(name.chars().count() + 1),
            Line::Heading(_) | Line::Entry(_) => None,
        });
        let width = names.max().unwrap_or(0).max(WIDTH_MIN);
        let mut text = String::new();
        for line in self.lines {
            match line {
                Line::Pair(name, value) => {
                    text.push_str(format!("{:<width$}  {value}", name + ":").trim_end());
                }
                Line::Heading(heading) => text.push_str(&format!("{heading}:")),
                Line::Entry(entry) => text.push_str(&format!("  {entry}")),
            }
            text.push('\n');
        }
        text
    }
}

/// Returns `free_worker_timeout` as "Free worker timeout".
fn title(name: &str) -> String {
    let words = name.replace('_', " ");
    let mut letters = words.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_that_are_not_known_are_told_all_the_same() {
        let mut text = Text::default();
        text.line("Name", "a\nb");
        let value = json!({ "told": 1, "max_waiting": 7, "heartbeat": { "path": "/health", "none": null }, "list": [1] });
        text.fields("", Some(&value), &["told"]);
        text.heading("Last");
        text.entry("one");
        assert_eq!(
            text.finish(),
            "Name:             a\\nb\n\
             Heartbeat path:   /health\n\
             List:             [1]\n\
             Max waiting:      7\n\
             Last:\n  one\n"
        );
    }
}
