use std::path::PathBuf;

use clap::Args;
use slotway_api_types::{Deletion, ResourceKind};
use slotway_config::WaitDuration;

use super::{
    await_worker,
    client::{ApiClient, ApiRequest},
    completion,
    connection::Connection,
    kind::{self, Kind, ResourceArgument},
    manifest,
    output::{printable, say},
};
use crate::commands::CliError;

/// `slotway delete`
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Delete {
    #[arg(value_name = "KIND", help = kind::help(ResourceKind::is_deletable, ""), required_unless_present = "file", add = completion::kinds())]
    what: Option<ResourceArgument>,
    /// Their names
    #[arg(value_name = "NAME", add = completion::names())]
    names: Vec<String>,
    /// The resources of these files, of the kinds that can be deleted
    #[arg(short, long = "file", value_name = "FILE|DIRECTORY|-", conflicts_with = "what")]
    file: Vec<PathBuf>,
    /// Change nothing, and print what would be deleted
    #[arg(long)]
    dry_run: bool,
    /// Ignore resources that do not exist
    #[arg(long)]
    ignore_not_found: bool,
    /// Wait until the requests of a worker have ended and it is deleted
    #[arg(long)]
    wait: bool,
    /// With --wait: the longest time to wait
    #[arg(long, value_name = "DURATION", default_value = "10m")]
    timeout: WaitDuration,
    #[command(flatten)]
    connection: Connection,
}

const EXAMPLES: &str = "\
Examples:
  slotway delete worker http://127.0.0.1:9003          no further requests; running ones end normally
  slotway delete worker http://127.0.0.1:9003 --wait   and wait until they have ended
  slotway delete -f workers.yaml                       workers first, then pools
  slotway get workers -l rack=7 -o name | xargs -n1 slotway delete";

impl Delete {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let targets = self.targets()?;
        let client = self.connection.client()?;
        let mut failed = Vec::new();
        for (kind, name) in targets {
            match self.delete(&client, kind, &name).await {
                Err(CliError::Rejected(rejected)) if rejected.status == 404 && self.ignore_not_found => {}
                // The next request would fail, too.
                Err(error @ CliError::Unreachable { .. }) => return Err(error),
                Err(error) => failed.push(error),
                Ok(()) => {}
            }
        }
        CliError::all(failed)
    }

    fn targets(&self) -> Result<Vec<(Kind, String)>, CliError> {
        let Some(named) = &self.what else {
            let mut items = manifest::read(&self.file)?;
            items.retain(|item| item.kind.is_deletable());
            // A pool with workers cannot be deleted.
            items.sort_by_key(|item| item.kind);
            return Ok(items.into_iter().map(|item| (item.kind, item.name)).collect());
        };
        if let Deletion::Impossible { reason } = named.kind.deletion {
            return Err(CliError::Usage(format!("{} cannot be deleted: {reason}", named.kind.titles)));
        }
        let names = named.names(&self.names);
        if names.is_empty() {
            return Err(CliError::Usage(format!("the name of the {} is missing", named.kind.title)));
        }
        Ok(names.into_iter().map(|name| (named.kind, name)).collect())
    }

    async fn delete(&self, client: &ApiClient, kind: Kind, name: &str) -> Result<(), CliError> {
        let query = if self.dry_run { "?dry_run=true" } else { "" };
        let ask = ApiRequest::delete(format!("{}{query}", kind.path_of(name)), kind.in_words(name));
        let answer = client.send(&ask).await?;
        let id = printable(&format!("{}/{name}", kind.word));
        let draining = answer.status == 202;
        match (self.dry_run, draining) {
            (true, _) => say(format_args!("{id} would be deleted")),
            (false, false) => say(format_args!("{id} deleted")),
            (false, true) => say(format_args!("{id} draining")),
        }
        if draining && self.wait && !self.dry_run {
            await_worker::until(client, name, self.timeout, "is not deleted", |resource| resource.is_none())
                .await?;
            say(format_args!("{id} deleted"));
        }
        Ok(())
    }
}
