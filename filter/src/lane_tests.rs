//! The components of a lane together, over the host in memory.

use slotway_config::Report;

use super::Lane;
use crate::{
    abi::LogLevel,
    host::fake::{FakeHost, Fate},
    mark,
};

const ROOT: u32 = 1;
const WORKER: &str = "http://w1.test:9000";
/// A status that is neither "not found" nor a lost exchange.
const INTERNAL_FAILURE: i32 = 10;

/// One lane in its host.
struct TestLane {
    host: FakeHost,
    lane: Lane<FakeHost>,
}

impl TestLane {
    fn new(host: FakeHost) -> Self {
        Self { lane: Lane::new(host.clone()), host }
    }

    /// Runs a callback of a context.
    fn call<R>(&mut self, context: u32, act: impl FnOnce(&mut Lane<FakeHost>) -> R) -> R {
        self.host.enter(context);
        self.lane.begin_callback(context);
        let result = act(&mut self.lane);
        self.lane.end_callback();
        result
    }

    fn configure(&mut self, generation: u64, pools: &str) {
        let config = format!(
            r#"{{"generation":{generation},"coordinator":"edge","report_cluster":"xds","pools":{pools}}}"#
        );
        let is_taken = self.call(ROOT, |lane| lane.on_configure(ROOT, Ok(config.into_bytes())));
        assert!(is_taken, "{:?}", self.host.log_from(LogLevel::Debug));
        self.tick();
    }

    fn tick(&mut self) {
        self.call(ROOT, Lane::on_tick);
    }

    /// Sends a request. Returns whether it goes to its worker at once.
    fn request(&mut self, context: u32) -> bool {
        self.host.open_stream(context, &[(":path", "/")]);
        self.call(context, |lane| lane.on_request(context))
    }

    /// The worker answers a request, whose stream then ends.
    fn answer(&mut self, context: u32) {
        self.host.set_response_header(context, ":status", "200");
        self.host.set_response_header(context, "content-type", "text/plain");
        self.call(context, |lane| lane.on_answer_headers(context, false));
        self.call(context, |lane| lane.on_answer_body(context, 1, true));
        self.end(context);
    }

    /// A stream ends.
    fn end(&mut self, context: u32) {
        self.call(context, |lane| lane.on_stream_end(context));
        self.host.close_stream(context);
    }

    fn wake(&mut self) {
        self.call(ROOT, Lane::on_wake_up);
    }

    fn is_resumed(&self, context: u32) -> bool {
        self.host.fate(context) == Fate::Resumed
    }

    fn errors(&self) -> Vec<String> {
        self.host.log_from(LogLevel::Error)
    }
}

fn pool_of(capacity: u32) -> String {
    format!(
        r#"[{{"name":"ocr","free_worker_timeout":"10s","workers":[{{"worker":"{WORKER}","capacity":{capacity},"connections":"reuse"}}]}}]"#
    )
}

