use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use slotway_config::Protocol;
use tokio::sync::watch;

use super::*;
use crate::{Probe, SlowStart};

const S: Duration = Duration::from_secs(1);

/// An in-memory store of workers, which replaces only the health that was seen.
struct FakeTargets {
    /// Each with a flag: whether it has a heartbeat.
    workers: Mutex<BTreeMap<WorkerUrl, (ProbeTarget, bool)>>,
    changes: watch::Sender<()>,
    fails: AtomicBool,
    occupied: Mutex<HashSet<WorkerUrl>>,
    stored: Mutex<Vec<(Instant, String, TargetHealth)>>,
}

impl FakeTargets {
    fn with(targets: Vec<ProbeTarget>) -> Arc<Self> {
        let workers = targets.into_iter().map(|target| (target.worker.clone(), (target, true))).collect();
        Arc::new(Self {
            workers: Mutex::new(workers),
            changes: watch::Sender::new(()),
            fails: AtomicBool::new(false),
            occupied: Mutex::default(),
            stored: Mutex::default(),
        })
    }

    fn edit(&self, url: &str, edit: impl FnOnce(&mut (ProbeTarget, bool))) {
        edit(self.workers.lock().unwrap().get_mut(&url.parse().unwrap()).unwrap());
        self.changes.send_modify(|()| {});
    }

    fn health(&self, url: &str) -> TargetHealth {
        self.workers.lock().unwrap()[&url.parse().unwrap()].0.health.clone()
    }

    fn is_up(&self, url: &str) -> bool {
        self.health(url) == TargetHealth::Up
    }

    fn down(&self) -> usize {
        let is_down = |(target, _): &&(ProbeTarget, bool)| matches!(target.health, TargetHealth::Down { .. });
        self.workers.lock().unwrap().values().filter(is_down).count()
    }

    /// Returns the steps that were stored one after the other, with the time since `start` in milliseconds; 0 for down, `u32::MAX` for up.
    fn steps(&self, start: Instant) -> Vec<(u128, u32)> {
        let line = |(at, _, health): &(Instant, String, TargetHealth)| {
            let step = match health {
                TargetHealth::Down { .. } => 0,
                TargetHealth::Starting { step, .. } => *step,
                TargetHealth::Up => u32::MAX,
            };
            ((*at - start).as_millis(), step)
        };
        self.stored.lock().unwrap().iter().map(line).collect()
    }
}

impl ProbeTargets for FakeTargets {
    type Version = ();
    type Error = &'static str;

    fn targets(&self) -> Vec<ProbeTarget> {
        let workers = self.workers.lock().unwrap();
        workers.values().filter(|(_, probed)| *probed).map(|(target, _)| target.clone()).collect()
    }

    fn unprobed(&self) -> Vec<Finding> {
        let workers = self.workers.lock().unwrap();
        let unprobed =
            workers.values().filter(|(target, probed)| !probed && target.health != TargetHealth::Up);
        let up = |(target, _): &(ProbeTarget, bool)| Finding {
            worker: target.worker.clone(),
            seen: target.health.clone(),
            found: TargetHealth::Up,
        };
        unprobed.map(up).collect()
    }

    fn is_occupied(&self, worker: &WorkerUrl) -> bool {
        self.occupied.lock().unwrap().contains(worker)
    }

    fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    async fn store(&self, findings: Vec<Finding>) -> Result<(), &'static str> {
        if self.fails.load(Ordering::Relaxed) {
            return Err("the store is unavailable");
        }
        for Finding { worker, seen, found } in findings {
            let mut workers = self.workers.lock().unwrap();
            let Some((target, _)) = workers.get_mut(&worker).filter(|(target, _)| target.health == seen)
            else {
                continue;
            };
            target.health = found.clone();
            self.stored.lock().unwrap().push((Instant::now(), worker.to_string(), found));
        }
        self.changes.send_modify(|()| {});
        Ok(())
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Behaviour {
    Answers,
    Fails,
    Hangs,
}

/// Workers that behave as a test sets them; all answer by default.
#[derive(Default)]
struct FakeProber {
    behaviours: Mutex<HashMap<String, Behaviour>>,
    probed: Mutex<Vec<(Instant, String)>>,
    at_once: Mutex<(usize, usize)>,
}

impl FakeProber {
    fn behave(&self, url: &str, behaviour: Behaviour) {
        self.behaviours.lock().unwrap().insert(url.to_owned(), behaviour);
    }

