//! Supervision of an Envoy: keeps it running, and reports when it is ready.

use std::{
    convert::Infallible,
    ffi::OsString,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use tokio::net::TcpStream;

use serde_json::Value;
use slotway_runtime::{
    RuntimeError, ShutdownSettings,
    file::{self, IfExists},
};
use slotway_xds::{Nodes, SubscriptionState};

use super::{
    bootstrap::NODE_ID,
    drain::{DrainOutcome, drain},
    process::{ChildProcess, ChildProgram},
    reachable,
};
use crate::CoordinatorsError;

/// An Envoy that ends earlier than this has failed to start.
const START_WITHIN: Duration = Duration::from_secs(10);
/// Number of failed starts in a row after which there is no further one.
const FAILED_STARTS_MAX: u32 = 3;
/// Wait before the first restart; it doubles with each further one.
const BACK_OFF: Duration = Duration::from_millis(250);
/// Time limit for Envoy to become ready.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// Longest time that a rejected configuration may last until Envoy counts as not becoming ready.
const REJECTED_FOR: Duration = Duration::from_secs(3);
/// Envoy's log, in the state directory.
const LOG: &str = "envoy.log";
const POLL_EVERY: Duration = Duration::from_millis(50);

/// The settings of a supervised Envoy.
#[derive(Debug, Clone)]
pub struct SupervisedEnvoy<'a> {
    /// The executable.
    pub path: PathBuf,
    /// Its bootstrap.
    pub bootstrap: &'a Value,
    /// Its number of worker threads.
    pub concurrency: u32,
    /// The address of its admin port.
    pub admin: SocketAddr,
    /// The directory for its bootstrap and its log.
    pub state: &'a Path,
}

/// A supervised Envoy. Dropping it kills Envoy.
pub struct Supervisor {
    program: ChildProgram,
    process: ChildProcess,
    started: Instant,
    failed_starts: u32,
    admin: SocketAddr,
}

impl Supervisor {
    /// Writes the bootstrap and starts Envoy (see [`ChildProgram::start`] for the thread).
    ///
    /// # Errors
    /// [`RuntimeError::File`], [`CoordinatorsError::Child`].
    pub fn start(envoy: SupervisedEnvoy<'_>) -> Result<Self, CoordinatorsError> {
        let SupervisedEnvoy { path, bootstrap, concurrency, admin, state } = envoy;
        let path_of_bootstrap = state.join("envoy.json");
        // With mode 600: it may contain a token.
        let written =
            file::write(&path_of_bootstrap, format!("{bootstrap:#}\n").as_bytes(), IfExists::Replace);
        written.map_err(|error| RuntimeError::file(&path_of_bootstrap, error))?;
        let mut arguments: Vec<OsString> = vec!["--config-path".into(), path_of_bootstrap.into()];
        arguments.extend(["--concurrency".into(), concurrency.to_string().into()]);
        // Without it, two Envoys on one machine use the same shared memory.
        arguments.push("--disable-hot-restart".into());
        // While Envoy drains, each answer ends its connection; the other strategy begins with few of them.
        arguments.extend(["--drain-strategy".into(), "immediate".into()]);
        let program = ChildProgram { name: "Envoy".to_owned(), path, arguments, log: state.join(LOG) };
        let process = program.start()?;
        Ok(Self { program, process, started: Instant::now(), failed_starts: 0, admin })
    }

    /// Restarts Envoy whenever it ends.
    ///
    /// # Errors
    /// [`CoordinatorsError::Child`] once it has failed to start three times in a row.
    pub async fn keep_running(&mut self) -> Result<Infallible, CoordinatorsError> {
        loop {
            let status = self.process.ended().await?;
            let died = self.process.died(status);
            self.failed_starts =
                if self.started.elapsed() < START_WITHIN { self.failed_starts + 1 } else { 1 };
            if self.failed_starts >= FAILED_STARTS_MAX {
                return Err(died);
            }
            let wait = BACK_OFF * 2_u32.pow(self.failed_starts - 1);
            tracing::warn!(restart_in_ms = wait.as_millis(), "{died}");
            tokio::time::sleep(wait).await;
            self.process = self.program.start()?;
            self.started = Instant::now();
        }
    }

    /// Drains Envoy according to `shutdown`, then stops it.
    pub async fn stop(mut self, shutdown: ShutdownSettings) {
        if !matches!(self.process.exit_status(), Ok(None)) {
            return;
        }
        let (delay, within) = (shutdown.delay.as_duration(), shutdown.within.as_duration());
        match drain(self.admin, delay, within).await {
            DrainOutcome::Complete => {}
            DrainOutcome::Incomplete(left) => tracing::warn!(
                "{left} requests are cut off: they have not ended within {} s (`shutdown.within`)",
                within.as_secs_f64()
            ),
            DrainOutcome::Unknown => {
                tracing::warn!(
                    "Envoy's admin port does not answer, so requests under way are not waited for"
                );
            }
        }
        self.process.stop().await;
    }
}

/// Waits until the supervised Envoy has acknowledged its whole configuration and accepts connections on `listen`. `state` is the
/// directory of its log.
///
/// # Errors
/// [`CoordinatorsError::NotReady`].
pub async fn ready(listen: SocketAddr, nodes: &Nodes, state: &Path) -> Result<(), CoordinatorsError> {
    let started = Instant::now();
    let mut rejected_since = None;
    loop {
        let missing = match missing(nodes) {
            None if TcpStream::connect(reachable(listen)).await.is_ok() => return Ok(()),
            None => Missing::Pending(format!("it does not answer on {listen}")),
            Some(missing) => missing,
        };
        let since = match &missing {
            Missing::Rejected(_) => *rejected_since.get_or_insert_with(Instant::now),
            Missing::Pending(_) => {
                rejected_since = None;
                Instant::now()
            }
        };
        if since.elapsed() >= REJECTED_FOR || started.elapsed() >= READY_WITHIN {
            let (Missing::Rejected(reason) | Missing::Pending(reason)) = missing;
            let log = state.join(LOG);
            return Err(CoordinatorsError::NotReady { waited_s: started.elapsed().as_secs(), reason, log });
        }
        tokio::time::sleep(POLL_EVERY).await;
    }
}

/// The part of its configuration that Envoy lacks.
enum Missing {
    Pending(String),
    Rejected(String),
}

fn missing(nodes: &Nodes) -> Option<Missing> {
    let Some(status) = nodes.get(NODE_ID) else {
        return Some(Missing::Pending("it has not asked for its configuration".to_owned()));
    };
    let short = |url: &str| url.rsplit('.').next().unwrap_or_default().to_owned();
    if let Some((url, status)) =
        status.types.iter().find(|(_, status)| status.state == SubscriptionState::Rejected)
    {
        let reason = status.last_nack.as_ref().map_or("it does not say why", |last| last.reason.as_str());
        return Some(Missing::Rejected(format!("it refused its {}: {reason}", short(url))));
    }
    if status.generation.is_none() {
        return Some(Missing::Pending("it has not acknowledged the filter's configuration".to_owned()));
    }
    let stale = status.types.iter().find(|(_, status)| status.state != SubscriptionState::Synced);
    stale.map(|(url, _)| Missing::Pending(format!("it has not acknowledged its {}", short(url))))
}
