use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::{
    client::{ApiClient, ApiRequest},
    connection::Connection,
    kind::Kind,
    manifest::{self, Item},
    output::{Colour, Format, json, printable, say_text, yaml},
    unified,
};
use crate::commands::CliError;

/// `slotway apply`
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Apply {
    /// Files, directories, or - for standard input
    #[arg(short, long = "file", value_name = "FILE|DIRECTORY|-", required = true)]
    file: Vec<PathBuf>,
    /// Change nothing, and show the differences
    #[arg(long)]
    dry_run: bool,
    /// With --dry-run: exit with 7 if there are differences
    #[arg(long, requires = "dry_run")]
    exit_code: bool,
    /// Output format
    #[arg(short, long, value_enum, default_value_t)]
    pub(super) output: Format,
    /// When to use colours
    #[arg(long, value_enum, default_value_t)]
    colour: Colour,
    #[command(flatten)]
    connection: Connection,
}

const EXAMPLES: &str = "\
Examples:
  slotway apply -f workers.yaml              all or nothing
  slotway apply -f site/ -f extra.yaml       all files of a directory, and another file
  slotway apply -f workers.yaml --dry-run    the differences
  slotway get workers -o yaml | sed 's/capacity: 3/capacity: 4/' | slotway apply -f -

A file:
  kind: Worker
  metadata: { name: \"http://127.0.0.1:9001\", labels: { gpu: a100 } }
  spec: { pool: preannotation, capacity: 3 }
  ---
  kind: Pool
  metadata: { name: ocr }
  spec: { match: { prefix: /ocr } }";

/// `slotway diff`
#[derive(Debug, Args)]
#[command(after_help = DIFF_EXAMPLES)]
pub(super) struct Diff {
    /// Files, directories, or - for standard input
    #[arg(short, long = "file", value_name = "FILE|DIRECTORY|-", required = true)]
    file: Vec<PathBuf>,
    /// When to use colours
    #[arg(long, value_enum, default_value_t)]
    colour: Colour,
    #[command(flatten)]
    connection: Connection,
}

const DIFF_EXAMPLES: &str = "\
Examples:
  slotway diff -f workers.yaml     exits with 0 without differences, else with 7
  slotway diff -f workers.yaml && echo no differences";

impl Apply {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let items = manifest::read(&self.file)?;
        let outcomes = apply(&self.connection.client()?, &items, self.dry_run).await?;
        let text = match self.output {
            Format::Table | Format::Wide if self.dry_run => differences(&outcomes, self.colour)?,
            Format::Table | Format::Wide => outcomes.iter().map(Outcome::line).collect(),
            Format::Name => outcomes.iter().map(|outcome| outcome.id() + "\n").collect(),
            Format::Json => json(&whole(&outcomes))?,
            Format::Yaml => yaml(&whole(&outcomes))?,
        };
        say_text(&text);
        let differs = outcomes.iter().any(|outcome| outcome.action != "unchanged");
        if self.exit_code && differs { Err(CliError::Differs) } else { Ok(()) }
    }
}

impl Diff {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let items = manifest::read(&self.file)?;
        let outcomes = apply(&self.connection.client()?, &items, true).await?;
        let changed: Vec<_> = outcomes.into_iter().filter(|outcome| outcome.action != "unchanged").collect();
        say_text(&differences(&changed, self.colour)?);
        if changed.is_empty() { Ok(()) } else { Err(CliError::Differs) }
    }
}

/// The outcome for one resource.
struct Outcome {
    kind: Kind,
    name: String,
    /// `created`, `changed`, `unchanged`.
    action: String,
    answered: Value,
}

impl Outcome {
    fn id(&self) -> String {
        printable(&format!("{}/{}", self.kind.word, self.name))
    }

    fn line(&self) -> String {
        format!("{} {}\n", self.id(), printable(&self.action))
    }

    /// Returns the resource before or after the change as YAML, as it stands in a manifest.
    fn written(&self, when: &str) -> Result<String, CliError> {
        let mut resource = self.answered.get(when).cloned().unwrap_or_default();
        if resource.is_null() {
            return Ok(String::new());
        }
        if let Some(fields) = resource.as_object_mut() {
            fields.remove("status");
        }
        if let Some(metadata) = resource.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("resourceVersion");
        }
        yaml(&resource)
    }
}

async fn apply(client: &ApiClient, items: &[Item], dry_run: bool) -> Result<Vec<Outcome>, CliError> {
    let path = if dry_run { "/api/v1/apply?dry_run=true" } else { "/api/v1/apply" };
    let values: Vec<_> = items.iter().map(|item| &item.value).collect();
    let ask = ApiRequest::post(path, "apply").json(json!({ "items": values }));
    let mut body = client.send(&ask).await.map_err(|error| located(error, items))?.body;
    let Some(Value::Array(answered)) = body.get_mut("items").map(Value::take) else {
        return Err(client.unexpected(&ask, "not a list of outcomes"));
    };
    let outcome = |answered: Value| {
        let text = |name: &str| answered.get(name).and_then(Value::as_str).map(str::to_owned);
        let kind = text("kind").as_deref().and_then(Kind::of_resource)?;
        Some(Outcome { kind, name: text("name")?, action: text("action")?, answered })
    };
    let outcomes: Option<Vec<_>> = answered.into_iter().map(outcome).collect();
    outcomes.ok_or_else(|| client.unexpected(&ask, "not a list of outcomes"))
}

/// Adds to a problem the document that it is about, and its location.
fn located(error: CliError, items: &[Item]) -> CliError {
    let CliError::Rejected(mut rejected) = error else { return error };
    let field = rejected.text("field").unwrap_or_default().to_owned();
    // Some problems name the entry only in the field's path.
    let rest = field.strip_prefix("items[").and_then(|rest| rest.split_once(']'));
    let index = rejected.index().or_else(|| rest.and_then(|(index, _)| index.parse().ok()));
    if let Some(item) = index.and_then(|index| items.get(index)) {
        let within = rest.map_or(field.as_str(), |(_, within)| within.trim_start_matches('.'));
        rejected.subject = item.in_words();
        rejected.location = Some(item.location(within));
        if let Some(problem) = rejected.problem.as_object_mut()
            && rest.is_some()
        {
            problem.insert("field".to_owned(), within.into());
        }
    }
    CliError::Rejected(rejected)
}

fn differences(outcomes: &[Outcome], colour: Colour) -> Result<String, CliError> {
    let mut text = String::new();
    for outcome in outcomes {
        let (before, after) = (outcome.written("before")?, outcome.written("after")?);
        let colour = colour.is_on();
        match unified::diff(&outcome.id(), &before, &after, colour) {
            Some(difference) => text.push_str(&difference),
            None => text.push_str(&outcome.line()),
        }
    }
    Ok(text)
}

fn whole(outcomes: &[Outcome]) -> Value {
    json!({ "items": outcomes.iter().map(|outcome| &outcome.answered).collect::<Vec<_>>() })
}