    fn times(&self, url: &str) -> Vec<Instant> {
        let probed = self.probed.lock().unwrap();
        probed.iter().filter(|(_, other)| other == url).map(|(at, _)| *at).collect()
    }
}

impl Prober for FakeProber {
    async fn probe(&self, target: &ProbeTarget) -> Result<(), String> {
        let url = target.worker.to_string();
        self.probed.lock().unwrap().push((Instant::now(), url.clone()));
        {
            let mut at_once = self.at_once.lock().unwrap();
            at_once.0 += 1;
            at_once.1 = at_once.1.max(at_once.0);
        }
        let behaviour = self.behaviours.lock().unwrap().get(&url).copied().unwrap_or(Behaviour::Answers);
        let outcome = match behaviour {
            Behaviour::Answers => Ok(()),
            Behaviour::Fails => Err("it answered 503".to_owned()),
            Behaviour::Hangs => {
                tokio::time::sleep(target.probe.timeout).await;
                Err("it did not answer".to_owned())
            }
        };
        self.at_once.lock().unwrap().0 -= 1;
        outcome
    }
}

/// A worker on its own host, probed every second, with a threshold of three failures.
fn target(host: u32, pool: &str) -> ProbeTarget {
    ProbeTarget {
        worker: url(host).parse().unwrap(),
        protocol: Protocol::Http1,
        tls: None,
        has_connection_limit: false,
        pool: pool.parse().unwrap(),
        probe: Probe { path: "/health".to_owned(), interval: S, timeout: S / 2, threshold: 3 },
        slow_start: None,
        health: TargetHealth::Up,
    }
}

/// A worker that is down and has a slow start of three steps of ten seconds.
fn slow(host: u32) -> ProbeTarget {
    let slow_start = Some(SlowStart { last_step: 4, step_duration: 10 * S });
    ProbeTarget { slow_start, health: TargetHealth::down(1, "before"), ..target(host, "a") }
}

fn url(host: u32) -> String {
    format!("http://10.0.{}.{}", host / 250, host % 250 + 1)
}

struct Setup {
    targets: Arc<FakeTargets>,
    prober: Arc<FakeProber>,
    outcomes: Arc<HeartbeatOutcomes>,
    start: Instant,
    task: tokio::task::JoinHandle<()>,
}

impl Setup {
    fn new(targets: Vec<ProbeTarget>) -> Self {
        Self::of(FakeTargets::with(targets))
    }

    fn of(targets: Arc<FakeTargets>) -> Self {
        let (prober, outcomes) = (Arc::<FakeProber>::default(), Arc::<HeartbeatOutcomes>::default());
        let (own, probes, records) = (Arc::clone(&targets), Arc::clone(&prober), Arc::clone(&outcomes));
        let task = tokio::spawn(async move { run(own, probes, &records, Clock::simulated()).await });
        Self { targets, prober, outcomes, start: Instant::now(), task }
    }

