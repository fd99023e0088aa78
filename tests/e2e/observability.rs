//! Observability: Envoy's statistics, the control plane's metrics, the list of workers.

use serde_json::Value;

use slotway_test_site::{Arrivals, Behaviour, ClientLoad, SOON, Setup, Slotway, TestWorker, until};

/// Returns the value of the statistic whose name contains each of `parts`.
fn stat(stats: &str, parts: &[&str]) -> Option<u64> {
    let line = stats.lines().find(|line| parts.iter().all(|part| line.contains(part)))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn envoys_statistics_count_answers_refusals_and_slots() {
    let arrivals = Arrivals::default();
    let worker = TestWorker::start("W1", &arrivals).await;
    let setup = Setup::with(&[(&worker, 2)]).pool("max_waiting", 1);
    let slotway = Slotway::up(&setup).await;
    for _ in 0..5 {
        assert_eq!(slotway.get("/").await.status, 200);
    }
    worker.behave(Behaviour::held());
    let load = ClientLoad::start(slotway.address(), 3);
    slotway.api().shows_waiting(1).await;
    assert_eq!(slotway.get("/").await.reason(), "queue_full");
    until("the statistics contain all requests", SOON, async || {
        let stats = slotway.envoy_stats().await;
        let requests = |outcome| stat(&stats, &["slotway_requests_total", "pool=test", outcome]);
        let slots = |state| stat(&stats, &["slotway_slots", "pool=test", state]);
        let waiting = stat(&stats, &["slotway_waiting", "pool=test"]);
        (requests("outcome=answered") == Some(5)
            && requests("outcome=queue_full") == Some(1)
            && slots("state=free") == Some(0)
            && slots("state=in_flight") == Some(2)
            && waiting == Some(1))
        .then_some(())
    })
    .await;
    worker.behave(Behaviour::default());
    worker.release(3);
    load.finish().await.assert_all_ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_access_log_has_worker_wait_and_outcome() {
    let arrivals = Arrivals::default();
    let worker = TestWorker::start("W1", &arrivals).await;
    worker.behave(Behaviour::held());
    let setup = Setup::with(&[(&worker, 1)]).pool("max_waiting", 1).access_log();
    let slotway = Slotway::up(&setup).await;
    let load = ClientLoad::start(slotway.address(), 2);
    // Reports are up to 250 ms old, so that the waiting request has waited by now.
    slotway.api().shows_waiting(1).await;
    tokio::time::sleep(std::time::Duration::from_millis(60)).await;
    assert_eq!(slotway.get("/refused").await.reason(), "queue_full");
    worker.behave(Behaviour::default());
    worker.release(1);
    load.passes(2).await;
    load.finish().await.assert_all_ok();
    let log = slotway.path().join("access.log");
    // Envoy writes it every few seconds.
    let lines: Vec<Value> = until("three requests in the access log", 3 * SOON, async || {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        let lines = text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON"));
        Some(lines.collect::<Vec<_>>()).filter(|lines| lines.len() >= 3)
    })
    .await;
    let answered = lines.iter().filter(|line| line["outcome"] == "answered");
    let waited =
        |line: &&Value| line["wait_ms"].as_str().is_some_and(|wait| wait.parse::<u64>().unwrap() > 50);
    assert!(answered.clone().all(|line| line["worker"] == worker.url()), "{lines:#?}");
    assert!(answered.clone().any(|line| waited(&line)), "{lines:#?}");
    assert!(lines.iter().any(|line| line["outcome"] == "queue_full"), "{lines:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_metrics_have_pool_and_outcome_as_labels() {
    let arrivals = Arrivals::default();
    let worker = TestWorker::start("W1", &arrivals).await;
    let slotway = Slotway::up(&Setup::with(&[(&worker, 1)])).await;
    assert_eq!(slotway.get("/").await.status, 200);
    until("the request is counted", SOON, async || {
        let admin = slotway.addresses().admin;
        let request = slotway_test_site::get("/stats/prometheus");
        let stats = slotway_test_site::send(admin, request).await.unwrap().text();
        let line = stats.lines().find(|line| {
            line.contains("slotway_requests_total{")
                && line.contains("pool=\"test\"")
                && line.contains("outcome=\"answered\"")
        })?;
        line.ends_with(" 1").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_of_workers_shows_what_is_under_way_free_and_waiting() {
    let arrivals = Arrivals::default();
    let w1 = TestWorker::start("W1", &arrivals).await;
    let w2 = TestWorker::start("W2", &arrivals).await;
    w1.behave(Behaviour::held());
    w2.behave(Behaviour::held());
    let slotway = Slotway::up(&Setup::with(&[(&w1, 1), (&w2, 2)])).await;
    let api = slotway.api();
    api.shows("three free slots", |workers| {
        workers.iter().map(|worker| worker.free).eq([Some(1), Some(2)]) && workers[0].is_idle()
    })
    .await;
    let load = ClientLoad::start(slotway.address(), 5);
    api.shows("three requests under way, two waiting", |workers| {
        workers.iter().map(|worker| worker.in_flight).eq([Some(1), Some(2)])
            && workers.iter().all(|worker| worker.free == Some(0) && worker.waiting == Some(2))
    })
    .await;
    for worker in [&w1, &w2] {
        worker.behave(Behaviour::default());
        worker.release(5);
    }
    load.finish().await.assert_all_ok();
    api.shows_idle(SOON).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn health_readiness_metrics_and_the_apis_description_are_served() {
    let arrivals = Arrivals::default();
    let worker = TestWorker::start("W1", &arrivals).await;
    let slotway = Slotway::up(&Setup::with(&[(&worker, 1)])).await;
    let api = slotway.api();
    for path in ["/healthz", "/readyz"] {
        assert_eq!(api.get(path).await.status, 200, "{path}");
    }
    let metrics = api.get("/metrics").await;
    assert!(metrics.text().contains("slotway_coordinators_connected 1"), "{}", metrics.text());
    let description = api.get("/openapi.json").await.json();
    let workers = &description["paths"]["/coordinator/workers"];
    assert!(workers["get"].is_object() && workers["post"].is_object() && workers["delete"].is_object());
}
