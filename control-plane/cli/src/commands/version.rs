use clap::Args;
use serde_json::{Value, json};

use super::{
    client::ApiRequest,
    connection::{Connection, also_by_file},
    output::{json, printable, say, say_text},
};
use crate::commands::CliError;

const EXAMPLES: &str = "\
Examples:
  slotway version             of this program and of the control plane
  slotway version --client    of this program
  slotway version --json";

/// `slotway version`
#[derive(Debug, Args)]
#[command(mut_arg("config", also_by_file), after_help = EXAMPLES)]
pub(super) struct Version {
    /// Do not contact the control plane
    #[arg(long)]
    client: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

impl Version {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let own = env!("CARGO_PKG_VERSION");
        // A control plane that does not answer is part of the output, not a failure.
        let server = if self.client { None } else { Some(self.server().await) };
        if self.json {
            let version = server.as_ref().and_then(|server| server.as_ref().ok());
            let error = server.as_ref().and_then(|server| server.as_ref().err()).map(ToString::to_string);
            say_text(&json(&json!({ "client": own, "server": version, "error": error }))?);
            return Ok(());
        }
        say(format_args!("slotway {own}"));
        match server {
            None => {}
            Some(Ok(version)) => say(format_args!("control plane {}", printable(&version))),
            Some(Err(error)) => say(format_args!("control plane: unknown ({error})")),
        }
        Ok(())
    }

    async fn server(&self) -> Result<String, CliError> {
        let client = self.connection.client()?;
        let ask = ApiRequest::get("/openapi.json", "version");
        let description = client.send(&ask).await?.body;
        let version = description.pointer("/info/version").and_then(Value::as_str);
        version.map(str::to_owned).ok_or_else(|| client.unexpected(&ask, "not an API description"))
    }
}
