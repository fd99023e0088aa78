//! The output of the commands. A closed pipe, as in `slotway get workers | head -1`, is not an error.

use std::{
    fmt::Display,
    io::{IsTerminal, Write},
};

use clap::ValueEnum;
use serde::Serialize;

pub(super) use super::printable::printable;
use crate::commands::CliError;

/// The output format of a list or a resource.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// One line per resource
    #[default]
    Table,
    /// One line per resource, with all columns
    Wide,
    /// JSON
    Json,
    /// YAML, as `apply -f` reads it
    Yaml,
    /// Only KIND/NAME
    Name,
}

/// When the output has colours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Colour {
    /// On a terminal, unless `NO_COLOR` is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl Colour {
    /// Returns whether standard output gets colours.
    pub(super) fn is_on(self) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => {
                std::env::var_os("NO_COLOR").is_none_or(|no| no.is_empty()) && std::io::stdout().is_terminal()
            }
        }
    }
}

/// Prints a line.
pub(super) fn say(line: impl Display) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Prints text that already ends with a line feed.
pub(super) fn say_text(text: &str) {
    let mut stdout = std::io::stdout();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

/// Returns lines in columns as wide as their widest cell, two spaces apart.
pub(super) fn aligned(lines: &[Vec<String>]) -> String {
    let columns = lines.first().map_or(0, Vec::len);
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..columns).map(width).collect();
    lines.iter().map(|line| in_columns(line, &widths)).collect()
}

/// Returns one line in columns of these widths.
pub(super) fn in_columns(line: &[String], widths: &[usize]) -> String {
    let cells: Vec<_> = line.iter().zip(widths).map(|(cell, &width)| format!("{cell:<width$}")).collect();
    cells.join("  ").trim_end().to_owned() + "\n"
}

/// Returns the value as JSON with a line end.
///
/// # Errors
/// [`CliError::Runtime`], which does not happen with JSON values.
pub(super) fn json(value: &impl Serialize) -> Result<String, CliError> {
    let text = serde_json::to_string_pretty(value);
    text.map(|text| text + "\n").map_err(|error| CliError::system("writing JSON", error))
}

/// Returns the value as YAML with a line end.
///
/// # Errors
/// [`CliError::Runtime`], which does not happen with JSON values.
pub(super) fn yaml(value: &impl Serialize) -> Result<String, CliError> {
    let text = serde_saphyr::to_string(value).map_err(|error| CliError::system("writing YAML", error))?;
    Ok(text.trim_end().to_owned() + "\n")
}

/// Returns a short form of a duration: `350 ms`, `12.3 s`, `4 min 10 s`, `3 h 5 min`.
pub(super) fn duration(ms: u64) -> String {
    let s = ms / 1_000;
    match s {
        0 => format!("{ms} ms"),
        1..60 => format!("{s}.{} s", ms % 1_000 / 100),
        60..3_600 => format!("{} min {} s", s / 60, s % 60),
        3_600..86_400 => format!("{} h {} min", s / 3_600, s % 3_600 / 60),
        _ => format!("{} d {} h", s / 86_400, s % 86_400 / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn yaml_that_is_printed_is_read_as_it_was() {
        let odd = json!({
            "name": "http://127.0.0.1:9001", "empty": {}, "none": null, "list": [], "text": "a: b # c", "number": "42",
            "yes": "yes", "tilde": "~", "lines": "one\ntwo\n", "escape": "\u{1b}[2J", "nested": { "list": [{ "a": 1 }, [2]] },
            "long": "word ".repeat(60), "space": " x ", "quote": "'\"", "dash": "- a", "true": true, "float": 1.5, "": ""
        });
        let text = yaml(&odd).unwrap();
        assert_eq!(serde_saphyr::from_str::<Value>(&text).unwrap(), odd, "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
    }

    #[test]
    fn times_have_the_unit_that_says_most() {
        for (ms, text) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (12_345, "12.3 s"),
            (250_000, "4 min 10 s"),
            (11_100_000, "3 h 5 min"),
            (180_000_000, "2 d 2 h"),
        ] {
            assert_eq!(duration(ms), text);
        }
    }
}
