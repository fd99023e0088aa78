use std::{
    ffi::OsString,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use tokio::time::{Instant, sleep};

use super::{Configured, bootstrap, find, output::say, running::Running};
use crate::commands::CliError;
use crate::config::Config;
use crate::control_plane::{ControlPlane, Ports, listen};
use slotway_coordinators::envoy::{
    bootstrap::NODE_ID,
    local_worker,
    process::{ChildProcess, ChildProgram},
    reachable,
    supervise::{SupervisedEnvoy, Supervisor, ready},
};
use slotway_pools::DEFAULT_GROUP;
use slotway_runtime::telemetry;
use slotway_runtime::{Phase, ShutdownSettings};

/// The shortest time that the control plane has for its own shutdown, however long Envoy took.
const FINISH_AT_LEAST: Duration = Duration::from_secs(1);
/// The longest time until a demo worker answers.
const WORKER_WITHIN: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// The interval at which the demo workers are checked.
const WORKERS_EVERY: Duration = Duration::from_secs(1);
/// The duration of a request of the demo: long enough to see requests wait.
const DEMO_DELAY: &str = "50ms";

/// `slotway up`
#[derive(Debug, Args)]
pub(super) struct Up {
    #[command(flatten)]
    configured: Configured,
    /// The Envoy binary
    #[arg(long, env = "ENVOY", value_name = "PATH")]
    envoy: Option<PathBuf>,
    /// The filter's WASM module
    #[arg(long, env = "SLOTWAY_FILTER", value_name = "WASM")]
    filter: Option<PathBuf>,
    /// Also run a reference worker for each configured worker on this machine
    #[arg(long)]
    demo_workers: bool,
}

/// The started parts, which have to be stopped.
#[derive(Default)]
struct Started {
    control_plane: Option<ControlPlane>,
    workers: Vec<ChildProcess>,
    envoy: Option<Supervisor>,
}

impl Up {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let config = self.configured.load()?;
        let telemetry = telemetry::start(&config.log);
        // Everything is checked before anything starts.
        let filter = find::filter(self.filter.as_deref())?;
        let mut running = Running::new(&self.configured, &config, filter.clone(), telemetry)?;
        let mut started = Started::default();
        let outcome = match running.start(self.start(&config, filter, &mut started)).await {
            Ok(Some(())) => started.watch(&mut running).await,
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        running.stopping();
        let shutdown = running.shutdown();
        running.end(started.stop(shutdown)).await;
        outcome
    }

    async fn start(&self, config: &Config, filter: PathBuf, started: &mut Started) -> Result<(), CliError> {
        let envoy = find::envoy(self.envoy.as_deref().or(config.envoy.path.as_deref()))?;
        let worker = if self.demo_workers { Some(find::worker()?) } else { None };
        let ports = Ports::take(config)?;
        drop(listen("listen", config.listen)?);
        drop(listen("envoy.admin", config.envoy.admin)?);
        let demo = worker.map(|program| demo_workers(config, &program)).unwrap_or_default();
        for (address, program) in &demo {
            drop(listen(&format!("pools.workers ({})", program.name), *address)?);
        }

        let state = config.state_absolute().map_err(|error| CliError::file(&config.state, error))?;
        say(format_args!(
            "slotway: starting the control plane (REST on {}, xDS on {})",
            config.api, config.xds
        ));
        let control_plane = started.control_plane.insert(ControlPlane::start(config, filter, ports).await?);
        for (address, program) in &demo {
            say(format_args!("slotway: starting reference worker {} on {address}", program.name));
            started.workers.push(program.start()?);
        }
        for ((address, _), process) in demo.iter().zip(&mut started.workers) {
            answers(*address, process).await?;
        }
        say(format_args!(
            "slotway: starting Envoy ({}, {} threads)",
            envoy.display(),
            config.envoy.concurrency
        ));
        let supervised = SupervisedEnvoy {
            path: envoy,
            bootstrap: &bootstrap::of_config(config, control_plane.xds, NODE_ID, DEFAULT_GROUP)?,
            concurrency: config.envoy.concurrency,
            admin: config.envoy.admin,
            state: &state,
        };
        let supervisor = started.envoy.insert(Supervisor::start(supervised)?);
        let coordinators = control_plane.coordinators.clone();
        tokio::select! {
            ready = ready(config.listen, coordinators.nodes(), &config.state) => ready?,
            error = control_plane.failed() => return Err(error),
            ended = supervisor.keep_running() => ended.map(|never| match never {})?,
        }
        print_ready(config, !demo.is_empty());
        Ok(())
    }
}

impl Started {
    /// Keeps the started parts running until a signal asks the process to end.
    async fn watch(&mut self, running: &mut Running<'_>) -> Result<(), CliError> {
        let (Some(control_plane), Some(envoy)) = (&mut self.control_plane, &mut self.envoy) else {
            return Ok(());
        };
        let reloadable = control_plane.reloadable.clone();
        tokio::select! {
            () = running.serve(&reloadable) => Ok(()),
            error = control_plane.failed() => Err(error),
            ended = envoy.keep_running() => Ok(ended.map(|never| match never {})?),
            outcome = watch_workers(&mut self.workers) => outcome,
        }
    }

    /// Stops Envoy first: then requests still find their workers, and waiting ones still get slots.
    async fn stop(self, shutdown: ShutdownSettings) {
        if let Some(control_plane) = &self.control_plane {
            control_plane.stopping.advance(Phase::Leaving);
        }
        let began = Instant::now();
        if let Some(envoy) = self.envoy {
            envoy.stop(shutdown).await;
        }
        for worker in self.workers {
            worker.stop().await;
        }
        if let Some(control_plane) = self.control_plane {
            let whole = shutdown.delay.as_duration() + shutdown.within.as_duration();
            control_plane.finish(whole.saturating_sub(began.elapsed()).max(FINISH_AT_LEAST)).await;
        }
    }
}

/// Returns a reference worker for each configured worker on this machine: its address and its program.
fn demo_workers(config: &Config, program: &Path) -> Vec<(SocketAddr, ChildProgram)> {
    let workers = config.pools.iter().flat_map(|pool| &pool.workers);
    let here = workers.filter_map(|worker| Some((local_worker(&worker.worker)?, worker.capacity)));
    let run = |(number, (address, capacity)): (usize, (SocketAddr, slotway_config::Capacity))| {
        let name = format!("W{}", number + 1);
        let mut arguments: Vec<OsString> = Vec::new();
        for (flag, value) in [
            ("--name", name.clone()),
            ("--listen", address.to_string()),
            ("--pipeline-pool-max-size", capacity.to_string()),
            ("--delay", DEMO_DELAY.to_owned()),
        ] {
            arguments.extend([flag.into(), value.into()]);
        }
        arguments.push("--exit-on-stdin-eof".into());
        let log = config.state.join(format!("worker-{name}.log"));
        (address, ChildProgram { name, path: program.to_owned(), arguments, log })
    };
    here.enumerate().map(run).collect()
}

/// Waits until a worker accepts connections.
async fn answers(address: SocketAddr, process: &mut ChildProcess) -> Result<(), CliError> {
    let started = Instant::now();
    while tokio::net::TcpStream::connect(address).await.is_err() {
        if let Some(status) = process.exit_status()? {
            return Err(process.died(status).into());
        }
        if started.elapsed() >= WORKER_WITHIN {
            let how = format!("does not answer on {address} within {} s", WORKER_WITHIN.as_secs());
            return Err(process.failed(how).into());
        }
        sleep(LOOK_EVERY).await;
    }
    Ok(())
}

/// Logs the end of demo workers. Slotway goes on without them.
async fn watch_workers(workers: &mut [ChildProcess]) -> Result<(), CliError> {
    let mut told = vec![false; workers.len()];
    loop {
        sleep(WORKERS_EVERY).await;
        for (worker, told) in workers.iter_mut().zip(&mut told).filter(|(_, told)| !**told) {
            if let Some(status) = worker.exit_status()? {
                tracing::warn!(error = %worker.died(status), "reference worker ended");
                *told = true;
            }
        }
    }
}

fn print_ready(config: &Config, demo: bool) {
    let (listen, api, scheme) = (reachable(config.listen), reachable(config.api), config.api_scheme());
    say("slotway: ready");
    say(format_args!("  clients  http://{listen}"));
    say(format_args!("  REST     {scheme}://{api}/coordinator/workers"));
    say(format_args!("  Envoy    http://{}/stats", reachable(config.envoy.admin)));
    say(format_args!("  state    {} (database, admin token, logs)", config.state.display()));
    let authorization = format!("\"authorization: Bearer $(cat {})\"", config.token_path().display());
    let json = "-H 'content-type: application/json'";
    let list = r#"'[{"worker": "http://HOST:PORT", "capacity": 2}]'"#;
    say(format_args!(
        "  add      curl -H {authorization} {json} -d {list} {scheme}://{api}/coordinator/workers"
    ));
    if demo {
        say(format_args!(
            "  try      curl -d 'Hello London!' -H 'content-type: text/plain' http://{listen}/extract"
        ));
    } else {
        say(format_args!("  try      curl -i http://{listen}/"));
    }
    say("  stop     Ctrl-C");
}
