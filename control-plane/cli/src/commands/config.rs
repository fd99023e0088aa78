use std::path::PathBuf;

use clap::Subcommand;

use super::output::say;
use crate::commands::CliError;
use crate::config::load;

/// `slotway config`
#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Check a configuration file, and print the location of the first error
    Validate {
        /// The configuration file
        file: PathBuf,
    },
}

impl ConfigCommand {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let Self::Validate { file } = self;
        let config = load(file)?;
        for warning in config.warnings() {
            eprintln!("slotway: warning: {}: {warning}", file.display());
        }
        let workers: Vec<_> = config.pools.iter().flat_map(|pool| &pool.workers).collect();
        let slots: u64 = workers.iter().map(|worker| u64::from(worker.capacity.get())).sum();
        let (pools, workers) = (config.pools.len(), workers.len());
        say(format_args!("{}: right; pools: {pools}, workers: {workers}, slots: {slots}", file.display()));
        Ok(())
    }
}
