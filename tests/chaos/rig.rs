//! The processes: `slotway serve` and an Envoy that it does not supervise, so that each can fail alone.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use rustix::process::Signal;
use tokio::sync::Mutex;

use crate::run::Run;
use slotway_test_site::{Api, Setup, Site, TestProcess, artefact};

/// Envoy's threads.
pub(crate) const LANES: u32 = 4;
/// The pool's `free_worker_timeout`.
pub(crate) const FREE_WORKER_TIMEOUT: Duration = Duration::from_secs(3);
/// The pool's `answer_timeout`.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(4);
/// Time within which the workers notice a closed connection.
const ABANDONED_HOLD: &str = "1s";
const MAX_WAITING: u32 = 60;
const UP_WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Output of the control plane when it serves.
const SERVES: &str = "slotway: serving";

/// The running processes.
pub(crate) struct Rig {
    control_plane: Mutex<Option<TestProcess>>,
    envoy: TestProcess,
    pub(crate) site: Site,
    /// Number of starts of the control plane.
    starts: AtomicU32,
    filter: PathBuf,
    /// Held while a change is sent, and during outages.
    pub(crate) changes: Mutex<()>,
}

impl Rig {
    /// Starts both, and waits until Envoy has every worker.
    pub(crate) async fn start(run: &Run, filter: PathBuf) -> Self {
        let setup = Setup::default()
            .lanes(LANES)
            .debug_headers()
            .pool("free_worker_timeout", format!("{}ms", FREE_WORKER_TIMEOUT.as_millis()))
            .pool("answer_timeout", format!("{}ms", ANSWER_TIMEOUT.as_millis()))
            .pool("abandoned_hold", ABANDONED_HOLD)
            .pool("max_waiting", MAX_WAITING);
        let setup = run.workers.iter().fold(setup, |setup, worker| {
            setup.worker(&worker.url(), worker.bound.wanted().map_or(1, |wanted| wanted.capacity))
        });
        let site = Site::new(&setup);
        let starts = AtomicU32::new(0);
        let control_plane = Mutex::new(Some(serve(&site, &filter, &starts).await));
        let arguments = ["--disable-hot-restart", "--concurrency", &LANES.to_string()].map(str::to_owned);
        let envoy = site.start_envoy("envoy", &arguments);
        let rig = Self { control_plane, envoy, site, starts, filter, changes: Mutex::default() };
        rig.api().shows_idle(UP_WITHIN).await;
        rig
    }

    pub(crate) fn api(&self) -> Api {
        self.site.api()
    }

    /// Kills the control plane with SIGKILL.
    pub(crate) async fn kill_control_plane(&self) {
        if let Some(mut process) = self.control_plane.lock().await.take() {
            process.signal(Signal::KILL);
            process.ended(UP_WITHIN).await;
        }
    }

    /// Starts the control plane, and waits until it serves.
    pub(crate) async fn start_control_plane(&self) {
        let process = serve(&self.site, &self.filter, &self.starts).await;
        *self.control_plane.lock().await = Some(process);
    }

    /// Starts the control plane, which must refuse to start. Returns its output, or an error if it did something else.
    pub(crate) async fn refused_control_plane(&self) -> Result<String, String> {
        let mut process = launch(&self.site, &self.filter, &self.starts);
        let began = Instant::now();
        loop {
            match process.has_ended() {
                Some(status) if !status.success() => return Ok(process.output()),
                Some(status) => return Err(format!("ended with {status}: {}", process.output())),
                None if process.output().contains(SERVES) => return Err("served".to_owned()),
                None if began.elapsed() > UP_WITHIN => return Err("neither served nor ended".to_owned()),
                None => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
    }

    /// Checks that Envoy still runs.
    pub(crate) fn check_envoy(&mut self, run: &Run) {
        if let Some(status) = self.envoy.has_ended() {
            run.violations.add(format!("Envoy ended: {status}"));
        }
    }

    /// Keeps the directory with the logs and the state.
    pub(crate) fn keep(&mut self) -> PathBuf {
        self.site.keep()
    }
}

async fn serve(site: &Site, filter: &Path, starts: &AtomicU32) -> TestProcess {
    let mut process = launch(site, filter, starts);
    process.says(SERVES, UP_WITHIN).await;
    process
}

/// Starts the control plane with a log file per start.
fn launch(site: &Site, filter: &Path, starts: &AtomicU32) -> TestProcess {
    let mut command = site.slotway("serve");
    command.env("SLOTWAY_FILTER", filter);
    let start = starts.fetch_add(1, Ordering::Relaxed) + 1;
    TestProcess::start(&format!("control-plane-{start}"), command, site.path())
}

/// Returns the test variant of the filter, which can crash on demand, and true; or the filter and false if the variant is not built.
pub(crate) fn filter() -> (PathBuf, bool) {
    let chaos =
        artefact("SLOTWAY_FILTER", "target/slotway_filter.wasm").with_file_name("slotway_filter_test.wasm");
    if chaos.exists() {
        (chaos, true)
    } else {
        (artefact("SLOTWAY_FILTER", "target/slotway_filter.wasm"), false)
    }
}
