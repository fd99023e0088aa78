//! `slotway describe`: one resource in detail, for people.

mod coordinator;
mod pool;
mod text;
mod worker;

use clap::Args;
use serde_json::Value;

use self::text::Text;
use super::{
    audit,
    client::ApiClient,
    completion,
    connection::{Connection, also_by_file},
    json_resource::JsonResource,
    kind::{self, Kind, ResourceArgument},
    output::say_text,
};
use crate::commands::CliError;

/// The number of last changes that are shown.
const CHANGES: &str = "5";

const EXAMPLES: &str = "\
Examples:
  slotway describe worker http://127.0.0.1:9001    its state, the reason, its last changes
  slotway describe pool ocr                        with its policy and the states of its workers
  slotway describe coordinator edge-1              what an Envoy acknowledged or rejected, and why";

/// `slotway describe`
#[derive(Debug, Args)]
#[command(mut_arg("config", also_by_file), after_help = EXAMPLES)]
pub(super) struct Describe {
    #[arg(value_name = "KIND", help = kind::help(|_| true, ""), add = completion::kinds())]
    what: ResourceArgument,
    /// Their names
    #[arg(value_name = "NAME", add = completion::names())]
    names: Vec<String>,
    #[command(flatten)]
    connection: Connection,
}

impl Describe {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let names = self.what.names(&self.names);
        if names.is_empty() {
            return Err(CliError::Usage(format!("the name of the {} is missing", self.what.kind.title)));
        }
        let client = self.connection.client()?;
        for (number, name) in names.iter().enumerate() {
            let resource = client.one(self.what.kind, name).await?;
            let text = described(&client, self.what.kind, &resource).await?;
            say_text(&format!("{}{text}", if number == 0 { "" } else { "\n" }));
        }
        Ok(())
    }
}

async fn described(client: &ApiClient, kind: Kind, resource: &JsonResource) -> Result<String, CliError> {
    let mut text = Text::default();
    text.line("Kind", kind.name);
    text.line("Name", resource.name());
    let labels = resource.labels();
    if !labels.is_empty() {
        text.line("Labels", labels.join(", "));
    }
    if let Some(notes) = resource.text("metadata.notes") {
        text.line("Notes", notes);
    }
    if kind == Kind::WORKER {
        worker::describe(&mut text, resource);
    } else if kind == Kind::POOL {
        pool::describe(&mut text, resource, client).await?;
    } else if kind == Kind::COORDINATOR {
        coordinator::describe(&mut text, resource, &client.status(kind, resource)?);
    } else {
        text.fields("", resource.at("spec"), &[]);
        text.fields("", resource.at("status"), &[]);
    }
    match resource.text("metadata.resourceVersion") {
        None | Some("" | "0") => {}
        Some(version) => text.line("Version", version),
    }
    if let Some(stored) = kind.stored {
        changes(&mut text, client, stored, resource.name()).await?;
    }
    Ok(text.finish())
}

/// Adds the last changes of the resource, unless the credential does not permit to read them.
async fn changes(text: &mut Text, client: &ApiClient, stored: &str, name: &str) -> Result<(), CliError> {
    let filters = [("kind", Some(stored)), ("key", Some(name)), ("limit", Some(CHANGES))];
    let page = match audit::page(client, &filters).await {
        Ok(page) => page,
        Err(CliError::Rejected(_)) => return Ok(()),
        Err(error) => return Err(error),
    };
    text.heading("Last changes");
    if page.changes.is_empty() {
        text.entry("no change is recorded");
    }
    for change in &page.changes {
        let what = audit::in_words(&change.before, &change.after, false);
        text.entry(&format!("{}  {}: {what}", change.at, change.who));
    }
    Ok(())
}

/// Returns a number of the resource, or `unknown`.
fn figure(resource: &JsonResource, path: &str) -> String {
    resource
        .at(path)
        .and_then(Value::as_u64)
        .map_or_else(|| "unknown".to_owned(), |number| number.to_string())
}
