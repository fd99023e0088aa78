use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use serde_json::json;
use slotway_config::{PoolName, Worker};

use super::*;
use crate::{model::ListenerSettings, store::StoreError};

const S: Duration = Duration::from_secs(1);

fn nothing_desired() -> Desired {
    Desired {
        generation: 1,
        revision: 1,
        pools: Vec::new(),
        draining: Vec::new(),
        listener: ListenerSettings {
            listen: "127.0.0.1:10000".parse().unwrap(),
            debug_headers: false,
            lane_lease: slotway_config::default_lane_lease(),
            access_log: None,
            filter_wasm: "/filter.wasm".into(),
            groups: Default::default(),
            lanes: 2,
        },
    }
}

/// The workers, as a store has them: in memory, with the rule that only what was seen is written over.
struct FakeWard {
    workers: Mutex<BTreeMap<WorkerUrl, (WatchedWorker, bool)>>,
    changes: watch::Sender<Arc<Desired>>,
    fails: AtomicBool,
    written: Mutex<Vec<(Instant, String, Health)>>,
}

impl FakeWard {
    fn with(workers: Vec<WatchedWorker>) -> Arc<Self> {
        let workers =
            workers.into_iter().map(|watched| (watched.worker.worker.clone(), (watched, true))).collect();
        Arc::new(Self {
            workers: Mutex::new(workers),
            changes: watch::Sender::new(Arc::new(nothing_desired())),
            fails: AtomicBool::new(false),
            written: Mutex::default(),
        })
    }

    fn edit(&self, url: &str, edit: impl FnOnce(&mut (WatchedWorker, bool))) {
        edit(self.workers.lock().unwrap().get_mut(&url.parse().unwrap()).unwrap());
        self.changes.send_modify(|_| {});
    }

    fn health(&self, url: &str) -> Health {
        self.workers.lock().unwrap()[&url.parse().unwrap()].0.health.clone()
    }

    fn down(&self) -> usize {
        let down = |(watched, _): &&(WatchedWorker, bool)| matches!(watched.health, Health::Down { .. });
        self.workers.lock().unwrap().values().filter(down).count()
    }

    /// Capacities in force as they were written one after the other, with the time since `start` in milliseconds.
    fn capacities(&self, start: Instant) -> Vec<(u128, Option<u32>)> {
        let workers = self.workers.lock().unwrap();
        let written = self.written.lock().unwrap();
        let line = |(at, url, health): &(Instant, String, Health)| {
            let capacity = workers[&url.parse().unwrap()].0.worker.capacity;
            ((*at - start).as_millis(), health.capacity_in_force(capacity).map(|capacity| capacity.get()))
        };
        written.iter().map(line).collect()
    }
}

impl Ward for FakeWard {
    fn watched(&self) -> Vec<WatchedWorker> {
        let workers = self.workers.lock().unwrap();
        workers.values().filter(|(_, asked)| *asked).map(|(watched, _)| watched.clone()).collect()
    }

    fn forsaken(&self) -> Vec<HealthChange> {
        let workers = self.workers.lock().unwrap();
        let forsaken = workers.values().filter(|(watched, asked)| !asked && !watched.health.is_up());
        let let_in = |(watched, _): &(WatchedWorker, bool)| HealthChange {
            worker: watched.worker.worker.clone(),
            seen: watched.health.clone(),
            health: Health::Up,
        };
        forsaken.map(let_in).collect()
    }

    fn changes(&self) -> watch::Receiver<Arc<Desired>> {
        self.changes.subscribe()
    }