    async fn until(&self, what: &str, condition: impl Fn() -> bool) -> Duration {
        let since = Instant::now();
        while !condition() {
            assert!(since.elapsed() < 600 * S, "timed out: {what}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        since.elapsed()
    }
}

impl Drop for Setup {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn each_worker_is_probed_once_in_its_interval_and_not_all_at_once() {
    let setup = Setup::new((0..200).map(|host| target(host, "a")).collect());
    tokio::time::sleep(10 * S).await;
    for host in 0..200 {
        let times = setup.prober.times(&url(host));
        // Timer granularity may move one probe across the boundary.
        assert!((9..=11).contains(&times.len()), "{} was asked {} times", url(host), times.len());
        for pair in times.windows(2) {
            let apart = (pair[1] - pair[0]).as_millis();
            assert!((999..=1_001).contains(&apart), "{apart} ms");
        }
    }
    // Of 200 probes, no tenth of a second has much more than its share of 20.
    let mut by_tenth = BTreeMap::<u128, usize>::new();
    for (at, _) in setup.prober.probed.lock().unwrap().iter().take(200) {
        *by_tenth.entry((*at - setup.start).as_millis() / 100).or_default() += 1;
    }
    assert!(by_tenth.values().all(|asked| *asked <= 40), "{by_tenth:?}");
}

#[tokio::test(start_paused = true)]
async fn a_worker_with_a_limit_of_connections_is_not_probed_while_all_its_slots_are_out_unless_it_is_down() {
    let limited = |host| ProbeTarget { has_connection_limit: true, ..target(host, "a") };
    let down = ProbeTarget { health: TargetHealth::down(1, "before"), ..limited(2) };
    let setup = Setup::new(vec![target(0, "a"), limited(1), down, limited(3)]);
    setup.prober.behave(&url(2), Behaviour::Fails);
    let all = [url(0), url(1), url(2)].map(|url| url.parse().unwrap());
    *setup.targets.occupied.lock().unwrap() = HashSet::from(all);
    tokio::time::sleep(10 * S).await;
    let probed = |host| setup.prober.times(&url(host)).len();
    assert_eq!(
        [probed(0), probed(1), probed(2), probed(3)].map(|times| times > 5),
        [true, false, true, true]
    );
    assert_eq!(probed(1), 0);
    setup.targets.occupied.lock().unwrap().clear();
    setup.until("a slot is free, and it is probed", || probed(1) > 0).await;
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_fails_is_taken_out_in_time_and_let_back_in_by_its_first_answer() {
    let setup = Setup::new((0..4).map(|host| target(host, "a")).collect());
    let one = url(1);
    setup.prober.behave(&one, Behaviour::Hangs);
    let took = setup.until("it is down", || setup.targets.down() == 1).await;
    // Three intervals, the time limit of the last probe, and the delay of storing.
    assert!(took <= Duration::from_millis(3_000 + 500 + 110), "{took:?}");
    assert_eq!(setup.prober.times(&one).len(), 3);
    let TargetHealth::Down { reason, .. } = setup.targets.health(&one) else { panic!() };
    assert_eq!(reason, "its heartbeat has failed 3 times, lastly: it did not answer");
    let status = setup.outcomes.of(&one.parse().unwrap()).unwrap();
    assert_eq!((status.error.is_some(), status.failures, status.is_kept), (true, 3, false));
    assert_eq!(setup.outcomes.failures(), [("a".parse().unwrap(), 3)].into());

    setup.prober.behave(&one, Behaviour::Answers);
    let took = setup.until("it is up", || setup.targets.is_up(&one)).await;
    assert!(took <= Duration::from_millis(1_110), "{took:?}");
    assert_eq!(setup.outcomes.of(&one.parse().unwrap()).unwrap().failures, 0);
}

#[tokio::test(start_paused = true)]
async fn a_slow_start_stores_each_step_in_its_time() {
    let setup = Setup::new(vec![slow(1), target(2, "a")]);
    setup.until("it is up", || setup.targets.is_up(&url(1))).await;
    let stored = setup.targets.steps(setup.start);
    assert_eq!(stored.iter().map(|(_, step)| *step).collect::<Vec<_>>(), [1, 2, 3, u32::MAX]);
    for pair in stored.windows(2) {
        let apart = pair[1].0 - pair[0].0;
        assert!((9_900..=10_100).contains(&apart), "{stored:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_fails_again_while_it_starts_goes_down_again() {
    let setup = Setup::new(vec![slow(1), target(2, "a")]);
    setup
        .until("it starts", || {
            matches!(setup.targets.health(&url(1)), TargetHealth::Starting { step: 2, .. })
        })
        .await;
    setup.prober.behave(&url(1), Behaviour::Fails);
    let took = setup.until("it is down", || setup.targets.down() == 1).await;
    assert!(took <= Duration::from_millis(3_200), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_watchdog_whose_network_is_cut_off_takes_no_worker_out_and_says_so() {
    let setup = Setup::new((0..20).map(|host| target(host, "a")).collect());
    tokio::time::sleep(2 * S).await;
    (0..20).for_each(|host| setup.prober.behave(&url(host), Behaviour::Hangs));
    tokio::time::sleep(60 * S).await;
    assert_eq!((setup.targets.down(), setup.targets.stored.lock().unwrap().len()), (0, 0));
    let kept = setup.outcomes.of(&url(7).parse().unwrap()).unwrap();
    assert!(kept.is_kept && kept.failures > 50, "{kept:?}");
    assert_eq!(setup.outcomes.kept(), [("a".parse().unwrap(), 20)].into());

    // The network recovers, and two of the workers have really failed.
    (2..20).for_each(|host| setup.prober.behave(&url(host), Behaviour::Answers));
    setup.until("the two are down", || setup.targets.down() == 2).await;
    tokio::time::sleep(10 * S).await;
    assert_eq!((setup.targets.down(), setup.outcomes.kept().len()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn probes_under_way_are_bounded_and_no_worker_is_forgotten() {
    let setup = Setup::new((0..3_000).map(|host| target(host, "a")).collect());
    (0..3_000).for_each(|host| setup.prober.behave(&url(host), Behaviour::Hangs));
    tokio::time::sleep(10 * S).await;
    let (_, most) = *setup.prober.at_once.lock().unwrap();
    assert_eq!(most, PROBES_MAX);
    // 1,024 probes per half second, so each worker about every 1.5 s.
    for host in 0..3_000 {
        let asked = setup.prober.times(&url(host)).len();
        assert!((5..=7).contains(&asked), "{} was asked {asked} times", url(host));
    }
}

#[tokio::test(start_paused = true)]
async fn findings_that_cannot_be_stored_are_stored_later() {
    let setup = Setup::new((0..4).map(|host| target(host, "a")).collect());
    setup.targets.fails.store(true, Ordering::Relaxed);
    setup.prober.behave(&url(1), Behaviour::Fails);
    tokio::time::sleep(30 * S).await;
    assert_eq!(setup.targets.down(), 0);
    setup.targets.fails.store(false, Ordering::Relaxed);
    let took = setup.until("it is down", || setup.targets.down() == 1).await;
    assert!(took <= STORE_AGAIN_AFTER + Duration::from_millis(20), "{took:?}");
    assert_eq!(setup.targets.stored.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_worker_whose_heartbeat_is_taken_away_is_let_back_in() {
    let setup = Setup::new((0..4).map(|host| target(host, "a")).collect());
    setup.prober.behave(&url(1), Behaviour::Fails);
    setup.until("it is down", || setup.targets.down() == 1).await;
    setup.targets.edit(&url(1), |(_, probed)| *probed = false);
    setup.until("it is up", || setup.targets.is_up(&url(1))).await;
    let asked = setup.prober.times(&url(1)).len();
    tokio::time::sleep(10 * S).await;
    assert_eq!(setup.prober.times(&url(1)).len(), asked, "the worker is no longer probed");
    assert_eq!(setup.outcomes.of(&url(1).parse().unwrap()), None);
}

#[tokio::test(start_paused = true)]
async fn a_worker_with_another_heartbeat_is_probed_at_once_and_its_failures_count_anew() {
    let setup = Setup::new((0..4).map(|host| target(host, "a")).collect());
    setup.prober.behave(&url(1), Behaviour::Fails);
    setup.until("it has failed twice", || setup.prober.times(&url(1)).len() == 2).await;
    let other = Probe { path: "/other".to_owned(), interval: 3_600 * S, timeout: S, threshold: 3 };
    setup.targets.edit(&url(1), |(target, _)| target.probe = other);
    setup.until("it is asked", || setup.prober.times(&url(1)).len() == 3).await;
    tokio::time::sleep(60 * S).await;
    assert_eq!(setup.targets.down(), 0);
    assert_eq!(setup.outcomes.of(&url(1).parse().unwrap()).unwrap().failures, 1);
}

#[tokio::test(start_paused = true)]
async fn a_control_plane_that_takes_over_continues_the_slow_start() {
    let targets = FakeTargets::with(vec![slow(1), target(2, "a"), target(3, "a")]);
    let setup = Setup::of(Arc::clone(&targets));
    setup
        .until("it starts", || matches!(targets.health(&url(1)), TargetHealth::Starting { step: 2, .. }))
        .await;
    drop(setup);
    let setup = Setup::of(Arc::clone(&targets));
    setup.until("it is up", || targets.is_up(&url(1))).await;
    let steps: Vec<_> = targets.steps(setup.start - 60 * S).iter().map(|(_, step)| *step).collect();
    assert_eq!(steps, [1, 2, 3, u32::MAX]);
}
