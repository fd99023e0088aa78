//! Workers that cannot be reached, and workers that answer with errors of their own.

use hyper::body::Bytes;

use slotway_test_site::{
    Arrivals, Behaviour, ClientLoad, Reply, SOON, Setup, Slotway, TestWorker, fresh_address, until,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_worker_is_parked_while_the_others_go_on_and_serves_again_once_it_is_back() {
    let arrivals = Arrivals::default();
    let w1 = TestWorker::start_at("W1", &arrivals, fresh_address()).await;
    let w2 = TestWorker::start("W2", &arrivals).await;
    w1.behave(Behaviour::delay_ms(3));
    w2.behave(Behaviour::delay_ms(3));
    let slotway = Slotway::up(&Setup::with(&[(&w1, 3), (&w2, 2)])).await;
    let api = slotway.api();
    let url = w1.url();
    let load = ClientLoad::start(slotway.address(), 8);
    load.passes(100).await;

    let address = w1.kill().await;
    api.shows("the killed worker parked", |workers| {
        workers.iter().any(|worker| worker.worker == url && worker.state == "parked")
    })
    .await;
    load.passes(200).await;

    let back = TestWorker::start_at("W1", &arrivals, address).await;
    until("the worker serves again", 3 * SOON, async || (back.total() >= 50).then_some(())).await;
    api.shows("both workers active", |workers| workers.iter().all(|worker| worker.state == "active")).await;

    let tally = load.finish().await;
    assert!(tally.errors.is_empty(), "{tally:?}");
    assert_eq!(tally.answers.keys().collect::<Vec<_>>(), ["200", "503 worker_unreachable"], "{tally:?}");
    // What was in hand when it died, what had been sent to it by then, and the probes.
    assert!(tally.answers["503 worker_unreachable"] < 30, "{tally:?}");
    assert_eq!((back.highest(), w2.highest()), (3, 2));
    api.shows_idle(SOON).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_without_a_listener_gives_worker_unreachable_and_then_its_requests_wait() {
    let address = fresh_address();
    let setup = Setup::default().worker(&format!("http://{address}"), 1).pool("free_worker_timeout", "20s");
    let slotway = Slotway::up(&setup).await;
    let refused = slotway.get("/").await;
    assert_eq!(refused.reason(), "worker_unreachable");
    assert!(!refused.header("retry-after").is_empty());
    let arrivals = Arrivals::default();
    let _worker = TestWorker::start_at("W1", &arrivals, address).await;
    until("a request is served", 2 * SOON, async || (slotway.get("/").await.status == 200).then_some(()))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_closes_before_it_answers_gives_worker_unreachable() {
    let arrivals = Arrivals::default();
    let worker = TestWorker::start("W1", &arrivals).await;
    worker.behave(Behaviour::reply(Reply::ResetBeforeAnswer));
    let slotway = Slotway::up(&Setup::with(&[(&worker, 2)])).await;
    assert_eq!(slotway.get("/").await.reason(), "worker_unreachable");
    worker.behave(Behaviour::default());
    slotway.api().shows_idle(SOON).await;
    assert_eq!(slotway.get("/").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_breaks_off_reaches_the_client_as_broken_and_frees_the_slot() {
    let arrivals = Arrivals::default();
    let worker = TestWorker::start("W1", &arrivals).await;
    let slotway = Slotway::up(&Setup::with(&[(&worker, 1)])).await;
    worker.behave(Behaviour::reply(Reply::ResetMidAnswer));
    let broken = slotway_test_site::send(slotway.address(), slotway_test_site::get("/")).await;
    assert!(broken.is_err(), "half an answer passed for a whole one: {broken:?}");
    worker.behave(Behaviour::default());
    assert_eq!(slotway.get("/").await.status, 200);
    slotway.api().shows_idle(SOON).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workers_own_errors_pass_through_and_do_not_park_it() {
    let arrivals = Arrivals::default();
    let worker = TestWorker::start("W1", &arrivals).await;
    let slotway = Slotway::up(&Setup::with(&[(&worker, 1)])).await;
    for status in [500, 503, 404, 429] {
        let headers = vec![("x-own", "yes"), ("retry-after", "77")];
        let body = Bytes::from_static(b"the worker's own words");
        worker.behave(Behaviour::reply(Reply::Whole(status, headers, body.clone())));
        for _ in 0..3 {
            let answer = slotway.get("/").await;
            assert_eq!(answer.status, status);
            assert_eq!(answer.body, body);
            assert_eq!((answer.header("x-own"), answer.header("retry-after")), ("yes", "77"));
        }
    }
    assert_eq!(worker.total(), 12, "nothing was tried twice");
    slotway.api().shows_idle(SOON).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_takes_too_long_gives_504_and_frees_the_slot() {
    let arrivals = Arrivals::default();
    let worker = TestWorker::start("W1", &arrivals).await;
    worker.behave(Behaviour::held());
    let slotway = Slotway::up(&Setup::with(&[(&worker, 1)]).pool("answer_timeout", "300ms")).await;
    let answer = slotway.get("/").await;
    assert_eq!(answer.status, 504, "{}", answer.text());
    worker.behave(Behaviour::default());
    assert_eq!(slotway.get("/").await.status, 200);
    slotway.api().shows_idle(SOON).await;
}
