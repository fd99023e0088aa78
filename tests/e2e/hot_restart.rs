//! One coordinator is one process: a second Envoy of the same node id, as Envoy's hot restart starts it, gets nothing while the first is
//! there. Two would each give out every slot.

use std::{
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use rustix::process::Signal;

use crate::harness::{
    Arrivals, Behaviour, Load, Process, SOON, Setup, Site, TestWorker, envoy, get, send, until,
};

/// Far below the time for which a second Envoy waits for the end of the first.
const WITHOUT_DELAY: Duration = Duration::from_secs(6);
/// That time, and more.
const REFUSED_WITHIN: Duration = Duration::from_secs(25);

/// `slotway serve`, and Envoys with hot restart that join it.
struct Restartable {
    site: Site,
    control_plane: Process,
    bootstrap: PathBuf,
}

impl Restartable {
    async fn start(setup: &Setup) -> Self {
        let site = Site::new(setup);
        let mut control_plane = Process::start("control-plane", site.slotway("serve"), site.path());
        control_plane.says("slotway: serving", SOON).await;
        let output = site.slotway("bootstrap").output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let bootstrap = site.path().join("envoy.json");
        std::fs::write(&bootstrap, output.stdout).unwrap();
        Self { site, control_plane, bootstrap }
    }

    /// An Envoy of that epoch. All epochs of a site share memory; its port is a number that no other test has.
    fn envoy(&self, name: &str, epoch: u32) -> Process {
        let mut command = Command::new(envoy());
        command.arg("--config-path").arg(&self.bootstrap).args(["--concurrency", "2"]);
        command.args(["--base-id", &self.site.address().port().to_string()]);
        command.args(["--restart-epoch", &epoch.to_string()]);
        Process::start(name, command, self.site.path())
    }

    async fn serves(&self, within: Duration) {
        until("Envoy serves", within, async || {
            let answer = send(self.site.address(), get("/")).await;
            answer.is_ok_and(|answer| answer.status == 200).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hot_restart_gets_no_configuration_beside_its_parent_and_takes_over_when_that_has_ended() {
    let arrivals = Arrivals::default();
    let worker = TestWorker::start("W1", &arrivals).await;
    worker.behave(Behaviour::delay_ms(3));
    let mut slotway = Restartable::start(&Setup::with(&[(&worker, 2)])).await;
    let mut parent = slotway.envoy("parent", 0);
    slotway.serves(SOON).await;
    let load = Load::start(slotway.site.address(), 10);
    load.passes(100).await;

    let mut child = slotway.envoy("child", 1);
    slotway.control_plane.says("a second Envoy of this node id gets no configuration", SOON).await;
    slotway.control_plane.says("hot restart (--restart-epoch) is not supported", REFUSED_WITHIN).await;
    // Envoy has the reason in its log as it came, with its spaces encoded.
    child.says("another%20Envoy%20is%20connected", SOON).await;
    load.passes(200).await;
    load.finish().await.assert_all_ok();
    assert_eq!(worker.highest(), 2);
    assert_eq!((parent.has_ended(), child.has_ended()), (None, None));
    // A child takes the admin port from its parent.
    let ready = send(slotway.site.addresses().admin, get("/ready")).await.unwrap();
    assert_eq!(ready.status, 503, "{}", ready.text());

    parent.signal(Signal::TERM);
    parent.ended(SOON).await;
    slotway.serves(SOON).await;
    let load = Load::start(slotway.site.address(), 10);
    load.passes(100).await;
    load.finish().await.assert_all_ok();
    slotway.site.api().shows_idle(SOON).await;
    assert_eq!(worker.highest(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_envoy_that_was_killed_and_is_started_again_is_configured_without_delay() {
    let arrivals = Arrivals::default();
    let worker = TestWorker::start("W1", &arrivals).await;
    let slotway = Restartable::start(&Setup::with(&[(&worker, 2)])).await;
    let mut killed = slotway.envoy("killed", 0);
    slotway.serves(SOON).await;
    killed.signal(Signal::KILL);
    killed.ended(SOON).await;
    let started = Instant::now();
    let _again = slotway.envoy("again", 0);
    slotway.serves(SOON).await;
    assert!(started.elapsed() < WITHOUT_DELAY, "{:?}", started.elapsed());
    slotway.site.api().shows_idle(SOON).await;
}
