//! One coordinator is one process: a second Envoy with the same node id, as started by Envoy's hot restart, gets no configuration while the first one
//! runs. Otherwise each would grant every slot.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use slotway_test_site::{
    Arrivals, Behaviour, ClientLoad, SOON, Setup, Site, TestProcess, TestWorker, fresh_address, get, send,
    until,
};

/// Far below the time for which a second Envoy waits for the end of the first.
const WITHOUT_DELAY: Duration = Duration::from_secs(6);
/// More than that time.
const REFUSED_WITHIN: Duration = Duration::from_secs(25);

/// `slotway serve`, and Envoys with hot restart that join it.
struct Restartable {
    site: Site,
    control_plane: TestProcess,
}

impl Restartable {
    async fn start(setup: &Setup) -> Self {
        let site = Site::new(setup);
        let mut control_plane = TestProcess::start("control-plane", site.slotway("serve"), site.path());
        control_plane.says("slotway: serving", SOON).await;
        Self { site, control_plane }
    }

    fn envoy(&self, name: &str, arguments: &[String]) -> TestProcess {
        let two_lanes = ["--concurrency", "2"].map(str::to_owned);
        self.site.start_envoy(name, &[&two_lanes, arguments].concat())
    }

    async fn serves(&self, within: Duration) {
        until("Envoy serves", within, async || {
            let answer = send(self.site.address(), get("/")).await;
            answer.is_ok_and(|answer| answer.status == 200).then_some(())
        })
        .await;
    }
}

/// Returns the arguments of an epoch. All epochs of a site share memory, whose name is a number of this test.
fn hot_restart(site: &Site, epoch: u32) -> [String; 4] {
    let base = site.address().port().to_string();
    ["--base-id".to_owned(), base, "--restart-epoch".to_owned(), epoch.to_string()]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hot_restart_gets_no_configuration_while_its_parent_serves() {
    let arrivals = Arrivals::default();
    let worker = TestWorker::start("W1", &arrivals).await;
    worker.behave(Behaviour::delay_ms(3));
    let mut slotway = Restartable::start(&Setup::with(&[(&worker, 2)])).await;
    let mut parent = slotway.envoy("parent", &hot_restart(&slotway.site, 0));
    slotway.serves(SOON).await;
    let load = ClientLoad::start(slotway.site.address(), 10);
    load.passes(100).await;

    let mut child = slotway.envoy("child", &hot_restart(&slotway.site, 1));
    slotway.control_plane.says("node id taken", SOON).await;
    slotway.control_plane.says("hot restart (--restart-epoch) is not supported", REFUSED_WITHIN).await;
    // Envoy logs the reason as it arrived, with its spaces percent-encoded.
    child.says("another%20Envoy%20is%20connected", SOON).await;
    load.passes(200).await;
    load.finish().await.assert_all_ok();
    assert_eq!(worker.highest(), 2);
    assert_eq!((parent.has_ended(), child.has_ended()), (None, None));
    // A child takes the admin port from its parent.
    let ready = send(slotway.site.addresses().admin, get("/ready")).await.unwrap();
    assert_eq!(ready.status, 503, "{}", ready.text());
    slotway.site.api().shows_idle(SOON).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_envoy_of_a_node_id_takes_over_as_soon_as_the_first_has_ended() {
    let arrivals = Arrivals::default();
    let worker = TestWorker::start("W1", &arrivals).await;
    worker.behave(Behaviour::delay_ms(3));
    let mut slotway = Restartable::start(&Setup::with(&[(&worker, 2)])).await;
    let mut first = slotway.envoy("first", &["--disable-hot-restart".to_owned()]);
    slotway.serves(SOON).await;
    let admin = format!("admin: {{address: {{socket_address: {{port_value: {}}}}}}}", fresh_address().port());
    let mut second =
        slotway.envoy("second", &["--disable-hot-restart".to_owned(), "--config-yaml".to_owned(), admin]);
    slotway.control_plane.says("node id taken", SOON).await;

    first.signal(Signal::KILL);
    first.ended(SOON).await;
    let gone = Instant::now();
    slotway.serves(SOON).await;
    assert!(gone.elapsed() < WITHOUT_DELAY, "{:?}", gone.elapsed());
    assert_eq!(second.has_ended(), None);
    let load = ClientLoad::start(slotway.site.address(), 10);
    load.passes(100).await;
    load.finish().await.assert_all_ok();
    assert_eq!(worker.highest(), 2);
    slotway.site.api().shows_idle(SOON).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_envoy_that_was_killed_and_is_started_again_is_configured_without_delay() {
    let arrivals = Arrivals::default();
    let worker = TestWorker::start("W1", &arrivals).await;
    let slotway = Restartable::start(&Setup::with(&[(&worker, 2)])).await;
    let mut killed = slotway.envoy("killed", &hot_restart(&slotway.site, 0));
    slotway.serves(SOON).await;
    killed.signal(Signal::KILL);
    killed.ended(SOON).await;
    let started = Instant::now();
    let _again = slotway.envoy("again", &hot_restart(&slotway.site, 0));
    slotway.serves(SOON).await;
    assert!(started.elapsed() < WITHOUT_DELAY, "{:?}", started.elapsed());
    slotway.site.api().shows_idle(SOON).await;
}
