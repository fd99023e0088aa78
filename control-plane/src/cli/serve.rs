use std::path::PathBuf;

use clap::Args;

use super::{Configured, asked_to_end, output::say};
use crate::{
    control_plane::{ControlPlane, Ports},
    envoy::find,
    error::Error,
};

/// `slotway serve`
#[derive(Debug, Args)]
pub(super) struct Serve {
    #[command(flatten)]
    configured: Configured,
    /// The filter's code, at the same path on the machines of all Envoys
    #[arg(long, env = "SLOTWAY_FILTER", value_name = "WASM")]
    filter: Option<PathBuf>,
}

impl Serve {
    pub(super) async fn run(self) -> Result<(), Error> {
        let config = self.configured.load()?;
        let filter = find::filter(self.filter.as_deref())?;
        let ports = Ports::take(&config)?;
        let mut control_plane = ControlPlane::start(&config, filter, ports).await?;
        say(format_args!(
            "slotway: serving REST on http://{} and xDS on {}",
            control_plane.api, control_plane.xds
        ));
        let file = self.configured.file.display();
        say(format_args!("slotway: `slotway bootstrap -f {file}` prints what an Envoy needs to join"));
        tokio::select! {
            error = control_plane.failed() => Err(error),
            asked = asked_to_end() => asked,
        }
    }
}
