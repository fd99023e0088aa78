//! What `slotway user` and `slotway token` have in common.

use axum::http::Method;
use clap::Args;

use super::{
    client::{Ask, Client},
    connection::{Connection, also_by_file},
    get,
    kind::Kind,
    output::{Format, printable, say, say_text},
};
use crate::error::Error;

/// A list of them.
#[derive(Debug, Args)]
#[command(mut_arg("config", also_by_file))]
pub(super) struct Listed {
    /// How to show them
    #[arg(short, long, value_enum, default_value_t)]
    pub(super) output: Format,
    #[command(flatten)]
    connection: Connection,
}

impl Listed {
    pub(super) async fn run(self, kind: Kind) -> Result<(), Error> {
        let list = self.connection.client()?.list(kind, &[]).await?;
        say_text(&get::render(kind, &list.items, Some(&list.version), self.output)?);
        Ok(())
    }
}

/// Deletes them one after the other.
///
/// # Errors
/// All that go wrong.
pub(super) async fn delete(client: &Client, kind: Kind, names: &[String]) -> Result<(), Error> {
    let mut failed = Vec::new();
    for name in names {
        match client.send(&Ask::new(Method::DELETE, kind.path_of(name), kind.in_words(name))).await {
            Ok(_) => say(format_args!("{}/{} deleted", kind.singular(), printable(name))),
            Err(error @ Error::Unreachable { .. }) => return Err(error),
            Err(error) => failed.push(error),
        }
    }
    Error::all(failed)
}
