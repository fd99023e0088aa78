use clap::Args;

use super::{Configured, output::say};
use crate::{cli::CliError, envoy::bootstrap, groups::DEFAULT_GROUP};

/// `slotway bootstrap`
#[derive(Debug, Args)]
pub(super) struct Bootstrap {
    #[command(flatten)]
    configured: Configured,
    /// The name of that Envoy, its own among all that join
    #[arg(long, value_name = "NAME", default_value = bootstrap::NODE_ID)]
    node: String,
    /// The group of that Envoy: it gets the pools of its group. The bootstrap holds the group's token, if there is one
    #[arg(long, value_name = "NAME", default_value = DEFAULT_GROUP)]
    group: String,
}

impl Bootstrap {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let config = self.configured.load()?;
        say(format_args!("{:#}", bootstrap::bootstrap(&config, config.xds, &self.node, &self.group)?));
        Ok(())
    }
}
