use std::path::PathBuf;

use clap::Args;

use super::{Configured, find, open_files, output::say, running::Running};
use crate::commands::CliError;
use crate::control_plane::{ControlPlane, Ports};
use slotway_runtime::Phase;
use slotway_runtime::telemetry;

/// `slotway serve`
#[derive(Debug, Args)]
pub(super) struct Serve {
    #[command(flatten)]
    configured: Configured,
    /// The filter's WASM module, at the same path on the machines of all Envoys
    #[arg(long, env = "SLOTWAY_FILTER", value_name = "WASM")]
    filter: Option<PathBuf>,
}

impl Serve {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let config = self.configured.load()?;
        let telemetry = telemetry::start(&config.log);
        open_files::raise();
        let filter = find::filter(self.filter.as_deref())?;
        let ports = Ports::take(&config)?;
        let mut running = Running::new(&self.configured, &config, filter.clone(), telemetry)?;
        let started = running.start(ControlPlane::start(&config, filter, ports)).await?;
        let Some(mut control_plane) = started else { return Ok(()) };
        say(format_args!(
            "slotway: serving REST on {}://{} and xDS on {}",
            config.api_scheme(),
            control_plane.api,
            control_plane.xds
        ));
        let file = self.configured.file.display();
        say(format_args!("slotway: `slotway bootstrap -f {file}` prints what an Envoy needs to join"));
        let reloadable = control_plane.reloadable.clone();
        tokio::select! {
            error = control_plane.failed() => {
                running.stopping();
                return Err(error);
            }
            () = running.serve(&reloadable) => {}
        }
        let shutdown = running.shutdown();
        let end = async {
            control_plane.stopping.advance(Phase::Leaving);
            tokio::time::sleep(shutdown.delay.as_duration()).await;
            control_plane.finish(shutdown.within.as_duration()).await;
        };
        running.end(end).await;
        Ok(())
    }
}
