use clap::{Args, Subcommand};
use serde_json::json;

use super::{
    client::ApiRequest,
    completion,
    connection::{Connection, also_by_file},
    cordon::worker,
    kind::Kind,
    output::{printable, say},
};
use crate::commands::CliError;

/// `slotway set`
#[derive(Debug, Subcommand)]
pub(super) enum Set {
    /// Set how many requests a worker may have at once
    Capacity(Capacity),
}

const EXAMPLES: &str = "\
Examples:
  slotway set capacity http://127.0.0.1:9001 5             running requests are not cut off
  slotway set capacity http://127.0.0.1:9001 5 --if-version 42";

/// `slotway set capacity`
#[derive(Debug, Args)]
#[command(mut_arg("config", also_by_file), after_help = EXAMPLES)]
pub(super) struct Capacity {
    /// The worker's base URL
    #[arg(value_name = "WORKER", value_parser = worker, add = completion::workers())]
    worker: String,
    /// The number of requests that it may have at once
    #[arg(value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=65_535))]
    capacity: u32,
    /// Change nothing, and print what would be done
    #[arg(long)]
    dry_run: bool,
    /// Fail unless the worker has this `resourceVersion`
    #[arg(long, value_name = "VERSION")]
    if_version: Option<u64>,
    #[command(flatten)]
    connection: Connection,
}

impl Set {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let Self::Capacity(arguments) = self;
        let client = arguments.connection.client()?;
        let query = if arguments.dry_run { "?dry_run=true" } else { "" };
        let mut patch = json!({ "spec": { "capacity": arguments.capacity } });
        if let (Some(version), Some(fields)) = (arguments.if_version, patch.as_object_mut()) {
            fields.insert("metadata".to_owned(), json!({ "resourceVersion": version.to_string() }));
        }
        let path = format!("{}{query}", Kind::WORKER.path_of(&arguments.worker));
        client.send(&ApiRequest::patch(path, Kind::WORKER.in_words(&arguments.worker), patch)).await?;
        let would = if arguments.dry_run { "would have" } else { "has" };
        say(format_args!("worker/{} {would} capacity {}", printable(&arguments.worker), arguments.capacity));
        Ok(())
    }
}
