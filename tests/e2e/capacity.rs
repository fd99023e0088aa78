//! No worker ever has more requests in flight than its capacity, by its own count.

use std::time::{Duration, Instant};

use slotway_test_site::{Arrivals, Behaviour, ClientLoad, SOON, Setup, Slotway, TestWorker, until};

async fn ten_times_overload(lanes: u32) {
    let arrivals = Arrivals::default();
    let w1 = TestWorker::start("W1", &arrivals).await;
    let w2 = TestWorker::start("W2", &arrivals).await;
    w1.behave(Behaviour::delay_ms(2));
    w2.behave(Behaviour::delay_ms(5));
    let slotway = Slotway::up(&Setup::with(&[(&w1, 3), (&w2, 4)]).lanes(lanes)).await;
    let load = ClientLoad::start(slotway.address(), 70);
    load.passes(3_000).await;
    load.finish().await.assert_all_ok();
    assert_eq!((w1.highest(), w2.highest()), (3, 4), "every slot was used, and none twice at once");
    slotway.api().shows_idle(SOON).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_times_overload_on_two_threads_exceeds_no_capacity() {
    ten_times_overload(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_times_overload_on_four_threads_exceeds_no_capacity() {
    ten_times_overload(4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_capacity_raised_and_lowered_under_load_is_obeyed() {
    let arrivals = Arrivals::default();
    let worker = TestWorker::start("W1", &arrivals).await;
    worker.behave(Behaviour::delay_ms(5));
    let slotway = Slotway::up(&Setup::with(&[(&worker, 2)])).await;
    let api = slotway.api();
    let load = ClientLoad::start(slotway.address(), 20);
    load.passes(100).await;
    assert_eq!(worker.highest(), 2);

    api.set(&[(&worker.url(), 6)]).await;
    until("the worker has six requests in hand", SOON, async || (worker.highest() == 6).then_some(())).await;
    load.passes(200).await;
    assert_eq!(worker.highest(), 6);

    api.set(&[(&worker.url(), 1)]).await;
    api.shows("the lower capacity in force", |workers| {
        workers[0].capacity == Some(1) && workers[0].state == "active"
    })
    .await;
    worker.forget_highest();
    load.passes(100).await;
    assert_eq!(worker.highest(), 1);
    load.finish().await.assert_all_ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lowered_capacity_lets_requests_in_flight_finish_and_sends_no_new_ones() {
    let arrivals = Arrivals::default();
    let worker = TestWorker::start("W1", &arrivals).await;
    worker.behave(Behaviour::held());
    let slotway = Slotway::up(&Setup::with(&[(&worker, 3)])).await;
    let load = ClientLoad::start(slotway.address(), 5);
    until("three in hand", SOON, async || (worker.current() == 3).then_some(())).await;
    let api = slotway.api();
    api.set(&[(&worker.url(), 1)]).await;
    api.shows("the worker draining", |workers| workers[0].state == "draining").await;
    // Two slots are retired when they are released; the third goes to the first of the two waiters.
    worker.release(2);
    until("one in hand", SOON, async || (worker.current() == 1).then_some(())).await;
    api.shows("the worker active again", |workers| {
        workers[0].state == "active" && workers[0].in_flight == Some(1)
    })
    .await;
    assert_eq!(worker.total(), 3, "no new request arrived while the worker was above its capacity");
    worker.behave(Behaviour::default());
    worker.release(1);
    load.passes(20).await;
    load.finish().await.assert_all_ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_in_force_in_envoy_within_100_ms() {
    let arrivals = Arrivals::default();
    let worker = TestWorker::start("W1", &arrivals).await;
    worker.behave(Behaviour::held());
    let slotway = Slotway::up(&Setup::with(&[(&worker, 1)])).await;
    let load = ClientLoad::start(slotway.address(), 8);
    until("one in hand", SOON, async || (worker.current() == 1).then_some(())).await;
    let api = slotway.api();
    let mut took: Vec<Duration> = Vec::new();
    for capacity in 2..=6 {
        let started = Instant::now();
        api.set(&[(&worker.url(), capacity)]).await;
        let wanted = capacity as usize;
        until("one more in hand", SOON, async || (worker.current() == wanted).then_some(())).await;
        took.push(started.elapsed());
    }
    took.sort();
    // The median, since other tests share the machine.
    assert!(took[2] < Duration::from_millis(100), "{took:?}");
    worker.behave(Behaviour::default());
    worker.release(8);
    load.finish().await.assert_all_ok();
}
