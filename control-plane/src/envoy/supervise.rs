//! Keeps Envoy running, and knows when it is ready.

use std::{
    convert::Infallible,
    ffi::OsString,
    io::Write,
    net::SocketAddr,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use tokio::net::TcpStream;

use super::{
    bootstrap::{NODE_ID, bootstrap, reachable},
    drain::{Drained, drain},
    process::{Process, Program},
};
use crate::{
    config::Config,
    control_plane::ControlPlane,
    error::Error,
    groups::DEFAULT_GROUP,
    lifecycle::ShutdownSettings,
    xds::{Coordinators, SyncState},
};

/// An Envoy that lived for less than this has failed to start.
const QUICK: Duration = Duration::from_secs(10);
/// So many failures to start, one after the other, are the end.
const QUICK_DEATHS_MAX: u32 = 3;
/// How long to wait before the first restart; doubled for each further one.
const BACK_OFF: Duration = Duration::from_millis(250);
/// How long Envoy has to become ready.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// How long a refused configuration may stand before Envoy counts as not getting ready.
const REJECTED_FOR: Duration = Duration::from_secs(3);
/// Envoy's log, in the state directory.
const LOG: &str = "envoy.log";
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A supervised Envoy. Dropping it kills Envoy.
pub struct Supervisor {
    program: Program,
    process: Process,
    started: Instant,
    quick_deaths: u32,
    admin: SocketAddr,
}

impl Supervisor {
    /// Writes the bootstrap and starts Envoy (see [`Program::start`] for the thread).
    ///
    /// # Errors
    /// [`Error::File`], [`Error::Child`].
    pub fn start(
        envoy: PathBuf,
        config: &Config,
        control_plane: &ControlPlane,
        state: &Path,
    ) -> Result<Self, Error> {
        let file = state.join("envoy.json");
        let text = format!("{:#}\n", bootstrap(config, control_plane.xds, NODE_ID, DEFAULT_GROUP)?);
        write_secret(&file, &text).map_err(|error| Error::file(&file, error))?;
        let mut arguments: Vec<OsString> = vec!["--config-path".into(), file.into()];
        arguments.extend(["--concurrency".into(), config.envoy.concurrency.to_string().into()]);
        // Without it two Envoys on one machine meet in one piece of shared memory.
        arguments.push("--disable-hot-restart".into());
        // Once it drains, each answer ends its connection; the other strategy would begin with few of them.
        arguments.extend(["--drain-strategy".into(), "immediate".into()]);
        let log = state.join(LOG);
        let program = Program { name: "Envoy".to_owned(), path: envoy, arguments, log };
        let process = program.start()?;
        Ok(Self { program, process, started: Instant::now(), quick_deaths: 0, admin: config.envoy.admin })
    }

    /// Restarts Envoy whenever it ends. Comes back only when that is no use.
    ///
    /// # Errors
    /// [`Error::Child`] once it has failed to start three times in a row.
    pub async fn keep_running(&mut self) -> Result<Infallible, Error> {
        loop {
            let status = self.process.ended().await?;
            let died = self.process.died(status);
            self.quick_deaths = if self.started.elapsed() < QUICK { self.quick_deaths + 1 } else { 1 };
            if self.quick_deaths >= QUICK_DEATHS_MAX {
                return Err(died);
            }
            let wait = BACK_OFF * 2_u32.pow(self.quick_deaths - 1);
            tracing::warn!("{died}\nit is started again in {} ms", wait.as_millis());
            tokio::time::sleep(wait).await;
            self.process = self.program.start()?;
            self.started = Instant::now();
        }
    }

    /// Stops Envoy once its requests have ended, which have as long as `shutdown` says.
    pub async fn stop(mut self, shutdown: ShutdownSettings) {
        if !matches!(self.process.has_ended(), Ok(None)) {
            return;
        }
        let (delay, within) = (shutdown.delay.as_duration(), shutdown.within.as_duration());
        match drain(self.admin, delay, within).await {
            Drained::Yes => {}
            Drained::No(left) => tracing::warn!(
                "{left} requests are cut off: they have not ended within {} s (`shutdown.within`)",
                within.as_secs_f64()
            ),
            Drained::Unknown => {
                tracing::warn!(
                    "Envoy's admin port does not answer, so requests under way are not waited for"
                );
            }
        }
        self.process.stop().await;
    }
}

/// Writes a file that its owner alone can read: a token may be in it.
fn write_secret(file: &Path, text: &str) -> std::io::Result<()> {
    let mut options = std::fs::File::options();
    let mut open = options.create(true).truncate(true).write(true).mode(0o600).open(file)?;
    open.set_permissions(std::fs::Permissions::from_mode(0o600))?;
    open.write_all(text.as_bytes())
}

/// Waits until Envoy has acknowledged its whole configuration and answers on its port.
///
/// # Errors
/// [`Error::NotReady`].
pub async fn ready(config: &Config, coordinators: &Coordinators) -> Result<(), Error> {
    let started = Instant::now();
    let mut rejected_since = None;
    loop {
        let missing = match missing(coordinators) {
            None if TcpStream::connect(reachable(config.listen)).await.is_ok() => return Ok(()),
            None => Missing::Pending(format!("it does not answer on {}", config.listen)),
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
            let log = config.state.join(LOG);
            return Err(Error::NotReady { waited_s: started.elapsed().as_secs(), reason, log });
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// What Envoy still lacks.
enum Missing {
    Pending(String),
    Rejected(String),
}

fn missing(coordinators: &Coordinators) -> Option<Missing> {
    let Some(status) = coordinators.get(NODE_ID) else {
        return Some(Missing::Pending("it has not asked for its configuration".to_owned()));
    };
    let short = |url: &str| url.rsplit('.').next().unwrap_or_default().to_owned();
    if let Some((url, status)) = status.types.iter().find(|(_, status)| status.state == SyncState::Rejected) {
        let reason =
            status.last_rejection.as_ref().map_or("it does not say why", |last| last.reason.as_str());
        return Some(Missing::Rejected(format!("it refused its {}: {reason}", short(url))));
    }
    if status.generation.is_none() {
        return Some(Missing::Pending("it has not acknowledged the filter's configuration".to_owned()));
    }
    let stale = status.types.iter().find(|(_, status)| status.state != SyncState::Synced);
    stale.map(|(url, _)| Missing::Pending(format!("it has not acknowledged its {}", short(url))))
}