    async fn write(&self, changes: Vec<HealthChange>) -> Result<(), Error> {
        if self.fails.load(Ordering::Relaxed) {
            let (place, reason) = ("here".to_owned(), "it is away".to_owned());
            return Err(StoreError::Unavailable { place, reason }.into());
        }
        for HealthChange { worker, seen, health } in changes {
            let mut workers = self.workers.lock().unwrap();
            let Some((watched, _)) = workers.get_mut(&worker).filter(|(watched, _)| watched.health == seen)
            else {
                continue;
            };
            watched.health = health.clone();
            self.written.lock().unwrap().push((Instant::now(), worker.to_string(), health));
        }
        self.changes.send_modify(|_| {});
        Ok(())
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    Answers,
    Fails,
    Hangs,
}

/// Workers that answer as they are told; all do unless they are told otherwise.
#[derive(Default)]
struct FakeAsk {
    manners: Mutex<HashMap<String, Manner>>,
    asked: Mutex<Vec<(Instant, String)>>,
    at_once: Mutex<(usize, usize)>,
}

impl FakeAsk {
    fn behave(&self, url: &str, manner: Manner) {
        self.manners.lock().unwrap().insert(url.to_owned(), manner);
    }

    fn times(&self, url: &str) -> Vec<Instant> {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|(_, other)| other == url).map(|(at, _)| *at).collect()
    }
}

impl Ask for FakeAsk {
    async fn ask(&self, watched: &WatchedWorker) -> Result<(), String> {
        let url = watched.worker.worker.to_string();
        self.asked.lock().unwrap().push((Instant::now(), url.clone()));
        {
            let mut at_once = self.at_once.lock().unwrap();
            at_once.0 += 1;
            at_once.1 = at_once.1.max(at_once.0);
        }
        let manner = self.manners.lock().unwrap().get(&url).copied().unwrap_or(Manner::Answers);
        let outcome = match manner {
            Manner::Answers => Ok(()),
            Manner::Fails => Err("it answered 503".to_owned()),
            Manner::Hangs => {
                tokio::time::sleep(watched.heartbeat.timeout().as_duration()).await;
                Err("it did not answer".to_owned())
            }
        };
        self.at_once.lock().unwrap().0 -= 1;
        outcome
    }
}

/// A worker of a host of its own, asked every second, which may fail twice.
fn watched(host: u32, pool: &str) -> WatchedWorker {
    let url = url(host);
    let worker: Worker = serde_json::from_value(json!({ "worker": url, "capacity": 6 })).unwrap();
    let heartbeat = json!({ "path": "/health", "interval": "1s", "timeout": "500ms", "threshold": 3 });
    WatchedWorker {
        worker,
        pool: pool.parse::<PoolName>().unwrap(),
        heartbeat: serde_json::from_value(heartbeat).unwrap(),
        slow_start: None,
        health: Health::Up,
    }
}

fn url(host: u32) -> String {
    format!("http://10.0.{}.{}", host / 250, host % 250 + 1)
}

struct House {
    ward: Arc<FakeWard>,
    ask: Arc<FakeAsk>,
    seen: Arc<Heartbeats>,
    start: Instant,
    task: tokio::task::JoinHandle<()>,
}

impl House {
    fn new(workers: Vec<WatchedWorker>) -> Self {
        Self::of(FakeWard::with(workers))
    }

    fn of(ward: Arc<FakeWard>) -> Self {
        let (ask, seen) = (Arc::<FakeAsk>::default(), Arc::<Heartbeats>::default());
        let (ours, asks, shows) = (Arc::clone(&ward), Arc::clone(&ask), Arc::clone(&seen));
        let task = tokio::spawn(async move { watch(ours, asks, &shows).await });
        Self { ward, ask, seen, start: Instant::now(), task }
    }

