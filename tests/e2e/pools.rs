//! Creating and deleting pools over REST while requests are under way.

use serde_json::{Value, json};

use slotway_test_site::{
    Answer, Api, Arrivals, Behaviour, ClientLoad, SOON, Setup, Slotway, TestWorker, until,
};

/// Returns the path of a worker's resource.
fn worker_path(url: &str) -> String {
    format!("/api/v1/workers/{}", url.replace(':', "%3A").replace('/', "%2F"))
}

async fn ask(api: &Api, method: &str, path: &str, body: Value) -> Answer {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let answer = api.request(method, path, body).await;
    assert!(answer.status.is_success(), "{method} {path}: {} {}", answer.status, answer.text());
    answer
}

/// Creates a pool for `/made` together with its worker: a pool without workers would refuse the requests that it takes
/// from others.
async fn make_pool(api: &Api, worker: &TestWorker, capacity: u32) {
    let pool =
        json!({ "kind": "Pool", "metadata": { "name": "made" }, "spec": { "match": { "prefix": "/made" } } });
    let spec = json!({ "pool": "made", "capacity": capacity });
    let worker = json!({ "kind": "Worker", "metadata": { "name": worker.url() }, "spec": spec });
    ask(api, "POST", "/api/v1/apply", json!({ "items": [worker, pool] })).await;
}

/// Deletes the worker, and the pool once the worker has drained.
async fn delete_pool(api: &Api, worker: &TestWorker) {
    let path = worker_path(&worker.url());
    ask(api, "DELETE", &path, Value::Null).await;
    until("the deletion of the worker", SOON, async || (api.get(&path).await.status == 404).then_some(()))
        .await;
    ask(api, "DELETE", "/api/v1/pools/made", Value::Null).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_is_created_serves_changes_its_policy_live_and_is_deleted() {
    let arrivals = Arrivals::default();
    let w1 = TestWorker::start("W1", &arrivals).await;
    let w2 = TestWorker::start("W2", &arrivals).await;
    let slotway = Slotway::up(&Setup::with(&[(&w1, 2)])).await;
    let api = slotway.api();
    w1.behave(Behaviour::delay_ms(3));
    let load = ClientLoad::start(slotway.address(), 4);
    load.passes(50).await;

    make_pool(&api, &w2, 1).await;
    until("a request of the new pool", SOON, async || {
        assert_eq!(slotway.get("/made/x").await.status, 200);
        (w2.total() > 0).then_some(())
    })
    .await;

    // One request is at the worker and one waits. A third waits as well once the policy allows another waiter.
    w2.behave(Behaviour::held());
    let (first, second) = (slotway.get("/made/1"), slotway.get("/made/2"));
    let change = async {
        let waits = async || {
            let pool = api.get("/api/v1/pools/made").await.json();
            (pool["status"]["in_flight"] == 1 && pool["status"]["waiting"] == 1).then_some(())
        };
        until("one waits", SOON, waits).await;
        ask(&api, "PATCH", "/api/v1/policies/made", json!({ "spec": { "max_waiting": 1 } })).await;
        until("the new policy is in force", SOON, async || {
            let third = slotway.get("/made/3");
            let refused = tokio::time::timeout(std::time::Duration::from_millis(500), third).await;
            refused.is_ok_and(|answer| answer.reason() == "queue_full").then_some(())
        })
        .await;
        w2.release(1);
        until("the second request is at the worker", SOON, async || (w2.current() == 1).then_some(())).await;
        w2.behave(Behaviour::delay_ms(0));
        w2.release(1);
    };
    let (first, second, ()) = tokio::join!(first, second, change);
    assert_eq!((first.status, second.status), (200.try_into().unwrap(), 200.try_into().unwrap()));

    let before = w1.total();
    delete_pool(&api, &w2).await;
    let seen = w2.total();
    until("the next pool serves its requests", SOON, async || {
        (slotway.get("/made/x").await.status == 200).then_some(())
    })
    .await;
    assert_eq!(w2.total(), seen);
    load.passes(50).await;
    load.finish().await.assert_all_ok();
    assert!(w1.total() > before);
    api.shows_idle(SOON).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_another_matching_pool_requests_of_a_deleted_pool_get_404() {
    let arrivals = Arrivals::default();
    let w1 = TestWorker::start("W1", &arrivals).await;
    let w2 = TestWorker::start("W2", &arrivals).await;
    let setup = Setup::with(&[(&w1, 1)]).pool("match", json!({ "prefix": "/other" }));
    let slotway = Slotway::up(&setup).await;
    let api = slotway.api();
    assert_eq!(slotway.get("/made").await.status, 404);
    make_pool(&api, &w2, 2).await;
    until("the new pool", SOON, async || (slotway.get("/made").await.status == 200).then_some(())).await;
    delete_pool(&api, &w2).await;
    until("the pool is deleted", SOON, async || (slotway.get("/made").await.status == 404).then_some(()))
        .await;
    assert_eq!(slotway.get("/other").await.status, 200);

    // The pool is created again under the same name.
    make_pool(&api, &w2, 1).await;
    until("the pool again", SOON, async || (slotway.get("/made").await.status == 200).then_some(())).await;
    api.shows_idle(SOON).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_is_drained_and_uncordoned_under_load_with_no_failed_request() {
    let arrivals = Arrivals::default();
    let w1 = TestWorker::start("W1", &arrivals).await;
    let w2 = TestWorker::start("W2", &arrivals).await;
    w1.behave(Behaviour::held());
    let slotway = Slotway::up(&Setup::with(&[(&w1, 1), (&w2, 1)])).await;
    let api = slotway.api();
    let load = ClientLoad::start(slotway.address(), 3);
    until("the worker has a request in hand", SOON, async || (w1.current() == 1).then_some(())).await;
    let path = worker_path(&w1.url());
    let state = async || api.get(&path).await.json()["status"]["state"].as_str().unwrap().to_owned();
    ask(&api, "POST", &format!("{path}/drain"), json!({ "reason": "new disk" })).await;
    load.passes(100).await;
    assert_eq!((w1.total(), state().await.as_str()), (1, "cordoned"));
    w1.behave(Behaviour::delay_ms(1));
    w1.release(1);
    until("it is drained", SOON, async || (state().await == "drained").then_some(())).await;
    load.passes(100).await;
    assert_eq!(w1.total(), 1);
    ask(&api, "POST", &format!("{path}/uncordon"), Value::Null).await;
    until("it gets requests again", SOON, async || (w1.total() > 20).then_some(())).await;
    load.finish().await.assert_all_ok();
    assert_eq!((w1.highest(), w2.highest()), (1, 1));
    api.shows_idle(SOON).await;
}
