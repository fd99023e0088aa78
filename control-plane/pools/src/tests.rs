use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use slotway_config::{Capacity, Pool, PoolReport, Protocol, WorkerReport, WorkerState, WorkerTls, WorkerUrl};
use slotway_runtime::{Clock, Moment};
use slotway_store::{SqliteStore, Store, StoreError, Who};

use super::*;

mod cordons;
mod laws;
mod pool_edits;
mod restored;
mod settings;
mod shared;
mod shared_pools;

const TEST_KINDS: [Kind; 5] = [WORKER, POOL, POLICY, SETTINGS, Kind::FACT];

/// Reports of coordinators from the tests.
#[derive(Default)]
struct FakeObservations(Mutex<BTreeMap<String, (Instant, CoordinatorFigures)>>);

impl Observations for FakeObservations {
    fn has_drained(&self, coordinator: &str, worker: &WorkerUrl, generation: u64) -> bool {
        self.0.lock().unwrap().get(coordinator).is_some_and(|(_, figures)| {
            let is_free = |report: &WorkerReport| report.capacity == 0 && report.in_flight == 0;
            figures.generation >= generation && figures.workers.get(worker).is_none_or(is_free)
        })
    }

    fn latest(&self, now: Instant) -> Vec<CoordinatorFigures> {
        let aged = |(received, figures): &(Instant, CoordinatorFigures)| CoordinatorFigures {
            age: now.saturating_duration_since(*received),
            ..figures.clone()
        };
        self.0.lock().unwrap().values().map(aged).collect()
    }

    fn heartbeat(&self, _: &WorkerUrl) -> Option<HeartbeatStatus> {
        None
    }
}

/// A real database in a temporary directory, and the reports of its coordinators.
struct Setup {
    directory: tempfile::TempDir,
    observations: Arc<FakeObservations>,
}

impl Setup {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), observations: Arc::default() }
    }

    async fn store(&self) -> Arc<dyn Store> {
        Arc::new(SqliteStore::open(self.directory.path(), &TEST_KINDS).await.unwrap())
    }

    /// Opens the pools, like a start after the previous process has ended.
    async fn open(&self, pools: &[Pool]) -> Pools {
        self.try_open(pools, settings()).await.unwrap()
    }

    async fn try_open(&self, pools: &[Pool], listener: ListenerSettings) -> Result<Pools, PoolsError> {
        self.open_over(self.store().await, pools, listener).await
    }

    async fn open_over(
        &self,
        store: Arc<dyn Store>,
        pools: &[Pool],
        listener: ListenerSettings,
    ) -> Result<Pools, PoolsError> {
        let observations = Arc::clone(&self.observations) as Arc<dyn Observations>;
        let settings = PoolsSettings {
            listener,
            ca_directories: CaDirectories::default(),
            disconnected_grace: DISCONNECTED_GRACE,
        };
        Pools::open(store, observations, pools, settings, Clock::System).await
    }

    /// Sets a coordinator's report: its generation, and its capacity and requests at a worker.
    fn report(&self, coordinator: &str, generation: u64, worker: Option<(&str, u32, u32, WorkerState)>) {
        let worker = worker.map(|(url, capacity, in_flight, state)| WorkerReport {
            worker: url.parse().unwrap(),
            capacity,
            in_flight,
            free: capacity.saturating_sub(in_flight),
            parked: 0,
            failures: 0,
            state,
        });
        let pool = PoolReport {
            pool: "first".parse().unwrap(),
            free: 0,
            in_flight: 0,
            parked: 0,
            waiting: 5,
            oldest_wait_ms: 70,
            workers: Vec::new(),
        };
        let figures = CoordinatorFigures {
            coordinator: coordinator.to_owned(),
            generation,
            age: Duration::ZERO,
            pools: vec![pool],
            workers: worker
                .into_iter()
                .filter(|report| report.state != WorkerState::Gone)
                .map(|report| (report.worker.clone(), report))
                .collect(),
        };
        let received = (Instant::now(), figures);
        self.observations.0.lock().unwrap().insert(coordinator.to_owned(), received);
    }
}

/// Makes a change like a REST request.
async fn change<R>(
    pools: &Pools,
    make: impl Fn(&mut PoolsState) -> Result<R, PoolsError>,
) -> Result<R, PoolsError> {
    pools.change(Who::ADMIN_TOKEN, false, make).await.map(|(result, _)| result)
}

fn context() -> ChangeContext {
    ChangeContext { who: Who::ADMIN_TOKEN, at: Moment::from_unix_ms(1_000) }
}

fn settings() -> ListenerSettings {
    ListenerSettings {
        groups: Default::default(),
        listen: "127.0.0.1:10000".parse().unwrap(),
        debug_headers: false,
        lane_lease: slotway_config::default_lane_lease(),
        access_log: None,
        filter_wasm: "/f.wasm".into(),
        ready_path: DEFAULT_READY_PATH.to_owned(),
        lanes: 2,
    }
}