    async fn until(&self, what: &str, condition: impl Fn() -> bool) -> Duration {
        let since = Instant::now();
        while !condition() {
            assert!(since.elapsed() < 600 * S, "{what} did not come");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        since.elapsed()
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn each_worker_is_asked_once_in_its_interval_and_not_all_at_once() {
    let house = House::new((0..200).map(|host| watched(host, "a")).collect());
    tokio::time::sleep(10 * S).await;
    for host in 0..200 {
        let times = house.ask.times(&url(host));
        // The timer's grain may put one just before or behind the end.
        assert!((9..=11).contains(&times.len()), "{} was asked {} times", url(host), times.len());
        for pair in times.windows(2) {
            let apart = (pair[1] - pair[0]).as_millis();
            assert!((999..=1_001).contains(&apart), "{apart} ms");
        }
    }
    // Of two hundred, no tenth of a second has much more than its twenty.
    let mut by_tenth = BTreeMap::<u128, usize>::new();
    for (at, _) in house.ask.asked.lock().unwrap().iter().take(200) {
        *by_tenth.entry((*at - house.start).as_millis() / 100).or_default() += 1;
    }
    assert!(by_tenth.values().all(|asked| *asked <= 40), "{by_tenth:?}");
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_fails_is_taken_out_in_time_and_let_back_in_by_its_first_answer() {
    let house = House::new((0..4).map(|host| watched(host, "a")).collect());
    let one = url(1);
    house.ask.behave(&one, Manner::Hangs);
    let took = house.until("it is down", || house.ward.down() == 1).await;
    // Three intervals, the last one's time to answer, and the time to write it down.
    assert!(took <= Duration::from_millis(3_000 + 500 + 110), "{took:?}");
    assert_eq!(house.ask.times(&one).len(), 3);
    let Health::Down { reason, .. } = house.ward.health(&one) else { panic!() };
    assert_eq!(reason, "its heartbeat has failed 3 times, lastly: it did not answer");
    let status = house.seen.status(&one.parse().unwrap()).unwrap();
    assert_eq!((status.ok, status.failures, status.kept), (false, 3, false));
    assert_eq!(house.seen.failures(), [("a".parse().unwrap(), 3)].into());

    house.ask.behave(&one, Manner::Answers);
    let took = house.until("it is up", || house.ward.health(&one).is_up()).await;
    assert!(took <= Duration::from_millis(1_110), "{took:?}");
    assert_eq!(house.seen.status(&one.parse().unwrap()).unwrap().failures, 0);
}

#[tokio::test(start_paused = true)]
async fn a_slow_start_writes_each_step_in_its_time() {
    let mut slow = watched(1, "a");
    slow.slow_start = Some(WaitDuration::from_ms(30_000));
    slow.health = Health::down(1, "before");
    let house = House::new(vec![slow, watched(2, "a")]);
    house.until("it is up", || house.ward.health(&url(1)).is_up()).await;
    let written = house.ward.capacities(house.start);
    let capacities: Vec<_> = written.iter().map(|(_, capacity)| *capacity).collect();
    assert_eq!(capacities, [Some(1), Some(2), Some(4), Some(6)]);
    for pair in written.windows(2) {
        let apart = pair[1].0 - pair[0].0;
        assert!((9_900..=10_100).contains(&apart), "{written:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_fails_again_while_it_starts_goes_down_again() {
    let mut slow = watched(1, "a");
    slow.slow_start = Some(WaitDuration::from_ms(30_000));
    slow.health = Health::down(1, "before");
    let house = House::new(vec![slow, watched(2, "a")]);
    house.until("it starts", || matches!(house.ward.health(&url(1)), Health::Starting { step: 2, .. })).await;
    house.ask.behave(&url(1), Manner::Fails);
    let took = house.until("it is down", || house.ward.down() == 1).await;
    assert!(took <= Duration::from_millis(3_200), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_watchdog_whose_network_is_cut_takes_nobody_out_and_says_so() {
    let house = House::new((0..20).map(|host| watched(host, "a")).collect());
    tokio::time::sleep(2 * S).await;
    (0..20).for_each(|host| house.ask.behave(&url(host), Manner::Hangs));
    tokio::time::sleep(60 * S).await;
    assert_eq!((house.ward.down(), house.ward.written.lock().unwrap().len()), (0, 0));
    let kept = house.seen.status(&url(7).parse().unwrap()).unwrap();
    assert!(kept.kept && kept.failures > 50, "{kept:?}");
    assert_eq!(house.seen.kept(), [("a".parse().unwrap(), 20)].into());

    // The network is back, and two of them have really failed.
    (2..20).for_each(|host| house.ask.behave(&url(host), Manner::Answers));
    house.until("the two are down", || house.ward.down() == 2).await;
    tokio::time::sleep(10 * S).await;
    assert_eq!((house.ward.down(), house.seen.kept().len()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn no_more_are_asked_at_once_than_may_be_and_nobody_is_forgotten() {
    let house = House::new((0..3_000).map(|host| watched(host, "a")).collect());
    (0..3_000).for_each(|host| house.ask.behave(&url(host), Manner::Hangs));
    tokio::time::sleep(10 * S).await;
    let (_, most) = *house.ask.at_once.lock().unwrap();
    assert_eq!(most, ASKED_AT_ONCE_MAX);
    // 1,024 in half a second, and so each about every one and a half.
    for host in 0..3_000 {
        let asked = house.ask.times(&url(host)).len();
        assert!((5..=7).contains(&asked), "{} was asked {asked} times", url(host));
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_written_down_is_written_down_later() {
    let house = House::new((0..4).map(|host| watched(host, "a")).collect());
    house.ward.fails.store(true, Ordering::Relaxed);
    house.ask.behave(&url(1), Manner::Fails);
    tokio::time::sleep(30 * S).await;
    assert_eq!(house.ward.down(), 0);
    house.ward.fails.store(false, Ordering::Relaxed);
    let took = house.until("it is down", || house.ward.down() == 1).await;
    assert!(took <= WRITE_AGAIN_AFTER + Duration::from_millis(20), "{took:?}");
    assert_eq!(house.ward.written.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_worker_whose_heartbeat_is_taken_away_is_let_back_in() {
    let house = House::new((0..4).map(|host| watched(host, "a")).collect());
    house.ask.behave(&url(1), Manner::Fails);
    house.until("it is down", || house.ward.down() == 1).await;
    house.ward.edit(&url(1), |(_, asked)| *asked = false);
    house.until("it is up", || house.ward.health(&url(1)).is_up()).await;
    let asked = house.ask.times(&url(1)).len();
    tokio::time::sleep(10 * S).await;
    assert_eq!(house.ask.times(&url(1)).len(), asked, "it is asked no more");
    assert_eq!(house.seen.status(&url(1).parse().unwrap()), None);
}

#[tokio::test(start_paused = true)]
async fn a_worker_with_another_heartbeat_is_asked_at_once_and_its_failures_count_anew() {
    let house = House::new((0..4).map(|host| watched(host, "a")).collect());
    house.ask.behave(&url(1), Manner::Fails);
    house.until("it has failed twice", || house.ask.times(&url(1)).len() == 2).await;
    let other = json!({ "path": "/other", "interval": "1h", "timeout": "1s", "threshold": 3 });
    house.ward.edit(&url(1), |(watched, _)| watched.heartbeat = serde_json::from_value(other).unwrap());
    house.until("it is asked", || house.ask.times(&url(1)).len() == 3).await;
    tokio::time::sleep(60 * S).await;
    assert_eq!(house.ward.down(), 0);
    assert_eq!(house.seen.status(&url(1).parse().unwrap()).unwrap().failures, 1);
}

#[tokio::test(start_paused = true)]
async fn whoever_takes_over_goes_on_where_the_other_one_left_off() {
    let mut slow = watched(1, "a");
    slow.slow_start = Some(WaitDuration::from_ms(30_000));
    slow.health = Health::down(1, "before");
    let ward = FakeWard::with(vec![slow, watched(2, "a"), watched(3, "a")]);
    let house = House::of(Arc::clone(&ward));
    house.until("it starts", || matches!(ward.health(&url(1)), Health::Starting { step: 2, .. })).await;
    drop(house);
    let house = House::of(Arc::clone(&ward));
    house.until("it is up", || ward.health(&url(1)).is_up()).await;
    let capacities: Vec<_> =
        ward.capacities(house.start - 60 * S).iter().map(|(_, capacity)| *capacity).collect();
    assert_eq!(capacities, [Some(1), Some(2), Some(4), Some(6)]);
}
