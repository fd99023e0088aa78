//! Connections at workers that assign a thread to each connection: never more of them than the capacity.
//!
//! cpp-httplib#1891, llama.cpp#5794: a proxy that keeps idle connections open to a worker with four threads takes the threads
//! away from its requests.

use std::time::Duration;

use serde_json::json;
use slotway_test_site::{
    ClientLoad, ConnectionWorker, FieldProgram, SOON, Setup, Slotway, get, open_raw, send, until,
};

const DELAY: Duration = Duration::from_millis(5);
/// Envoy's threads.
const LANES: u32 = 4;

async fn up(setup: Setup) -> Slotway {
    Slotway::up(&setup.lanes(LANES)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_never_has_more_connections_than_its_capacity() {
    let (one, four) = (ConnectionWorker::start(DELAY), ConnectionWorker::start(DELAY));
    let slotway = up(Setup::default().worker(&one.url(), 1).worker(&four.url(), 4)).await;
    let load = ClientLoad::start(slotway.address(), 12);
    load.passes(1_500).await;
    load.finish().await.assert_all_ok();
    assert_eq!((one.highest(), four.highest()), (1, 4));
    assert!(one.total() > 100 && four.total() > 500, "each request has a connection of its own");
    slotway.api().shows_idle(SOON).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_connections_are_reused_may_have_one_for_each_thread_and_slot() {
    let worker = ConnectionWorker::start(DELAY);
    let entry = json!({ "worker": worker.url(), "capacity": 4, "connections": "reuse" });
    let slotway = up(Setup::default().worker_entry(entry)).await;
    let load = ClientLoad::start(slotway.address(), 12);
    load.passes(1_500).await;
    load.finish().await.assert_all_ok();
    assert!(worker.highest() > 4, "this is why `per_request` is the default: {}", worker.highest());
    assert!(worker.total() < 500, "connections are reused: {}", worker.total());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_setting_changes_while_requests_run() {
    let worker = ConnectionWorker::start(DELAY);
    let slotway = up(Setup::default().worker(&worker.url(), 2)).await;
    let load = ClientLoad::start(slotway.address(), 6);
    for connections in ["reuse", "per_request", "reuse"] {
        load.passes(200).await;
        let entry = json!({ "worker": worker.url(), "capacity": 2, "connections": connections });
        let answer = slotway.api().request("POST", "/coordinator/workers", json!([entry]).to_string()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    load.passes(200).await;
    load.finish().await.assert_all_ok();
    slotway.api().shows_idle(SOON).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_with_one_thread_for_all_connections_answers_serial_requests_of_many_clients() {
    // cpp-httplib#1891 with Python's server: a second thread of Envoy waits for the idle connection of the first.
    let worker = FieldProgram::python("python", &["{field}/one_connection.py", "{port}"]).await;
    // An idle connection would be closed after a second, and requests would time out before.
    let setup = Setup::default().worker(&worker.url(), 1).pool("answer_timeout", "700ms");
    let slotway = up(setup).await;
    for number in 0..60 {
        let answer = send(slotway.address(), get(&format!("/{number}"))).await.unwrap();
        assert_eq!(answer.status, 200, "request {number}: {}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn uvicorn_with_a_limit_of_connections_refuses_none() {
    // `--limit-concurrency` counts connections, idle ones too, and uvicorn answers 503 from the limit on.
    let arguments =
        ["slow_asgi:app", "--port", "{port}", "--limit-concurrency", "5", "--log-level", "warning"];
    let worker = FieldProgram::python("uvicorn", &arguments).await;
    let slotway = up(Setup::default().worker(&worker.url(), 4)).await;
    let load = ClientLoad::start(slotway.address(), 16);
    load.passes(800).await;
    load.finish().await.assert_all_ok();
    assert_eq!(worker.output(), "", "it has no complaint");
}

#[tokio::test(flavor = "multi_thread")]
async fn cpp_httplib_with_as_many_threads_as_slots_keeps_no_request_waiting_behind_an_idle_connection() {
    let worker = FieldProgram::compiled("four_threads", &["{port}"]).await;
    // Behind an idle connection, a request would wait for up to a second.
    let setup = Setup::default().worker(&worker.url(), 4).pool("answer_timeout", "700ms");
    let slotway = up(setup).await;
    let load = ClientLoad::start(slotway.address(), 6);
    load.passes(800).await;
    load.finish().await.assert_all_ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_gives_its_connection_back_with_its_slot() {
    let worker = ConnectionWorker::start(Duration::from_millis(300));
    let slotway = up(Setup::default().worker(&worker.url(), 1)).await;
    for _ in 0..5 {
        let before = worker.total();
        let client = open_raw(slotway.address(), "/").await.unwrap();
        until("it is at the worker", SOON, async || (worker.total() > before).then_some(())).await;
        drop(client);
    }
    assert_eq!(send(slotway.address(), get("/")).await.unwrap().status, 200);
    assert_eq!(worker.highest(), 1);
    slotway.api().shows_idle(SOON).await;
}