/// Returns a file with a pool `first` with these workers, and a pool `second` for `/second` without any.
fn file(workers: &[(&str, u32)]) -> Vec<Pool> {
    let list: Vec<_> = workers
        .iter()
        .map(|(url, capacity)| serde_json::json!({ "worker": url, "capacity": capacity }))
        .collect();
    let second = serde_json::json!({ "name": "second", "match": { "prefix": "/second" } });
    serde_json::from_value(serde_json::json!([{ "name": "first", "workers": list }, second])).unwrap()
}

fn entry(url: &str, capacity: u32) -> WorkerEntry {
    serde_json::from_value(serde_json::json!({ "worker": url, "capacity": capacity })).unwrap()
}

fn in_pool(url: &str, capacity: u32, pool: &str) -> WorkerEntry {
    WorkerEntry { pool: Some(pool.parse().unwrap()), ..entry(url, capacity) }
}

fn url(text: &str) -> WorkerUrl {
    text.parse().unwrap()
}

/// Returns the workers in force: pool, URL, capacity.
fn in_force(workers: &Pools) -> Vec<(String, String, u32)> {
    let desired = workers.desired().borrow().clone();
    let of = |pool: &Pool| {
        let name = pool.name.to_string();
        let line = |worker: &slotway_config::Worker| {
            (name.clone(), worker.worker.to_string(), worker.capacity.get())
        };
        pool.workers.iter().map(line).collect::<Vec<_>>()
    };
    desired.pools.iter().flat_map(of).collect()
}

fn line(pool: &str, url: &str, capacity: u32) -> (String, String, u32) {
    (pool.to_owned(), url.to_owned(), capacity)
}

fn draining(workers: &Pools) -> Vec<String> {
    workers.desired().borrow().draining.iter().map(|draining| draining.worker.worker.to_string()).collect()
}

fn generation(workers: &Pools) -> u64 {
    workers.desired().borrow().generation
}

const A: &str = "http://a";
const B: &str = "http://b";

#[tokio::test]
async fn a_restart_keeps_changes_over_rest_and_the_configuration_of_envoy() {
    let setup = Setup::new();
    let declared = file(&[(A, 3), (B, 4)]);
    let before = {
        let workers = setup.open(&declared).await;
        workers.upsert(Who::ADMIN_TOKEN, &[entry(A, 9), in_pool("http://c", 2, "second")]).await.unwrap();
        workers.remove(Who::ADMIN_TOKEN, &url(B)).await.unwrap();
        workers.desired().borrow().clone()
    };
    let workers = setup.open(&declared).await;
    assert_eq!(in_force(&workers), [line("first", A, 9), line("second", "http://c", 2)]);
    assert_eq!(draining(&workers), [B], "the worker has not drained yet");
    assert_eq!(*workers.desired().borrow(), before, "the generation is the same too");
}

#[tokio::test]
async fn a_worker_that_rest_removed_stays_removed_until_the_file_changes_it() {
    let setup = Setup::new();
    {
        let workers = setup.open(&file(&[(A, 3), (B, 4)])).await;
        workers.remove(Who::ADMIN_TOKEN, &url(B)).await.unwrap();
        workers.settle(Instant::now() + DISCONNECTED_GRACE).await.unwrap();
        assert_eq!((in_force(&workers), draining(&workers)), (vec![line("first", A, 3)], vec![]));
    }
    assert_eq!(in_force(&setup.open(&file(&[(A, 3), (B, 4)])).await), [line("first", A, 3)]);
    assert_eq!(
        in_force(&setup.open(&file(&[(A, 3), (B, 5)])).await),
        [line("first", A, 3), line("first", B, 5)]
    );
}

#[tokio::test]
async fn an_edit_of_the_file_wins_over_earlier_changes_over_rest() {
    let setup = Setup::new();
    {
        let workers = setup.open(&file(&[(A, 3)])).await;
        workers.upsert(Who::ADMIN_TOKEN, &[entry(A, 9)]).await.unwrap();
    }
    assert_eq!(in_force(&setup.open(&file(&[(A, 3)])).await), [line("first", A, 9)]);
    assert_eq!(in_force(&setup.open(&file(&[(A, 4)])).await), [line("first", A, 4)]);
    let workers = setup.open(&file(&[])).await;
    assert_eq!(
        (in_force(&workers), draining(&workers)),
        (vec![], vec![A.to_owned()]),
        "the file no longer has its entry"
    );
}

