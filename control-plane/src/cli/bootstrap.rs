use clap::Args;

use super::{Configured, output::say};
use crate::{envoy::bootstrap, error::Error};

/// `slotway bootstrap`
#[derive(Debug, Args)]
pub(super) struct Bootstrap {
    #[command(flatten)]
    configured: Configured,
    /// The name of that Envoy, its own among all that join
    #[arg(long, value_name = "NAME", default_value = bootstrap::NODE_ID)]
    node: String,
}

impl Bootstrap {
    pub(super) fn run(&self) -> Result<(), Error> {
        let config = self.configured.load()?;
        say(format_args!("{:#}", bootstrap::bootstrap(&config, config.xds, &self.node)?));
        Ok(())
    }
}
