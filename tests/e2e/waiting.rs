//! The line: who is served when no slot is free, and who is refused.

use std::time::Duration;

use http_body_util::Full;
use hyper::Request;

use slotway_test_site::{
    Answer, Arrivals, Behaviour, ClientLoad, SOON, Setup, Slotway, TestWorker, get, send, until,
};

/// Slotway with one worker whose only slot is taken, by a request that ends with `worker.release(1)`.
async fn with_its_slot_taken(setup: impl FnOnce(Setup) -> Setup) -> (Slotway, TestWorker, Arrivals) {
    let arrivals = Arrivals::default();
    let worker = TestWorker::start("W1", &arrivals).await;
    worker.behave(Behaviour::held());
    let slotway = Slotway::up(&setup(Setup::with(&[(&worker, 1)]))).await;
    tokio::spawn(send(slotway.address(), get("/first")));
    until("the slot is taken", SOON, async || (worker.current() == 1).then_some(())).await;
    (slotway, worker, arrivals)
}

fn patient_for(wait_ms: u64) -> Request<Full<hyper::body::Bytes>> {
    Request::get("/patient").header("x-slotway-wait-timeout-ms", wait_ms).body(Full::default()).unwrap()
}

/// How late the tests may be told: other tests share the machine. The benchmark measures the filter's own lateness.
const LATE: Duration = Duration::from_millis(400);

#[track_caller]
fn assert_waited(answer: &Answer, wait_ms: u64) {
    let wait = Duration::from_millis(wait_ms);
    assert!(answer.took >= wait, "refused too early: {:?}", answer.took);
    assert!(answer.took < wait + LATE, "refused too late: {:?}", answer.took);
    let waited = answer.json()["waited_ms"].as_u64().unwrap();
    assert!((wait_ms..wait_ms + 400).contains(&waited), "waited_ms is {waited}");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_on_different_threads_are_served_in_order_of_arrival() {
    let (slotway, worker, arrivals) = with_its_slot_taken(|setup| setup).await;
    let api = slotway.api();
    let mut clients = Vec::new();
    let mut sent = vec!["/first".to_owned()];
    for n in 1..=12 {
        let path = format!("/waiter/{n}");
        sent.push(path.clone());
        let address = slotway.address();
        clients.push(tokio::spawn(async move { send(address, get(&path)).await }));
        api.shows_waiting(n).await;
    }
    let stats = slotway.envoy_stats().await;
    for thread in ["worker_0", "worker_1"] {
        let connections = stats
            .lines()
            .filter(|line| line.contains(&format!("{thread}.downstream_cx_active")))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
            .max();
        assert!(connections >= Some(1), "{thread} has none of the clients:\n{stats}");
    }
    worker.release(13);
    for client in clients {
        assert_eq!(client.await.unwrap().unwrap().status, 200);
    }
    assert_eq!(arrivals.paths(), sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_waits_in_vain_gets_503_in_time() {
    let (slotway, worker, _) = with_its_slot_taken(|setup| setup.pool("free_worker_timeout", "700ms")).await;
    let answer = slotway.get("/").await;
    assert_eq!(answer.reason(), "wait_timeout");
    assert_waited(&answer, 700);
    let problem = answer.json();
    assert_eq!(problem["status"], 503);
    for field in ["type", "title"] {
        assert!(problem[field].as_str().is_some_and(|text| !text.is_empty()), "{field} in {problem}");
    }
    assert!(problem["waiting"].is_u64(), "{problem}");
    let retry_after: u64 = answer.header("retry-after").parse().expect("whole seconds in Retry-After");
    assert!(retry_after >= 1);
    assert!(!answer.headers.contains_key("x-envoy-overloaded"));
    assert_eq!(worker.total(), 1, "the worker has seen nothing of it");
    worker.release(1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_can_shorten_its_wait_but_not_lengthen_it() {
    let (slotway, worker, _) = with_its_slot_taken(|setup| setup.pool("free_worker_timeout", "900ms")).await;
    let shorter = send(slotway.address(), patient_for(200)).await.unwrap();
    assert_eq!(shorter.reason(), "wait_timeout");
    assert_waited(&shorter, 200);
    let longer = send(slotway.address(), patient_for(60_000)).await.unwrap();
    assert_eq!(longer.reason(), "wait_timeout");
    assert_waited(&longer, 900);
    worker.release(1);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_wait_of_zero_a_request_without_a_slot_is_refused_at_once() {
    let (slotway, worker, _) = with_its_slot_taken(|setup| setup.pool("free_worker_timeout", "0")).await;
    let answer = slotway.get("/").await;
    assert_eq!(answer.reason(), "wait_timeout");
    assert_waited(&answer, 0);
    worker.behave(Behaviour::default());
    worker.release(1);
    until("the slot is home", SOON, async || (slotway.get("/").await.status == 200).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_line_refuses_the_next_request_at_once() {
    let (slotway, worker, _) = with_its_slot_taken(|setup| setup.pool("max_waiting", 3)).await;
    let api = slotway.api();
    let mut waiters = Vec::new();
    for n in 1..=3 {
        waiters.push(tokio::spawn(send(slotway.address(), get("/waiter"))));
        api.shows_waiting(n).await;
    }
    let refused = slotway.get("/").await;
    assert_eq!(refused.reason(), "queue_full");
    assert_waited(&refused, 0);
    assert_eq!(refused.json()["waiting"], 3);
    worker.release(4);
    for waiter in waiters {
        assert_eq!(waiter.await.unwrap().unwrap().status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_without_workers_refuses_and_says_so() {
    let slotway = Slotway::up(&Setup::default().pool("free_worker_timeout", "300ms")).await;
    assert_eq!(slotway.get("/").await.reason(), "no_workers");
}

#[tokio::test(flavor = "multi_thread")]
async fn under_overload_some_are_served_and_the_rest_are_refused_in_time() {
    let arrivals = Arrivals::default();
    let worker = TestWorker::start("W1", &arrivals).await;
    worker.behave(Behaviour::delay_ms(100));
    let setup = Setup::with(&[(&worker, 2)]).pool("free_worker_timeout", "150ms");
    let slotway = Slotway::up(&setup).await;
    let load = ClientLoad::start(slotway.address(), 20);
    load.passes(200).await;
    let tally = load.finish().await;
    assert!(tally.errors.is_empty(), "{tally:?}");
    assert_eq!(tally.answers.keys().collect::<Vec<_>>(), ["200", "503 wait_timeout"], "{tally:?}");
    assert_eq!(worker.highest(), 2);
    slotway.api().shows_idle(SOON).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_grpc_request_gets_a_grpc_status() {
    let (slotway, worker, _) = with_its_slot_taken(|setup| setup.pool("free_worker_timeout", "0")).await;
    let request = Request::post("/annotator.Annotator/Extract")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Full::default())
        .unwrap();
    let mut connection = slotway_test_site::ClientConnection::open(
        slotway.address(),
        slotway_test_site::ClientProtocol::Http2,
    )
    .await
    .unwrap();
    let answer = connection.send(request).await.unwrap();
    assert_eq!(answer.status, 200, "gRPC says what failed in its own status");
    let status = answer.headers.get("grpc-status").or_else(|| answer.trailers.get("grpc-status"));
    assert_eq!(status.expect("a grpc-status"), "14");
    worker.release(1);
}