#[tokio::test]
async fn a_worker_of_rest_waits_for_a_pool_that_the_file_has_removed() {
    let setup = Setup::new();
    {
        let workers = setup.open(&file(&[(A, 3)])).await;
        workers.upsert(Who::ADMIN_TOKEN, &[in_pool(B, 2, "second")]).await.unwrap();
    }
    {
        let workers = setup.open(&file(&[(A, 3)])[..1]).await;
        assert_eq!((in_force(&workers), draining(&workers)), (vec![line("first", A, 3)], vec![B.to_owned()]));
    }
    assert_eq!(in_force(&setup.open(&file(&[(A, 3)])).await), [line("first", A, 3), line("second", B, 2)]);
}

#[tokio::test]
async fn the_generation_increases_with_each_change_and_after_a_lost_database() {
    let setup = Setup::new();
    let mut last = {
        let workers = setup.open(&file(&[(A, 3)])).await;
        let mut last = generation(&workers);
        for capacity in 4..20 {
            workers.upsert(Who::ADMIN_TOKEN, &[entry(A, capacity)]).await.unwrap();
            assert!(generation(&workers) > last);
            last = generation(&workers);
        }
        workers.upsert(Who::ADMIN_TOKEN, &[entry(A, 19)]).await.unwrap();
        assert_eq!(generation(&workers), last, "nothing changed");
        last
    };
    for listener in [ListenerSettings { debug_headers: true, ..settings() }, settings()] {
        let workers = setup.try_open(&file(&[(A, 3)]), listener).await.unwrap();
        assert!(generation(&workers) > last, "a changed setting of the file is a change");
        last = generation(&workers);
    }
    assert!(generation(&Setup::new().open(&file(&[(A, 3)])).await) > last);
}

#[tokio::test]
async fn a_list_with_one_wrong_entry_changes_nothing() {
    let setup = Setup::new();
    let workers = setup.open(&file(&[(A, 3)])).await;
    let before = generation(&workers);
    let https_only = WorkerEntry { tls: Some(WorkerTls::default()), ..entry("http://d", 1) };
    let wrong = [
        (in_pool(B, 1, "third"), "there is no pool \"third\"; there is first, second"),
        (https_only, "only an https worker can have TLS settings"),
        (in_pool(A, 1, "second"), "http://a is in pool first; remove it there first"),
        (entry("http://new", 1), "the same worker cannot stand twice; the first is entry 0"),
    ];
    for (wrong, says) in wrong {
        let error = workers.upsert(Who::ADMIN_TOKEN, &[entry("http://new", 1), wrong]).await.unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
        let index = match error {
            PoolsError::Entry { index, .. } => index,
            PoolsError::EntryInOtherPool { index, .. } => Some(index),
            other => panic!("{other}"),
        };
        assert_eq!(index, Some(1));
    }
    assert_eq!((in_force(&workers), generation(&workers)), (vec![line("first", A, 3)], before));
}

#[tokio::test]
async fn more_slots_than_a_pool_can_have_are_refused_with_the_entry() {
    let setup = Setup::new();
    let workers = setup.open(&file(&[(A, 65_535), (B, 65_535)])).await;
    let list: Vec<_> = ["http://c", "http://d", "http://e"].iter().map(|url| entry(url, 65_535)).collect();
    let error = workers.upsert(Who::ADMIN_TOKEN, &list).await.unwrap_err();
    assert!(matches!(&error, PoolsError::Entry { index: Some(2), .. }), "{error}");
    assert_eq!(in_force(&workers).len(), 2);
}

#[tokio::test]
async fn a_removed_worker_keeps_its_cluster_until_each_coordinator_has_drained_it() {
    let setup = Setup::new();
    let workers = setup.open(&file(&[(A, 3), (B, 4)])).await;
    let now = Instant::now();
    workers.set_connected(vec!["one".to_owned(), "two".to_owned()], now);
    assert!(workers.remove(Who::ADMIN_TOKEN, &url(A)).await.unwrap());
    assert!(
        workers.remove(Who::ADMIN_TOKEN, &url(A)).await.unwrap(),
        "the second removal has the same result"
    );
    let removed = generation(&workers);
    let settled = async || {
        workers.settle(now).await.unwrap();
        draining(&workers).is_empty()
    };
    setup.report("one", removed, None);
    assert!(!settled().await, "the other coordinator has not reported");
    setup.report("two", removed - 1, None);
    assert!(!settled().await, "the other coordinator does not have the change");
    setup.report("two", removed, Some((A, 0, 1, WorkerState::Draining)));
    assert!(!settled().await, "the other coordinator has a request there");
    setup.report("two", removed, Some((A, 0, 0, WorkerState::Gone)));
    assert!(settled().await);
    assert!(generation(&workers) > removed, "removing its cluster is a change");
}

