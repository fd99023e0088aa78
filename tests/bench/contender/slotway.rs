//! Slotway: `slotway serve`, and an Envoy with its bootstrap.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{Companions, Contender, SlotwayParts, UP_WITHIN};
use crate::{cpus::Cpus, worker::Workers};
use slotway_test_site::{Setup, Site, TestProcess, WorkerFigures, artefact};

const NAME: &str = "Slotway";

/// Returns a pool of `count` workers with this capacity, whose connections are reused as HAProxy's and nginx's are, and a queue
/// that is long enough for every case.
pub(crate) fn setup(workers: &Workers, count: u32, capacity: u32) -> Setup {
    let setup = Setup::default().lanes(1).pool("max_waiting", 65_536).pool("free_worker_timeout", "120s");
    (0..count)
        .map(|number| json!({ "worker": format!("http://{}", workers.address(number)), "capacity": capacity, "connections": "reuse" }))
        .fold(setup, Setup::worker_entry)
}

/// Makes Envoy's event loop use the precise clock, as the README describes.
pub(crate) const PRECISE_TIMER: (&str, &str) = ("EVENT_PRECISE_TIMER", "1");

/// Starts Slotway, and waits until every worker is in force.
pub(crate) async fn start(setup: &Setup, cpus: &Cpus) -> Contender {
    start_with(setup, cpus, None).await
}

/// Like [`start`], with a variable in Envoy's environment.
pub(crate) async fn start_with(setup: &Setup, cpus: &Cpus, variable: Option<(&str, &str)>) -> Contender {
    let site = Site::new(setup);
    let mut serve = site.slotway("serve");
    serve.env("SLOTWAY_FILTER", artefact("SLOTWAY_FILTER", "target/slotway_filter.wasm"));
    let mut control_plane = TestProcess::start("control-plane", serve, site.path());
    control_plane.says("slotway: serving", UP_WITHIN).await;
    let arguments =
        ["--log-level", "warn", "--disable-hot-restart", "--concurrency", &setup.lanes.to_string()];
    let arguments = arguments.map(str::to_owned);
    let bootstrap = site.bootstrap(&[]);
    let envoy = cpus.place(setup.lanes, || site.start_envoy_in("envoy", &bootstrap, &arguments, variable));
    let began = Instant::now();
    while !site.api().workers().await.iter().all(WorkerFigures::is_idle) {
        assert!(began.elapsed() < UP_WITHIN, "not every worker is in force within {UP_WITHIN:?}");
        // Rare enough not to load the control plane: with thousands of workers an answer is long.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // The configuration of the last clusters may still be on its way to Envoy's thread.
    tokio::time::sleep(Duration::from_millis(100)).await;
    Contender {
        name: NAME.to_owned(),
        address: site.address(),
        process: envoy,
        companions: Companions::Slotway(Box::new(SlotwayParts { control_plane, site })),
    }
}
