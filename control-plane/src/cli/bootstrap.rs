use clap::Args;

use super::{Configured, output::say};
use crate::{cli::CliError, envoy::bootstrap, groups::DEFAULT_GROUP};

/// `slotway bootstrap`
#[derive(Debug, Args)]
pub(super) struct Bootstrap {
    #[command(flatten)]
    configured: Configured,
    /// The node id of that Envoy, unique among all Envoys
    #[arg(long, value_name = "NAME", default_value = bootstrap::NODE_ID)]
    node: String,
    /// The group of that Envoy, whose pools it receives. If the group has a token, the bootstrap contains it
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
