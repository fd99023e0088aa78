use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    client::ApiClient,
    kind::Kind,
    live::{Change, Update, follow},
    output::{Format, in_columns, say_text, yaml},
    table,
};
use crate::commands::CliError;

/// The largest width to which a longer cell widens a column, in characters.
const COLUMN_CHARS_MAX: usize = 80;

/// Prints changes: a line per resource, and again when the line changes.
struct Printed {
    kind: Kind,
    format: Format,
    /// The last printed line of each resource.
    lines: BTreeMap<String, Vec<String>>,
    widths: Vec<usize>,
}

/// Prints the resources and each change of them, until the process ends.
///
/// # Errors
/// Failures of the first request, and problems. A control plane that cannot be reached later is tried again.
pub(super) async fn run(
    client: ApiClient,
    kind: Kind,
    names: Vec<String>,
    fields: Vec<(String, String)>,
    format: Format,
) -> Result<(), CliError> {
    for name in &names {
        client.one(kind, name).await?;
    }
    let mut printed = Printed { kind, format, lines: BTreeMap::new(), widths: Vec::new() };
    let mut updates = follow(client, vec![kind], fields);
    let mut lost = false;
    let mut first = true;
    while let Some(update) = updates.recv().await {
        match update {
            Update::Changed(changes) => {
                lost = false;
                let mut chosen = changes;
                chosen.retain(|change| names.is_empty() || names.contains(&change.name));
                say_text(&printed.text(&chosen, std::mem::take(&mut first))?);
            }
            Update::Lost(error) if !lost => {
                lost = true;
                eprintln!("slotway: {error}. Trying again");
            }
            Update::Lost(_) => {}
            Update::Failed(error) => return Err(error),
        }
    }
    Ok(())
}

impl Printed {
    fn text(&mut self, changes: &[Change], first: bool) -> Result<String, CliError> {
        let mut text = String::new();
        match self.format {
            Format::Table | Format::Wide => {
                let wide = self.format == Format::Wide;
                let lines: Vec<_> = changes.iter().filter_map(|change| self.news(change, wide)).collect();
                if first {
                    let headings = table::headings(self.kind, wide);
                    self.widen(&headings);
                    lines.iter().for_each(|line| self.widen(line));
                    text.push_str(&in_columns(&headings, &self.widths));
                }
                for line in &lines {
                    self.widen(line);
                    text.push_str(&in_columns(line, &self.widths));
                }
            }
            Format::Name => {
                for change in changes {
                    let known = self.lines.contains_key(&change.name);
                    if change.now.is_some() && !known {
                        self.lines.insert(change.name.clone(), Vec::new());
                        text.push_str(&format!("{}/{}\n", self.kind.word, change.name));
                    }
                }
            }
            Format::Json => {
                for change in changes {
                    text.push_str(&format!("{}\n", self.told(change, first)));
                }
            }
            Format::Yaml => {
                for change in changes {
                    text.push_str("---\n");
                    text.push_str(&yaml(&self.told(change, first))?);
                }
            }
        }
        Ok(text)
    }

    /// Returns the line of a resource if it has changed.
    fn news(&mut self, change: &Change, wide: bool) -> Option<Vec<String>> {
        let Some(resource) = &change.now else {
            let mut line = self.lines.remove(&change.name)?;
            let headings = table::headings(self.kind, wide);
            let state = headings.iter().position(|heading| heading == "STATE").unwrap_or(1);
            for (column, cell) in line.iter_mut().enumerate().skip(1) {
                if column == state { "deleted" } else { "-" }.clone_into(cell);
            }
            return Some(line);
        };
        let mut line = table::line(self.kind, wide, resource);
        if wide {
            // The age of the figures changes all the time.
            let ages = table::headings(self.kind, true);
            for (cell, _) in line.iter_mut().zip(&ages).filter(|(_, heading)| *heading == "REPORTED") {
                "-".clone_into(cell);
            }
        }
        (self.lines.insert(change.name.clone(), line.clone()).as_ref() != Some(&line)).then_some(line)
    }

    /// Returns a change as one document.
    fn told(&mut self, change: &Change, first: bool) -> Value {
        let Some(resource) = &change.now else {
            self.lines.remove(&change.name);
            return json!({ "action": "deleted", "kind": change.kind.name, "name": change.name });
        };
        let known = self.lines.insert(change.name.clone(), Vec::new()).is_some();
        let action = match (first, known) {
            (true, _) => "is",
            (false, true) => "changed",
            (false, false) => "created",
        };
        json!({ "action": action, "resource": resource.value() })
    }

    fn widen(&mut self, line: &[String]) {
        self.widths.resize(line.len().max(self.widths.len()), 0);
        for (width, cell) in self.widths.iter_mut().zip(line) {
            *width = (*width).max(cell.chars().count().min(COLUMN_CHARS_MAX));
        }
    }
}
