//! Heartbeats of workers, and their effect in Envoy.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use slotway_test_site::{Api, ClientLoad, ReferenceWorker, SOON, Setup, Slotway, get, until};

const INTERVAL: Duration = Duration::from_millis(200);
const THRESHOLD: u32 = 3;
const SLOW_START: Duration = Duration::from_secs(3);
/// Time from a heartbeat to its effect in Envoy on a loaded machine: commit, push and ACK.
const SLACK: Duration = Duration::from_secs(2);

fn path(url: &str) -> String {
    format!("/api/v1/workers/{}", url.replace(':', "%3A").replace('/', "%2F"))
}

/// Sets the heartbeat of a worker. It is checked under any load: a worker with a connection for each request is not while all
/// its slots are out.
async fn watch(api: &Api, worker: &ReferenceWorker, capacity: u32) {
    let interval = format!("{}ms", INTERVAL.as_millis());
    let slow_start = format!("{}s", SLOW_START.as_secs());
    let spec = json!({ "capacity": capacity, "connections": "reuse", "slow_start": slow_start, "heartbeat": {
        "path": "/healthz", "interval": interval, "timeout": interval, "threshold": THRESHOLD } });
    let answer = api.request("PUT", &path(&worker.url()), json!({ "spec": spec }).to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

async fn status(api: &Api, worker: &ReferenceWorker) -> Value {
    let answer = api.get(&path(&worker.url())).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["status"].clone()
}

async fn is(api: &Api, worker: &ReferenceWorker, state: &str, within: Duration) -> Value {
    until(state, within, async || Some(status(api, worker).await).filter(|status| status["state"] == state))
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_with_a_failing_heartbeat_gets_no_requests_until_it_recovers_and_then_starts_slowly() {
    let w1 = ReferenceWorker::start(&["--pipeline-pool-max-size", "8", "--delay", "20ms"]).await;
    let w2 = ReferenceWorker::start(&["--pipeline-pool-max-size", "8", "--delay", "20ms"]).await;
    let slotway = Slotway::up(&Setup::default().worker(&w1.url(), 8).worker(&w2.url(), 2)).await;
    let api = slotway.api();
    watch(&api, &w1, 8).await;
    watch(&api, &w2, 2).await;
    // More requests than both workers can take, so that some always wait.
    let load = ClientLoad::start_with(slotway.address(), 30, |n| get(&format!("/extract?text=Rome&n={n}")));
    load.passes(200).await;
    until("it answers its heartbeat", SOON, async || {
        (status(&api, &w1).await["heartbeat"]["ok"] == true).then_some(())
    })
    .await;

    w1.health_fails(true).await;
    let failed = Instant::now();
    let down = is(&api, &w1, "down", INTERVAL * THRESHOLD + SLACK).await;
    until("the worker has no requests", SLACK, async || (w1.stats().await["current"] == 0).then_some(()))
        .await;
    assert!(failed.elapsed() < INTERVAL * THRESHOLD + SLACK, "{:?}", failed.elapsed());
    let reason = down["reason"].as_str().unwrap();
    assert!(reason.contains("it answered 503"), "{reason}");
    assert_eq!((&down["heartbeat"]["ok"], &down["heartbeat"]["kept"]), (&json!(false), &json!(false)));
    let had = w1.stats().await["total"].clone();
    load.passes(100).await;
    assert_eq!(w1.stats().await["total"], had, "a worker that is down gets no request");
    let audit = api.get("/api/v1/audit?kind=worker&who=system&limit=1").await.json();
    let change = &audit["changes"][0];
    assert_eq!(change["key"], w1.url());
    assert!(change["after"]["health"]["down"]["reason"].as_str().unwrap().contains("503"), "{change}");

    // Its requests never exceed the capacity in force a little later, because the capacity only increases.
    w1.forget_highest().await;
    w1.health_fails(false).await;
    let answered = Instant::now();
    is(&api, &w1, "starting", INTERVAL + SLACK).await;
    let mut steps = Vec::new();
    until("it has its whole capacity", SLOW_START + 2 * SLACK, async || {
        let highest = w1.stats().await["highest"].as_u64().unwrap();
        // Reports are up to 250 ms old.
        tokio::time::sleep(Duration::from_millis(350)).await;
        let status = status(&api, &w1).await;
        let in_force = status["capacity_in_force"].as_u64().unwrap();
        assert!(highest <= in_force, "{highest} concurrent requests with a later capacity of {in_force}");
        if steps.last() != Some(&in_force) {
            steps.push(in_force);
        }
        (status["state"] == "active" && in_force == 8).then_some(())
    })
    .await;
    assert!(answered.elapsed() + SLACK >= SLOW_START, "after {:?}", answered.elapsed());
    assert!(steps.is_sorted() && steps.iter().all(|step| [0, 1, 2, 4, 8].contains(step)), "{steps:?}");
    assert!(steps.len() >= 3, "its capacity returned at once: {steps:?}");
    load.passes(200).await;
    load.finish().await.assert_all_ok();
    assert_eq!((&w1.stats().await["highest"], &w2.stats().await["highest"]), (&json!(8), &json!(2)));
}
