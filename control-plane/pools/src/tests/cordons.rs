//! Workers that are cordoned or down.

use super::*;

impl Setup {
    /// Opens two workers with one coordinator that has reported both.
    async fn at_work(&self) -> Pools {
        let workers = self.open(&file(&[(A, 3), (B, 4)])).await;
        workers.set_connected(vec!["one".to_owned()], Instant::now());
        self.report("one", generation(&workers), Some((A, 3, 1, WorkerState::Active)));
        workers
    }
}

async fn cordon(workers: &Pools, worker: &str) {
    change(workers, |next| next.cordon(&url(worker), "", &context())).await.unwrap();
}

fn state(workers: &Pools, worker: &str) -> WorkerCondition {
    let view = workers.view(Instant::now());
    let url = url(worker);
    let record = view.state.shown_worker(&url).unwrap();
    view.worker(&url, record).state
}

#[tokio::test]
async fn a_cordoned_worker_is_drained_once_each_coordinator_has_reported_that_it_has_no_request_there() {
    let setup = Setup::new();
    let workers = setup.at_work().await;
    cordon(&workers, A).await;
    assert_eq!((in_force(&workers), draining(&workers)), (vec![line("first", B, 4)], vec![A.to_owned()]));
    assert_eq!(state(&workers, A), WorkerCondition::Cordoned, "the report is older than the cordon");
    setup.report("one", generation(&workers), Some((A, 0, 1, WorkerState::Draining)));
    assert_eq!(state(&workers, A), WorkerCondition::Cordoned, "the worker has a request under way");
    setup.report("one", generation(&workers), Some((A, 0, 0, WorkerState::Draining)));
    assert_eq!(state(&workers, A), WorkerCondition::Drained);
    workers.settle(Instant::now()).await.unwrap();
    assert_eq!(draining(&workers), [A], "it stays");

    workers.set_connected(vec!["one".to_owned(), "two".to_owned()], Instant::now());
    assert_eq!(state(&workers, A), WorkerCondition::Cordoned, "the other coordinator has not reported yet");
}

#[tokio::test]
async fn a_drained_worker_is_removed_and_moved_at_once() {
    let setup = Setup::new();
    let workers = setup.at_work().await;
    cordon(&workers, A).await;
    cordon(&workers, B).await;
    setup.report("one", generation(&workers), None);
    let moved = WantedWorker {
        worker: url(B),
        spec: serde_json::from_value(
            serde_json::json!({ "capacity": 2, "pool": "second", "cordoned": false }),
        )
        .unwrap(),
        labels: Labels::default(),
        notes: Notes::default(),
    };
    change(&workers, |next| next.put_worker(moved.clone(), &context())).await.unwrap();
    workers.settle(Instant::now()).await.unwrap();
    assert_eq!(in_force(&workers), [line("second", B, 2)], "there is no request to wait for");
    assert!(!workers.remove(Who::ADMIN_TOKEN, &url(A)).await.unwrap());
}

#[tokio::test]
async fn a_worker_that_is_down_gets_no_requests_and_its_capacity_returns_in_steps() {
    let setup = Setup::new();
    let workers = setup.at_work().await;
    let heartbeat: Heartbeat = serde_json::from_value(serde_json::json!({ "path": "/health" })).unwrap();
    change(&workers, |next| {
        next.records.get_mut(&url(A)).unwrap().heartbeat = Some(heartbeat.clone());
        Ok(())
    })
    .await
    .unwrap();
    let before = generation(&workers);
    let set = async |seen: Health, health: Health| {
        let change = HealthChange { worker: url(A), seen, health };
        workers.set_health(&[change]).await.unwrap();
    };
    let down = Health::down(1_000, "no answer");
    set(Health::Up, down.clone()).await;
    assert_eq!((in_force(&workers), draining(&workers)), (vec![line("first", B, 4)], vec![A.to_owned()]));
    assert_eq!(state(&workers, A), WorkerCondition::Down);
    assert!(generation(&workers) > before);
    let row = workers.overview(Instant::now()).into_iter().find(|row| row.worker == A).unwrap();
    assert_eq!(row.state, WorkerCondition::Parked, "the list has no state for a worker that is down");

    let starting = Health::Starting { since_ms: 2_000, step: 1 };
    set(Health::Up, starting.clone()).await;
    assert_eq!(state(&workers, A), WorkerCondition::Down, "a result for an outdated health is discarded");
    set(down, starting.clone()).await;
    assert_eq!(in_force(&workers), [line("first", A, 1), line("first", B, 4)]);
    setup.report("one", generation(&workers), Some((A, 1, 0, WorkerState::Active)));
    assert_eq!(state(&workers, A), WorkerCondition::Starting);
    set(starting, Health::Up).await;
    assert_eq!(in_force(&workers), [line("first", A, 3), line("first", B, 4)]);
    set(Health::Up, Health::Up).await;
}

#[tokio::test]
async fn notes_do_not_concern_envoy() {
    let setup = Setup::new();
    let workers = setup.at_work().await;
    let (before, mut desired) = (generation(&workers), workers.desired());
    let pools = desired.borrow_and_update().pools.clone();
    let notes: Notes = "rack 7".to_owned().try_into().unwrap();
    change(&workers, |next| {
        next.records.get_mut(&url(A)).unwrap().notes = notes.clone();
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!((generation(&workers), &desired.borrow().pools), (before, &pools));
    assert!(workers.view(Instant::now()).state.worker(&url(A)).unwrap().revision > 0, "the notes are stored");
}
