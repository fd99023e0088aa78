//! Restarts and pushes of the control plane while Envoy serves.

use std::time::Duration;

use rustix::process::Signal;

use slotway_test_site::{
    Arrivals, Behaviour, ClientLoad, SOON, ServedApart, Setup, Slotway, TestWorker, until,
};

#[tokio::test(flavor = "multi_thread")]
async fn envoy_keeps_serving_while_the_control_plane_is_killed_and_restarted() {
    let arrivals = Arrivals::default();
    let worker = TestWorker::start("W1", &arrivals).await;
    let added = TestWorker::start("W2", &arrivals).await;
    worker.behave(Behaviour::delay_ms(3));
    added.behave(Behaviour::delay_ms(3));
    let mut slotway = ServedApart::start(&Setup::with(&[(&worker, 2)])).await;
    // Changes over REST survive the restart as well.
    slotway.api().set(&[(&added.url(), 2)]).await;
    slotway
        .api()
        .shows("both workers", |workers| workers.len() == 2 && workers.iter().all(|w| w.is_idle()))
        .await;
    let load = ClientLoad::start(slotway.address(), 10);
    load.passes(100).await;

    slotway.control_plane.signal(Signal::KILL);
    slotway.control_plane.ended(SOON).await;
    load.passes(500).await;
    let stats_before = slotway.updates().await;

    slotway.start_control_plane().await;
    slotway
        .api()
        .shows("live figures of both workers", |workers| {
            workers.len() == 2 && workers.iter().all(|w| w.state == "active" && w.in_flight.is_some())
        })
        .await;
    load.passes(200).await;
    assert_eq!(slotway.updates().await, stats_before, "the restart pushed clusters or listeners anew");

    slotway.api().set(&[(&worker.url(), 4)]).await;
    until("the new capacity is in use", SOON, async || (worker.highest() == 4).then_some(())).await;
    load.finish().await.assert_all_ok();
    slotway.api().shows_idle(SOON).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_every_20_ms_for_10_seconds_under_load_fails_no_request() {
    let arrivals = Arrivals::default();
    let w1 = TestWorker::start("W1", &arrivals).await;
    let w2 = TestWorker::start("W2", &arrivals).await;
    w1.behave(Behaviour::delay_ms(2));
    w2.behave(Behaviour::delay_ms(2));
    let slotway = Slotway::up(&Setup::with(&[(&w1, 3), (&w2, 4)])).await;
    let api = slotway.api();
    let load = ClientLoad::start(slotway.address(), 20);
    load.passes(100).await;
    let mut every = tokio::time::interval(Duration::from_millis(20));
    for push in 0..500 {
        every.tick().await;
        let more = push % 4;
        api.set(&[(&w1.url(), 3 + more), (&w2.url(), 5 - more)]).await;
    }
    load.passes(100).await;
    load.finish().await.assert_all_ok();
    assert!(w1.highest() <= 6 && w2.highest() <= 5, "{} and {}", w1.highest(), w2.highest());
    api.shows_idle(SOON).await;
    let stats = slotway.envoy_stats().await;
    let rejected = stats.lines().filter(|line| line.contains("update_rejected") && !line.ends_with(": 0"));
    assert_eq!(rejected.collect::<Vec<_>>(), Vec::<&str>::new());
}
