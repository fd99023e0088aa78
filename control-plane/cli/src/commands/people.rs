//! Commands that users and tokens share: list and delete.

use clap::Args;

use super::{
    client::{ApiClient, ApiRequest},
    connection::{Connection, also_by_file},
    get,
    kind::Kind,
    output::{Format, printable, say, say_text},
};
use crate::commands::CliError;

/// The arguments of a list.
#[derive(Debug, Args)]
#[command(mut_arg("config", also_by_file))]
pub(super) struct ListCommand {
    /// Output format
    #[arg(short, long, value_enum, default_value_t)]
    pub(super) output: Format,
    #[command(flatten)]
    connection: Connection,
}

impl ListCommand {
    pub(super) async fn run(self, kind: Kind) -> Result<(), CliError> {
        let list = self.connection.client()?.list(kind, &[]).await?;
        say_text(&get::render(kind, &list.items, Some(&list.version), self.output)?);
        Ok(())
    }
}

/// Deletes resources one after the other.
///
/// # Errors
/// All failures.
pub(super) async fn delete(client: &ApiClient, kind: Kind, names: &[String]) -> Result<(), CliError> {
    let mut failed = Vec::new();
    for name in names {
        match client.send(&ApiRequest::delete(kind.path_of(name), kind.in_words(name))).await {
            Ok(_) => say(format_args!("{}/{} deleted", kind.word, printable(name))),
            Err(error @ CliError::Unreachable { .. }) => return Err(error),
            Err(error) => failed.push(error),
        }
    }
    CliError::all(failed)
}
