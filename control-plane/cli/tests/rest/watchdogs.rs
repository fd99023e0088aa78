//! Several control planes on one PostgreSQL database: one of them probes the workers, and another one takes over when
//! it ends.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, http::StatusCode, routing::get};
use serde_json::{Value, json};
use slotway_test_postgres::Postgres;

use crate::fixture::{Fixture, worker_path};

/// The time limit for a condition: more than the ten seconds of a lease, on a loaded machine.
const WITHIN: Duration = Duration::from_secs(60);

/// A worker with a health endpoint that counts its requests.
struct Worker {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
    fails: Arc<AtomicBool>,
}

impl Worker {
    async fn start() -> Self {
        let (asked, fails) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let (count, ill) = (Arc::clone(&asked), Arc::clone(&fails));
        let health = get(async move || {
            count.fetch_add(1, Ordering::Relaxed);
            if ill.load(Ordering::Relaxed) { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, Router::new().route("/health", health)).await });
        Self { address, asked, fails }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let since = std::time::Instant::now();
    while !condition().await {
        assert!(since.elapsed() < WITHIN, "timed out: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn fixture(postgres: &Postgres, worker: &Worker) -> Fixture {
    let pools = json!([{ "name": "a", "workers": [{ "worker": worker.url(), "capacity": 4 }] }]);
    let file = json!({ "store": postgres.url(), "pools": pools });
    Fixture::with(tempfile::tempdir().unwrap(), &file.to_string()).await
}

async fn is_watching(fixture: &Fixture) -> bool {
    let metrics = fixture.get("/metrics").await.body;
    let line = metrics.as_str().unwrap().lines().find(|line| line.starts_with("slotway_watchdog_watching "));
    line.unwrap().ends_with('1')
}

async fn status(fixture: &Fixture, worker: &Worker) -> Value {
    fixture.get(&worker_path(&worker.url())).await.body["status"].clone()
}

/// Starts two control planes on one store, the first of which probes, and a worker that is probed ten times a second.
async fn two(postgres: &Postgres, worker: &Worker) -> (Fixture, Fixture) {
    let first = fixture(postgres, worker).await;
    until("the first control plane probes", async || is_watching(&first).await).await;
    let other = fixture(postgres, worker).await;
    let heartbeat = json!({ "path": "/health", "interval": "100ms", "timeout": "100ms", "threshold": 3 });
    let body = json!({ "spec": { "capacity": 4, "heartbeat": heartbeat } });
    let answer = other.ask("PUT", &worker_path(&worker.url()), &body).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    until("the worker is probed", async || worker.asked() > 5).await;
    (first, other)
}

#[tokio::test]
async fn one_of_two_control_planes_probes_and_its_results_apply_to_both() {
    let (postgres, worker) = (Postgres::start(), Worker::start().await);
    let (first, other) = two(&postgres, &worker).await;
    let before = worker.asked();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let asked = worker.asked() - before;
    assert!((5..=21).contains(&asked), "it was asked {asked} times in two seconds, not about twenty");
    assert!(is_watching(&first).await && !is_watching(&other).await);
    assert_eq!(status(&first, &worker).await["heartbeat"]["ok"], true);
    assert_eq!(
        status(&other, &worker).await["heartbeat"],
        json!(null),
        "the other control plane does not probe"
    );

    worker.fails.store(true, Ordering::Relaxed);
    for fixture in [&first, &other] {
        until("it is down at both", async || status(fixture, &worker).await["state"] == "down").await;
        let reason = status(fixture, &worker).await["reason"].clone();
        assert!(reason.as_str().unwrap().contains("it answered 503"), "{reason}");
    }
}

#[tokio::test]
async fn when_the_probing_control_plane_dies_the_other_takes_over_after_its_lease() {
    let (postgres, worker) = (Postgres::start(), Worker::start().await);
    let (first, other) = two(&postgres, &worker).await;
    let died = std::time::Instant::now();
    // Dropped without a shutdown, like a crash.
    drop(first);
    until("the other control plane probes", async || is_watching(&other).await).await;
    // It has seen the last renewal at most one renewal interval earlier.
    assert!(died.elapsed() >= Duration::from_secs(6), "it took over after {:?}", died.elapsed());
    let before = worker.asked();
    until("the worker is probed", async || worker.asked() > before).await;
    worker.fails.store(true, Ordering::Relaxed);
    until("it is down", async || status(&other, &worker).await["state"] == "down").await;
    worker.fails.store(false, Ordering::Relaxed);
    until("it is up", async || status(&other, &worker).await["state"] != "down").await;
}

#[tokio::test]
async fn an_orderly_shutdown_lets_the_other_control_plane_take_over_at_once() {
    let (postgres, worker) = (Postgres::start(), Worker::start().await);
    let (first, other) = two(&postgres, &worker).await;
    let Fixture { control_plane, .. } = first;
    control_plane.finish(Duration::from_secs(30)).await;
    let ended = std::time::Instant::now();
    until("the other control plane probes", async || is_watching(&other).await).await;
    assert!(ended.elapsed() < Duration::from_secs(6), "it took over after {:?}", ended.elapsed());
}
