//! The shutdown of `slotway up` while requests are under way.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;
use tokio::net::TcpStream;

use slotway_test_site::{Arrivals, Behaviour, SOON, Setup, Slotway, TestWorker, get, send, until};

/// Starts Slotway with a worker of one slot. One request occupies the slot and one waits; `worker.release(2)` ends
/// both.
async fn busy(within: &str) -> (Slotway, TestWorker, [tokio::task::JoinHandle<Option<u16>>; 2]) {
    let worker = TestWorker::start("W1", &Arrivals::default()).await;
    worker.behave(Behaviour::held());
    let setup = Setup::with(&[(&worker, 1)]).top("shutdown", json!({ "within": within }));
    let slotway = Slotway::up(&setup).await;
    let address = slotway.address();
    let request = |path: &'static str| async move {
        send(address, get(path)).await.ok().map(|answer| answer.status.as_u16())
    };
    let running = tokio::spawn(request("/running"));
    until("the slot is taken", SOON, async || (worker.current() == 1).then_some(())).await;
    let waiting = tokio::spawn(request("/waiting"));
    slotway.api().shows_waiting(1).await;
    (slotway, worker, [running, waiting])
}

#[tokio::test(flavor = "multi_thread")]
async fn running_and_waiting_requests_are_answered_and_no_new_one_is_accepted() {
    let (mut slotway, worker, [running, waiting]) = busy("60s").await;
    slotway.process.signal(Signal::TERM);
    let address = slotway.address();
    until("the port is closed", SOON, async || TcpStream::connect(address).await.err().map(drop)).await;
    assert!(slotway.process.has_ended().is_none());
    worker.release(1);
    assert_eq!(running.await.unwrap(), Some(200));
    // The released slot is still granted to the waiting request.
    until("the second request is at the worker", SOON, async || (worker.total() == 2).then_some(())).await;
    worker.release(1);
    assert_eq!(waiting.await.unwrap(), Some(200));
    assert_eq!(slotway.process.ended(SOON).await.code(), Some(0));
    assert!(!slotway.process.output().contains("cut off"), "{}", slotway.process.output());
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_do_not_end_are_cut_off_at_the_time_limit_with_a_message() {
    let (mut slotway, _worker, [running, waiting]) = busy("300ms").await;
    slotway.process.signal(Signal::TERM);
    assert_eq!(slotway.process.ended(Duration::from_secs(20)).await.code(), Some(0));
    slotway.process.says("2 requests are cut off: they have not ended within 0.3 s", SOON).await;
    assert_ne!(running.await.unwrap(), Some(200));
    assert_ne!(waiting.await.unwrap(), Some(200));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_all_at_once() {
    let (mut slotway, _worker, _requests) = busy("1h").await;
    let (address, admin) = (slotway.address(), slotway.addresses().admin);
    slotway.process.signal(Signal::TERM);
    until("the port is closed", SOON, async || TcpStream::connect(address).await.err().map(drop)).await;
    slotway.process.signal(Signal::INT);
    assert_eq!(slotway.process.ended(SOON).await.code(), Some(143));
    until("Envoy has ended", SOON, async || TcpStream::connect(admin).await.err().map(drop)).await;
}
