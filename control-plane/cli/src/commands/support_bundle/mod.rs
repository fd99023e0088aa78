//! `slotway support-bundle`: diagnostics for support in one file, without secrets.

mod archive;
mod facts;
mod gather;
mod secrets;

use std::path::PathBuf;

use clap::Args;

use self::{archive::Archive, secrets::Secrets};
use super::{
    connection::{Connection, also_by_file},
    output::say,
};
use crate::commands::CliError;
use crate::config::{Config, load};

/// `slotway support-bundle`
#[derive(Debug, Args)]
#[command(mut_arg("config", also_by_file), after_help = EXAMPLES)]
pub(super) struct SupportBundle {
    #[command(flatten)]
    connection: Connection,
    /// The file to write [default: slotway-support-TIME.tar.gz]
    #[arg(short, long, value_name = "FILE.tar.gz")]
    output: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  slotway support-bundle                      # the control plane on this machine
  slotway support-bundle -f slotway.yaml -o /tmp/bundle.tar.gz";

impl SupportBundle {
    pub(super) async fn run(self) -> Result<(), CliError> {
        // A configuration file with an error is a common reason for a bundle: note the error, and collect the rest.
        let file = self.connection.file();
        let (mut config, wrong) = match file.map(load).transpose() {
            Ok(config) => (config.unwrap_or_default(), None),
            Err(error) => (Config::default(), Some(error.to_string())),
        };
        if let Some(state) = self.connection.state() {
            state.clone_into(&mut config.state);
        }
        let output = self.output.clone().unwrap_or_else(|| PathBuf::from(default_name()));
        let mut archive = Archive::create(&output, Secrets::of(&config))?;
        if let Some(wrong) = wrong {
            archive.missing("configuration", &wrong);
        }
        gather::all(&mut archive, &config, self.connection.client(), file).await?;
        let (files, bytes) = archive.finish()?;
        say(format_args!("{}: {files} files, {bytes} bytes", output.display()));
        say(
            "The bundle has no secrets, but names and addresses of workers and authors of changes. Review it before you share it.",
        );
        Ok(())
    }
}

fn default_name() -> String {
    let now = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
    format!("slotway-support-{now}.tar.gz")
}