/// Returns a lane with one pool of one worker, to which each request has a connection of its own.
fn lane_per_request() -> TestLane {
    let mut lane = TestLane::new(FakeHost::new());
    lane.configure(1, &pool_of(1).replace(r#","connections":"reuse""#, ""));
    lane
}

/// Returns lanes with one pool of one worker.
fn lanes<const N: usize>(capacity: u32) -> [TestLane; N] {
    let host = FakeHost::new();
    std::array::from_fn(|_| {
        let mut lane = TestLane::new(host.another_vm());
        lane.configure(1, &pool_of(capacity));
        lane
    })
}

#[test]
fn a_request_that_finds_a_slot_is_addressed_to_its_worker_and_marked() {
    let [mut lane] = lanes(1);
    assert!(lane.request(10));
    assert_eq!(lane.host.request_header(10, "x-slotway-worker").as_deref(), Some(WORKER));
    let mark = mark::Mark::decode(&lane.host.stream_property(10, mark::PROPERTY).unwrap()).unwrap();
    assert_eq!((Some(mark.lane), mark.serial, mark.pool.as_str()), (lane.lane.number(), 1, "ocr"));
}

#[test]
fn a_slot_goes_to_a_waiter_of_the_same_lane_within_the_callback_that_frees_it() {
    let [mut lane] = lanes(1);
    assert!(lane.request(10));
    assert!(!lane.request(11));
    assert_eq!(lane.host.fate(11), Fate::Paused);
    lane.answer(10);
    assert!(lane.is_resumed(11));
    assert_eq!(lane.host.request_header(11, "x-slotway-worker").as_deref(), Some(WORKER));
    assert_eq!(lane.errors(), Vec::<String>::new());
}

#[test]
fn a_slot_with_a_connection_of_its_own_is_free_after_the_callback_that_ends_its_answer() {
    let mut lane = lane_per_request();
    assert!(lane.request(10));
    assert!(!lane.request(11));
    lane.answer(10);
    assert_eq!(lane.host.fate(11), Fate::Paused, "the connection is still open");
    lane.wake();
    assert!(lane.is_resumed(11));
    lane.answer(11);
    lane.wake();
    assert!(lane.request(12), "the slot is back");
    assert_eq!(lane.errors(), Vec::<String>::new());
}

#[test]
fn a_slot_whose_message_is_lost_is_free_with_the_next_tick() {
    let mut lane = lane_per_request();
    assert!(lane.request(10));
    lane.answer(10);
    let lost = lane.host.empty_queues();
    assert_eq!(lost, 1);
    assert!(!lane.request(11));
    lane.host.advance(1_000);
    lane.tick();
    assert!(lane.is_resumed(11));
}

#[test]
fn a_slot_whose_message_cannot_be_sent_is_free_with_the_next_tick() {
    let mut lane = lane_per_request();
    assert!(lane.request(10));
    lane.host.refuse("enqueue", 1, INTERNAL_FAILURE);
    lane.answer(10);
    assert!(!lane.request(11));
    assert_eq!(lane.host.timer_ms(ROOT), Some(1));
    lane.host.advance(4);
    lane.tick();
    assert!(lane.is_resumed(11));
}

#[test]
fn a_setting_of_connections_applies_to_the_next_request_of_a_known_worker() {
    let mut lane = lane_per_request();
    assert!(lane.request(10));
    lane.answer(10);
    lane.wake();
    lane.configure(2, &pool_of(1));
    assert!(lane.request(11));
    lane.answer(11);
    assert!(lane.request(12), "the slot is free at once");
}

#[test]
fn a_slot_goes_to_a_waiter_of_another_lane_through_its_queue() {
    let [mut first, mut second] = lanes(1);
    assert!(first.request(10));
    assert!(!second.request(20));
    first.answer(10);
    assert!(!second.is_resumed(20));
    second.wake();
    assert!(second.is_resumed(20));
}

#[test]
fn a_grant_whose_waiter_is_gone_goes_to_the_next_waiter() {
    let [mut first, mut second] = lanes(1);
    assert!(first.request(10));
    assert!(!second.request(20));
    assert!(!first.request(11));
    // The slot is on its way to the second lane when its waiter leaves.
    first.answer(10);
    second.end(20);
    second.wake();
    first.wake();
    assert!(first.is_resumed(11));
    first.answer(11);
    assert!(second.request(21), "the slot is back");
}

#[test]
fn a_waiter_whose_stream_is_gone_does_not_keep_the_slot() {
    let [mut lane] = lanes(1);
    assert!(lane.request(10));
    assert!(!lane.request(11));
    assert!(!lane.request(12));
    // The host knows the stream no more, and has not told the lane yet.
    lane.host.close_stream(11);
    lane.answer(10);
    assert!(lane.is_resumed(12));
}

#[test]
fn a_release_that_the_host_refuses_is_tried_again() {
    let [mut lane] = lanes(1);
    assert!(lane.request(10));
    lane.host.refuse("set shared data", 2, INTERNAL_FAILURE);
    lane.answer(10);
    assert_eq!(lane.errors().len(), 1, "{:?}", lane.errors());
    assert!(!lane.request(11), "the slot is still out");
    assert_eq!(lane.host.timer_ms(ROOT), Some(1));
    for _ in 0..3 {
        lane.host.advance(4);
        lane.tick();
    }
    assert!(lane.is_resumed(11));
}

#[test]
fn a_waiter_that_cannot_leave_the_line_leaves_it_later() {
    let [mut lane] = lanes(1);
    assert!(lane.request(10));
    assert!(!lane.request(11));
    lane.host.refuse("set shared data", 1, INTERNAL_FAILURE);
    lane.end(11);
    lane.host.advance(2);
    lane.tick();
    lane.answer(10);
    assert!(lane.request(12), "no waiter is left in the line");
}

#[test]
fn a_wake_up_that_cannot_be_sent_gives_the_slot_to_the_next_waiter() {
    let [mut first, mut second] = lanes(1);
    assert!(first.request(10));
    assert!(!second.request(20));
    assert!(!first.request(11));
    first.host.refuse("enqueue", 1, INTERNAL_FAILURE);
    first.answer(10);
    assert!(first.is_resumed(11));
}

#[test]
fn a_waiter_gets_a_local_reply_at_its_deadline() {
    let [mut lane] = lanes(1);
    assert!(lane.request(10));
    assert!(!lane.request(11));
    lane.host.advance(9_999);
    lane.tick();
    assert_eq!(lane.host.fate(11), Fate::Paused);
    lane.host.advance(1);
    lane.tick();
    let Fate::Replied(503, body) = lane.host.fate(11) else { panic!("{:?}", lane.host.fate(11)) };
    assert!(body.contains(r#""reason":"wait_timeout","waited_ms":10000"#), "{body}");
    lane.host.advance(200);
    lane.tick();
    assert_eq!(lane.host.metric("slotway_requests_total.pool=ocr.outcome=wait_timeout"), Some(1));
}

#[test]
fn a_client_may_ask_for_a_shorter_wait() {
    let [mut lane] = lanes(1);
    assert!(lane.request(10));
    for (context, asked, status) in [(11, "0", 503), (12, "soon", 400)] {
        lane.host.open_stream(context, &[(":path", "/"), ("x-slotway-wait-timeout-ms", asked)]);
        assert!(!lane.call(context, |lane| lane.on_request(context)));
        assert_eq!(lane.host.fate(context), Fate::Paused, "not within the callback");
        lane.wake();
        assert!(matches!(lane.host.fate(context), Fate::Replied(of, _) if of == status), "{asked}");
    }
}

#[test]
fn the_last_worker_that_goes_ends_all_waits() {
    let [mut lane] = lanes(1);
    assert!(lane.request(10));
    assert!(!lane.request(11));
    lane.configure(2, r#"[{"name":"ocr","workers":[]}]"#);
    let Fate::Replied(503, body) = lane.host.fate(11) else { panic!("{:?}", lane.host.fate(11)) };
    assert!(body.contains(r#""reason":"no_workers""#), "{body}");
}

#[test]
fn a_slot_of_an_abandoned_request_is_held_until_the_next_tick() {
    let [mut lane] = lanes(1);
    assert!(lane.request(10));
    lane.end(10);
    assert!(!lane.request(11));
    lane.host.advance(1);
    lane.tick();
    assert!(lane.is_resumed(11));
}

#[test]
fn the_reporting_lane_releases_the_slot_of_a_dead_lane_when_its_request_is_over() {
    let [mut living, mut dying] = lanes(1);
    living.tick();
    assert!(dying.request(20));
    let mark = dying.host.stream_property(20, mark::PROPERTY).unwrap();
    drop(dying);
    assert!(!living.request(10));
    let beat = |lane: &mut TestLane| {
        lane.host.advance(1_000);
        lane.tick();
    };
    (0..6).for_each(|_| beat(&mut living));
    assert!(living.host.log_from(LogLevel::Warn).iter().any(|line| line.contains("lane 1 has died")));
    assert_eq!(living.host.fate(10), Fate::Paused);
    // The witness tells of the end of the dead lane's request.
    let mut witness = crate::witness::Witness::new(living.host.another_vm());
    witness.send(&mark);
    (0..3).for_each(|_| beat(&mut living));
    assert!(living.is_resumed(10));
}

#[test]
fn one_lane_reports_for_all() {
    let [first, second] = lanes(3);
    let reports: Vec<Report> = [&first, &second]
        .iter()
        .flat_map(|lane| lane.host.calls("xds"))
        .map(|body| serde_json::from_slice(&body).unwrap())
        .collect();
    let [report] = &reports[..] else { panic!("{reports:?}") };
    assert_eq!((report.coordinator.as_str(), report.full, report.generation), ("edge", true, 1));
    assert_eq!((report.pools[0].free, report.pools[0].workers.len()), (3, 1));
}
