//! Crashes of lanes: a VM traps within Envoy, which creates a new one. The filter is the test variant (`filter/build.sh test`).

use std::{io, time::Duration};

use http_body_util::Full;
use hyper::{Request, body::Bytes};
use tokio::task::JoinHandle;

use slotway_test_site::{
    Answer, Arrivals, Behaviour, ClientConnection, ClientLoad, ClientProtocol, SOON, Setup, Slotway,
    TestWorker, artefact, get, until,
};

/// Time after which other lanes recover the slots of a crashed lane: the default of `lane_lease`, and a reserve.
const TAKEN_OVER: Duration = Duration::from_secs(15);
/// A new connection is in its thread's count at once.
const COUNTED_WITHIN: Duration = Duration::from_secs(1);
/// Number of connections, so that each lane has some.
const CONNECTIONS_MAX: usize = 64;

async fn up(setup: &Setup) -> Slotway {
    let filter = artefact("SLOTWAY_FILTER_TEST", "target/slotway_filter_test.wasm");
    Slotway::up_with(setup, &["--filter", filter.to_str().unwrap()]).await
}

/// Opens `each` connections on each of the two lanes. A connection stays on its thread.
async fn connections(slotway: &Slotway, each: usize) -> [Vec<ClientConnection>; 2] {
    let mut lanes = [Vec::new(), Vec::new()];
    for _ in 0..CONNECTIONS_MAX {
        let before = active(slotway).await;
        let connection = ClientConnection::open(slotway.address(), ClientProtocol::Http1).await.unwrap();
        let lane = until("the connection is with a thread", SOON, async || {
            let now = active(slotway).await;
            (0..2).find(|lane| now[*lane] > before[*lane])
        });
        // A connection is skipped if the end of another one hid its start.
        let Ok(lane) = tokio::time::timeout(COUNTED_WITHIN, lane).await else { continue };
        lanes[lane].push(connection);
        if lanes.iter().all(|lane| lane.len() >= each) {
            return lanes;
        }
    }
    panic!("one thread has less than {each} of {CONNECTIONS_MAX} connections");
}

/// Returns the number of client connections of each thread.
async fn active(slotway: &Slotway) -> [u64; 2] {
    let stats = slotway.envoy_stats().await;
    let port = slotway.address().port();
    ["worker_0", "worker_1"].map(|thread| {
        let name = format!("listener.127.0.0.1_{port}.{thread}.downstream_cx_active: ");
        stats.lines().find_map(|line| line.strip_prefix(&name)?.parse().ok()).unwrap_or(0)
    })
}

type Sent = JoinHandle<io::Result<Answer>>;

fn send(mut connection: ClientConnection, request: Request<Full<Bytes>>) -> Sent {
    tokio::spawn(async move { connection.send(request).await })
}

/// Crashes the lane of the connection.
async fn kill_lane(connection: ClientConnection) {
    let request = Request::get("/").header("x-slotway-chaos", "request").body(Full::default()).unwrap();
    let got = send(connection, request).await.unwrap();
    assert!(!got.as_ref().is_ok_and(|answer| answer.status == 200), "the lane is alive: {got:?}");
}

fn is_ok(got: &io::Result<Answer>) -> bool {
    got.as_ref().is_ok_and(|answer| answer.status == 200)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_lane_fails_only_its_own_requests_and_their_slots_become_free() {
    let arrivals = Arrivals::default();
    let worker = TestWorker::start("W1", &arrivals).await;
    worker.behave(Behaviour::held());
    let slotway = up(&Setup::with(&[(&worker, 4)]).pool("answer_timeout", "60s")).await;
    let [mut dying, mut living] = connections(&slotway, 2).await;
    let lost = send(dying.pop().unwrap(), get("/lost"));
    let kept = send(living.pop().unwrap(), get("/kept"));
    until("both are at the worker", SOON, async || (worker.current() == 2).then_some(())).await;

    kill_lane(dying.pop().unwrap()).await;
    worker.behave(Behaviour::delay_ms(3));
    worker.release(2);
    assert!(is_ok(&kept.await.unwrap()), "a request of the live lane");
    assert!(!is_ok(&lost.await.unwrap()), "a request of the dead lane");

    // Both threads serve again, the dead lane's with a new VM.
    until("both lanes serve", SOON, async || {
        let [first, second] = connections(&slotway, 1).await;
        for connection in first.into_iter().chain(second) {
            if !is_ok(&send(connection, get("/after")).await.unwrap()) {
                return None;
            }
        }
        Some(())
    })
    .await;
    slotway.api().shows_idle(TAKEN_OVER).await;
    assert!(worker.highest() <= 4);
    worker.forget_highest();
    let load = ClientLoad::start(slotway.address(), 8);
    until("every slot is used", SOON, async || (worker.highest() == 4).then_some(())).await;
    load.finish().await.assert_all_ok();
    assert_eq!(worker.highest(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_for_a_waiter_of_a_dead_lane_is_granted_to_the_next_waiter() {
    let arrivals = Arrivals::default();
    let worker = TestWorker::start("W1", &arrivals).await;
    worker.behave(Behaviour::held());
    let slotway = up(&Setup::with(&[(&worker, 1)]).pool("free_worker_timeout", "30s")).await;
    let api = slotway.api();
    let [mut dying, mut living] = connections(&slotway, 2).await;
    let first = send(living.pop().unwrap(), get("/first"));
    until("the slot is taken", SOON, async || (worker.current() == 1).then_some(())).await;
    let _lost = send(dying.pop().unwrap(), get("/lost"));
    api.shows_waiting(1).await;
    let next = send(living.pop().unwrap(), get("/next"));
    api.shows_waiting(2).await;

    kill_lane(dying.pop().unwrap()).await;
    worker.behave(Behaviour::default());
    worker.release(1);
    assert!(is_ok(&first.await.unwrap()));
    let next = tokio::time::timeout(TAKEN_OVER, next).await.expect("its slot went to the dead lane");
    assert!(is_ok(&next.unwrap()));
    assert_eq!(arrivals.paths(), ["/first", "/next"]);
    api.shows_idle(SOON).await;
    assert_eq!(worker.highest(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiter_of_a_dead_lane_is_ended_by_envoy_soon_after_its_deadline() {
    let arrivals = Arrivals::default();
    let worker = TestWorker::start("W1", &arrivals).await;
    worker.behave(Behaviour::held());
    let slotway = up(&Setup::with(&[(&worker, 1)]).pool("free_worker_timeout", "1s")).await;
    let [mut dying, mut living] = connections(&slotway, 2).await;
    let first = send(living.pop().unwrap(), get("/first"));
    until("the slot is taken", SOON, async || (worker.current() == 1).then_some(())).await;
    let lost = send(dying.pop().unwrap(), get("/lost"));
    slotway.api().shows_waiting(1).await;
    kill_lane(dying.pop().unwrap()).await;
    let lost = tokio::time::timeout(2 * SOON, lost).await.expect("it hangs");
    assert!(!is_ok(&lost.unwrap()));
    worker.release(1);
    assert!(is_ok(&first.await.unwrap()));
    assert_eq!(worker.total(), 1);
}
