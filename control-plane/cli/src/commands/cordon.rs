use clap::Args;
use serde_json::{Value, json};
use slotway_config::WaitDuration;

use super::{
    await_worker,
    client::{ApiClient, ApiRequest},
    completion,
    connection::{Connection, also_by_file},
    json_resource::JsonResource,
    kind::Kind,
    output::{printable, say},
};
use crate::commands::CliError;

/// `slotway cordon`
#[derive(Debug, Args)]
#[command(mut_arg("config", also_by_file), after_help = CORDON_EXAMPLES)]
pub(super) struct Cordon {
    #[command(flatten)]
    arguments: WorkerArguments,
    /// The reason, shown with the worker
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

/// `slotway uncordon`
#[derive(Debug, Args)]
#[command(mut_arg("config", also_by_file), after_help = UNCORDON_EXAMPLES)]
pub(super) struct Uncordon {
    #[command(flatten)]
    arguments: WorkerArguments,
    #[command(flatten)]
    connection: Connection,
}

/// `slotway drain`
#[derive(Debug, Args)]
#[command(mut_arg("config", also_by_file), after_help = DRAIN_EXAMPLES)]
pub(super) struct Drain {
    #[command(flatten)]
    arguments: WorkerArguments,
    /// The reason, shown with the worker
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Wait until the worker has no requests, and print their number meanwhile
    #[arg(long)]
    wait: bool,
    /// With --wait: the longest time to wait
    #[arg(long, value_name = "DURATION", default_value = "10m")]
    timeout: WaitDuration,
    #[command(flatten)]
    connection: Connection,
}

/// The workers of a command.
#[derive(Debug, Args)]
struct WorkerArguments {
    /// The worker's base URL
    #[arg(value_name = "WORKER", required = true, value_parser = worker, add = completion::workers())]
    workers: Vec<String>,
    /// Change nothing, and print what would be done
    #[arg(long)]
    dry_run: bool,
}

const CORDON_EXAMPLES: &str = "\
Examples:
  slotway cordon http://127.0.0.1:9001 --reason 'new model'   no further requests are sent to it
  slotway uncordon http://127.0.0.1:9001                      requests are sent again";

const UNCORDON_EXAMPLES: &str = "\
Examples:
  slotway uncordon http://127.0.0.1:9001";

const DRAIN_EXAMPLES: &str = "\
Examples:
  slotway drain http://127.0.0.1:9001 --wait --timeout 5m && systemctl restart ocr
  slotway uncordon http://127.0.0.1:9001     after the restart

If requests are left after the time limit, it exits with 8, and the worker stays cordoned.";

/// Parses a worker's base URL, with or without the prefix `worker/` of `-o name`.
pub(super) fn worker(text: &str) -> Result<String, String> {
    let name = text.strip_prefix("worker/").unwrap_or(text);
    if name.is_empty() { Err("expected the base URL of a worker".to_owned()) } else { Ok(name.to_owned()) }
}

impl Cordon {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let client = self.connection.client()?;
        self.arguments.each(&client, "cordon", self.reason.as_deref(), "cordoned").await
    }
}

impl Uncordon {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let client = self.connection.client()?;
        self.arguments.each(&client, "uncordon", None, "uncordoned").await
    }
}

impl Drain {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let client = self.connection.client()?;
        // All of them first, so that they drain at the same time.
        self.arguments.each(&client, "drain", self.reason.as_deref(), "draining").await?;
        if !self.wait || self.arguments.dry_run {
            return Ok(());
        }
        for name in &self.arguments.workers {
            let is_drained = |resource: Option<&JsonResource>| {
                resource.is_some_and(|resource| resource.text("status.state") == Some("drained"))
            };
            await_worker::until(&client, name, self.timeout, "is not drained", is_drained).await?;
            say(format_args!("worker/{} drained", printable(name)));
        }
        Ok(())
    }
}

impl WorkerArguments {
    async fn each(
        &self,
        client: &ApiClient,
        verb: &str,
        reason: Option<&str>,
        done: &str,
    ) -> Result<(), CliError> {
        let query = if self.dry_run { "?dry_run=true" } else { "" };
        let would = if self.dry_run { "would be " } else { "" };
        let mut failed = Vec::new();
        for name in &self.workers {
            let path = format!("{}/{verb}{query}", Kind::WORKER.path_of(name));
            let body = reason.map_or_else(|| json!({}), |reason| json!({ "reason": reason }));
            match client.send(&ApiRequest::post(path, Kind::WORKER.in_words(name)).json(body)).await {
                Ok(answer) => {
                    let state = answer.body.pointer("/status/state").and_then(Value::as_str);
                    // A worker without requests is drained at once.
                    let done = if verb == "drain" && state == Some("drained") { "drained" } else { done };
                    say(format_args!("worker/{} {would}{done}", printable(name)));
                }
                Err(error @ CliError::Unreachable { .. }) => return Err(error),
                Err(error) => failed.push(error),
            }
        }
        CliError::all(failed)
    }
}
