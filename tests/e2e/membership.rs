//! Workers are added and removed under load.

use slotway_test_site::{Arrivals, Behaviour, ClientLoad, SOON, Setup, Slotway, TestWorker, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_is_added_and_another_removed_under_load_with_no_failed_request() {
    let arrivals = Arrivals::default();
    let w1 = TestWorker::start("W1", &arrivals).await;
    let w2 = TestWorker::start("W2", &arrivals).await;
    w1.behave(Behaviour::delay_ms(3));
    w2.behave(Behaviour::delay_ms(3));
    let slotway = Slotway::up(&Setup::with(&[(&w1, 2)])).await;
    let api = slotway.api();
    let load = ClientLoad::start(slotway.address(), 12);
    load.passes(100).await;

    api.set(&[(&w2.url(), 3)]).await;
    until("the new worker gets requests", SOON, async || (w2.total() >= 100).then_some(())).await;

    api.remove(&w1.url()).await;
    let url = w1.url();
    api.shows("the removal of the worker", |workers| workers.iter().all(|worker| worker.worker != url)).await;
    let seen = w1.total();
    w1.kill().await;
    load.passes(300).await;
    load.finish().await.assert_all_ok();
    assert_eq!(arrivals.all().iter().filter(|arrival| arrival.worker == "W1").count(), seen);
    assert_eq!(w2.highest(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_worker_finishes_its_requests_in_flight() {
    let arrivals = Arrivals::default();
    let w1 = TestWorker::start("W1", &arrivals).await;
    let w2 = TestWorker::start("W2", &arrivals).await;
    w1.behave(Behaviour::held());
    let slotway = Slotway::up(&Setup::with(&[(&w1, 1), (&w2, 1)])).await;
    let api = slotway.api();
    let load = ClientLoad::start(slotway.address(), 3);
    until("the worker has a request in hand", SOON, async || (w1.current() == 1).then_some(())).await;
    api.remove(&w1.url()).await;
    let url = w1.url();
    api.shows("the removed worker draining", |workers| {
        workers.iter().any(|worker| worker.worker == url && worker.state == "draining")
    })
    .await;
    load.passes(100).await;
    assert_eq!((w1.current(), w1.total()), (1, 1));
    w1.release(1);
    api.shows("the removal of the worker", |workers| workers.iter().all(|worker| worker.worker != url)).await;
    load.finish().await.assert_all_ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_removed_and_added_again_serves() {
    let arrivals = Arrivals::default();
    let worker = TestWorker::start("W1", &arrivals).await;
    let slotway = Slotway::up(&Setup::with(&[(&worker, 2)])).await;
    let api = slotway.api();
    for _ in 0..3 {
        api.remove(&worker.url()).await;
        api.shows("no worker", |workers| workers.is_empty()).await;
        api.set(&[(&worker.url(), 2)]).await;
        api.shows("the worker active again", |workers| workers.len() == 1 && workers[0].is_idle()).await;
        assert_eq!(slotway.get("/").await.status, 200);
    }
}
