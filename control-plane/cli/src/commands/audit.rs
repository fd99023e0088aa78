use clap::{Args, ValueEnum};
use serde_json::Value;

use super::{
    client::{ApiClient, ApiRequest, query},
    connection::{Connection, also_by_file},
    kind::Kind,
    output::{aligned, printable, say},
};
use crate::commands::CliError;
use slotway_api_types::{AuditPage, AuditedChange};
use slotway_store::AUDIT_PAGE_MAX;

/// The longest value of a field in the table, in characters; `-o wide` and `-o json` show all.
const CELL_CHARS_MAX: usize = 60;

const EXAMPLES: &str = "\
Examples:
  slotway audit                                       the last 20 changes
  slotway audit --kind worker --key http://127.0.0.1:9001
  slotway audit --who ada -o wide                     changes of one user, with complete values
  slotway audit --before 120 --limit 100 -o json      older changes";

/// `slotway audit`
#[derive(Debug, Args)]
#[command(mut_arg("config", also_by_file), after_help = EXAMPLES)]
pub(super) struct Audit {
    /// Only changes of this kind, such as worker or settings
    #[arg(long)]
    kind: Option<String>,
    /// Only changes of this key; of a worker, its base URL
    #[arg(long)]
    key: Option<String>,
    /// Only changes by this user or token
    #[arg(long)]
    who: Option<String>,
    /// Only changes with a smaller id
    #[arg(long, value_name = "ID")]
    before: Option<u64>,
    /// The largest number of changes
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=i64::from(AUDIT_PAGE_MAX)))]
    limit: u32,
    /// Output format
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    pub(super) output: Output,
    #[command(flatten)]
    connection: Connection,
}

/// The output format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    /// One line per change
    Table,
    /// One line per change, with complete values
    Wide,
    /// JSON
    Json,
}

impl Audit {
    pub(super) async fn run(self) -> Result<(), CliError> {
        // The kind's plural in commands names the kind of document.
        let of_word =
            |word: &String| word.parse::<Kind>().ok().and_then(|kind| kind.stored).map(str::to_owned);
        let kind = self.kind.as_ref().map(|word| of_word(word).unwrap_or_else(|| word.clone()));
        let (before, limit) = (self.before.map(|before| before.to_string()), self.limit.to_string());
        let filters = [
            ("limit", Some(limit.as_str())),
            ("before", before.as_deref()),
            ("kind", kind.as_deref()),
            ("key", self.key.as_deref()),
            ("who", self.who.as_deref()),
        ];
        let page = page(&self.connection.client()?, &filters).await?;
        say(render(&page, self.output)?.trim_end());
        Ok(())
    }
}

/// Reads a page of changes, newest first.
///
/// # Errors
/// As [`ApiClient::send`].
pub(super) async fn page(
    client: &ApiClient,
    filters: &[(&str, Option<&str>)],
) -> Result<AuditPage, CliError> {
    let ask = ApiRequest::get(format!("/api/v1/audit?{}", query(filters)), "audit");
    let body = client.send(&ask).await?.body;
    serde_json::from_value(body).map_err(|_| client.unexpected(&ask, "no list of changes"))
}

fn render(page: &AuditPage, output: Output) -> Result<String, CliError> {
    if output == Output::Json {
        return serde_json::to_string_pretty(page).map_err(|error| CliError::system("writing JSON", error));
    }
    let mut lines = vec![["ID", "AT", "WHO", "KIND", "KEY", "CHANGE"].map(str::to_owned).to_vec()];
    for change in &page.changes {
        let AuditedChange { id, at, who, kind, key, .. } = change;
        let what = in_words(&change.before, &change.after, output == Output::Wide);
        let line = [&id.to_string(), at, who, kind, key, &what];
        lines.push(line.map(|cell| printable(cell)).to_vec());
    }
    let mut text = aligned(&lines);
    if let Some(next) = page.next {
        text.push_str(&format!("older ones: --before {next}\n"));
    }
    Ok(text)
}

/// Describes a change: which fields differ, and with `whole` also the added or removed document.
pub(super) fn in_words(before: &Value, after: &Value, whole: bool) -> String {
    match (before, after) {
        (Value::Null, added) if whole => return format!("added {added}"),
        (removed, Value::Null) if whole => return format!("removed {removed}"),
        (Value::Null, _) => return "added".to_owned(),
        (_, Value::Null) => return "removed".to_owned(),
        _ => {}
    }
    let mut fields = Vec::new();
    differences("", before, after, &mut fields);
    if fields.is_empty() {
        return "written again".to_owned();
    }
    let shown = |value: &Value| {
        let text = value.to_string();
        match text.char_indices().nth(CELL_CHARS_MAX) {
            Some((end, _)) if !whole => format!("{}...", &text[..end]),
            _ => text,
        }
    };
    let line = |(path, before, after): &(String, Value, Value)| {
        format!("{}: {} -> {}", path.trim_start_matches('.'), shown(before), shown(after))
    };
    format!("changed {}", fields.iter().map(line).collect::<Vec<_>>().join(", "))
}

/// Collects the innermost fields that differ, with their paths.
fn differences(path: &str, before: &Value, after: &Value, found: &mut Vec<(String, Value, Value)>) {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            let mut names: Vec<_> = before.keys().chain(after.keys()).collect();
            names.sort_unstable();
            names.dedup();
            for name in names {
                let (before, after) = (before.get(name), after.get(name));
                let or_null = |value: Option<&Value>| value.cloned().unwrap_or_default();
                differences(&format!("{path}.{name}"), &or_null(before), &or_null(after), found);
            }
        }
        _ if before == after => {}
        _ => found.push((path.to_owned(), before.clone(), after.clone())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_change_is_told_by_the_fields_that_differ() {
        let one = json!({ "position": 0, "worker": { "capacity": 3, "worker": "http://a" } });
        let two = json!({ "position": 0, "worker": { "capacity": 5, "worker": "http://a" }, "tls": {} });
        let long = json!({ "a": "x".repeat(100) });
        for (before, after, whole, told) in [
            (&one, &two, false, "changed tls: null -> {}, worker.capacity: 3 -> 5"),
            (&one, &one, false, "written again"),
            (&Value::Null, &one, false, "added"),
            (&one, &Value::Null, false, "removed"),
        ] {
            assert_eq!(in_words(before, after, whole), told);
        }
        assert!(in_words(&long, &json!({}), false).ends_with("xxx... -> null"));
        assert!(in_words(&Value::Null, &one, true).starts_with("added {\"position\":0"));
        assert!(in_words(&long, &json!({}), true).ends_with("xxx\" -> null"));
    }

    #[test]
    fn the_table_has_a_line_for_each_change_and_says_how_to_go_on() {
        let change = |id, key: &str| AuditedChange {
            id,
            revision: id,
            at: "2026-11-21T10:00:00.5Z".to_owned(),
            who: "admin token".to_owned(),
            kind: "worker".to_owned(),
            key: key.to_owned(),
            before: Value::Null,
            after: json!({}),
        };
        let page =
            AuditPage { changes: vec![change(7, "http://a"), change(6, "http://longer")], next: Some(6) };
        assert_eq!(
            render(&page, Output::Table).unwrap(),
            "ID  AT                      WHO          KIND    KEY            CHANGE\n\
             7   2026-11-21T10:00:00.5Z  admin token  worker  http://a       added\n\
             6   2026-11-21T10:00:00.5Z  admin token  worker  http://longer  added\n\
             older ones: --before 6\n"
        );
    }
}