#[tokio::test]
async fn without_connected_coordinators_a_removed_worker_is_deleted_after_the_grace_period() {
    let setup = Setup::new();
    let workers = setup.open(&file(&[(A, 3)])).await;
    let now = Instant::now();
    workers.set_connected(vec!["one".to_owned()], now);
    workers.set_connected(vec![], now);
    workers.remove(Who::ADMIN_TOKEN, &url(A)).await.unwrap();
    workers.settle(now + DISCONNECTED_GRACE - Duration::from_millis(1)).await.unwrap();
    assert_eq!(draining(&workers), [A]);
    workers.settle(now + DISCONNECTED_GRACE).await.unwrap();
    assert_eq!(draining(&workers), [""; 0]);
}

#[tokio::test]
async fn a_draining_worker_that_is_added_again_takes_requests_again() {
    let setup = Setup::new();
    let workers = setup.open(&file(&[(A, 3), (B, 4)])).await;
    workers.remove(Who::ADMIN_TOKEN, &url(A)).await.unwrap();
    let elsewhere = workers.upsert(Who::ADMIN_TOKEN, &[in_pool(A, 1, "second")]).await.unwrap_err();
    assert!(
        matches!(elsewhere, PoolsError::EntryInOtherPool { .. }),
        "it still has requests of the first pool"
    );
    workers.upsert(Who::ADMIN_TOKEN, &[entry(A, 2)]).await.unwrap();
    assert_eq!(in_force(&workers), [line("first", A, 2), line("first", B, 4)]);
    assert_eq!(draining(&workers), [""; 0]);
}

#[tokio::test]
async fn removing_an_unknown_worker_names_the_existing_workers() {
    let setup = Setup::new();
    let workers = setup.open(&file(&[(A, 3)])).await;
    let Err(PoolsError::UnknownWorker { worker, known }) =
        workers.remove(Who::ADMIN_TOKEN, &url("http://z")).await
    else {
        panic!("an unknown worker was removed")
    };
    assert_eq!((worker.as_str(), known), ("http://z", vec![A.to_owned()]));
}

#[tokio::test]
async fn the_overview_has_the_reported_figures_and_their_age() {
    let setup = Setup::new();
    let workers = setup.open(&file(&[(A, 3)])).await;
    let now = Instant::now();
    let row = async |after| workers.overview(now + after).remove(0);
    let at_first = row(Duration::ZERO).await;
    assert_eq!((at_first.state, at_first.in_flight), (WorkerCondition::Unknown, None));

    let in_force = generation(&workers);
    for (figures, state) in [
        (None, WorkerCondition::Pending),
        (Some((A, 2, 1, WorkerState::Active)), WorkerCondition::Pending),
        (Some((A, 3, 1, WorkerState::Parked)), WorkerCondition::Parked),
        (Some((A, 3, 1, WorkerState::Active)), WorkerCondition::Active),
    ] {
        setup.report("one", in_force, figures);
        assert_eq!(row(Duration::ZERO).await.state, state);
    }
    let active = row(Duration::ZERO).await;
    assert_eq!((active.in_flight, active.free, active.waiting), (Some(1), Some(2), Some(5)));
    assert_eq!((active.oldest_wait_ms, active.generation_in_force), (Some(70), Some(in_force)));

    let late = row(Duration::from_secs(11)).await;
    assert_eq!((late.state, late.in_flight), (WorkerCondition::Unknown, Some(1)));
    assert!(late.report_age_ms.unwrap() >= 10_000);

    setup.report("two", in_force, Some((A, 3, 3, WorkerState::Active)));
    let both = row(Duration::ZERO).await;
    assert_eq!((both.in_flight, both.free), (Some(4), Some(2)), "the sum of both coordinators");
}

#[tokio::test]
async fn a_worker_that_the_file_moves_drains_from_its_old_pool_before_it_joins_the_new_one() {
    let setup = Setup::new();
    drop(setup.open(&file(&[(A, 3), (B, 4)])).await);
    let mut moved = file(&[(A, 3)]);
    moved[1].workers = file(&[(B, 2)])[0].workers.clone();
    let workers = setup.open(&moved).await;
    workers.set_connected(vec!["one".to_owned()], Instant::now());
    assert_eq!((in_force(&workers), draining(&workers)), (vec![line("first", A, 3)], vec![B.to_owned()]));
    workers.upsert(Who::ADMIN_TOKEN, &[entry(B, 5)]).await.unwrap();
    assert_eq!(draining(&workers), [B], "a change over REST does not end the drain");

    let since = generation(&workers);
    setup.report("one", since, Some((B, 0, 1, WorkerState::Draining)));
    workers.settle(Instant::now()).await.unwrap();
    assert_eq!(draining(&workers), [B], "the worker has a request under way");

    setup.report("one", since, None);
    workers.settle(Instant::now()).await.unwrap();
    assert_eq!(in_force(&workers), [line("first", A, 3), line("second", B, 5)]);
    assert!(draining(&workers).is_empty());
}
