//! The 503, and when it comes.

use slotway_tests::{
    host::{ReplyBy, RequestState},
    world::{World, get, ms, pool},
};

use crate::W1;

fn full(lanes: usize, change: impl FnOnce(&mut slotway_config::Pool)) -> World {
    let mut setup = pool(&[(W1, 1)]);
    change(&mut setup);
    let mut world = World::new(lanes, setup);
    world.send(0);
    world
}

#[test]
fn a_waiter_is_refused_exactly_at_its_deadline() {
    let mut world = full(2, |pool| pool.free_worker_timeout = ms(500));
    let waiting = world.send(1);
    world.advance(499);
    assert!(world.waits(waiting));
    world.advance(1);
    assert_eq!(world.refusal(waiting).as_deref(), Some("wait_timeout"));
    assert_eq!(world.survey().waiting, 0);
}

#[test]
fn each_waiter_has_its_own_deadline() {
    let mut world = full(2, |pool| pool.free_worker_timeout = ms(100));
    let mut waiting = Vec::new();
    for number in 0..10 {
        waiting.push((world.host.now_ms() + 100, world.send(number % 2)));
        world.advance(7);
    }
    world.advance(200);
    for (deadline_ms, stream) in waiting {
        assert_eq!(world.host.seen(stream).replied_at_ns / 1_000_000, deadline_ms);
    }
}

#[test]
fn a_refusal_is_a_problem_with_a_reason_and_retry_after() {
    let mut world = full(1, |pool| pool.free_worker_timeout = ms(70));
    let waiting = world.send(0);
    world.advance(70);
    let RequestState::Answered(reply) = world.host.request_state(waiting) else { panic!("not answered") };
    assert_eq!((reply.by, reply.status), (ReplyBy::Module, 503));
    assert_eq!(reply.details, "slotway_wait_timeout");
    let received = world.host.seen(waiting).received;
    assert_eq!(received.headers.get("content-type"), Some("application/problem+json"));
    let seconds: u64 = received.headers.get("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&seconds));
    let body = String::from_utf8(received.body).unwrap();
    assert!(body.contains("\"waited_ms\":70"), "{body}");
    assert!(body.contains("\"pool\":\"preannotation\""), "{body}");
}

#[test]
fn a_grpc_caller_is_refused_with_unavailable() {
    let mut world = full(1, |pool| pool.free_worker_timeout = ms(0));
    let mut headers = get("/Annotator/Extract");
    headers.add("content-type", "application/grpc");
    let refused = world.send_with(0, headers);
    let received = world.host.seen(refused).received;
    assert_eq!((received.status, received.headers.get("grpc-status")), (Some(200), Some("14")));
}

#[test]
fn with_no_time_to_wait_a_request_is_refused_at_once() {
    let mut world = full(1, |pool| pool.free_worker_timeout = ms(0));
    let refused = world.send(0);
    assert_eq!(world.refusal(refused).as_deref(), Some("wait_timeout"));
    assert_eq!(world.host.seen(refused).replied_at_ns, world.host.clock().monotonic_ns());
}

#[test]
fn a_full_line_refuses_the_next_one_on_every_lane() {
    let mut world = full(2, |pool| pool.max_waiting = 3);
    let waiting: Vec<_> = (0..3).map(|number| world.send(number % 2)).collect();
    for lane in 0..2 {
        let refused = world.send(lane);
        assert_eq!(world.refusal(refused).as_deref(), Some("queue_full"));
    }
    assert!(waiting.iter().all(|stream| world.waits(*stream)));
    world.go(waiting[1]);
    let next = world.send(0);
    assert!(world.waits(next), "a place in the line is free again");
}

#[test]
fn a_pool_without_workers_refuses_at_once() {
    let mut world = World::new(1, pool(&[]));
    let refused = world.send(0);
    assert_eq!(world.refusal(refused).as_deref(), Some("no_workers"));
}

#[test]
fn a_client_can_ask_for_a_shorter_wait_and_never_for_a_longer_one() {
    let mut world = full(1, |pool| pool.free_worker_timeout = ms(200));
    let asking = |wait: &str| {
        let mut headers = get("/");
        headers.add("x-slotway-wait-timeout-ms", wait);
        headers
    };
    let (short, long) = (world.send_with(0, asking("50")), world.send_with(0, asking("100000")));
    let none = world.send_with(0, asking("0"));
    assert_eq!(world.refusal(none).as_deref(), Some("wait_timeout"));
    world.advance(50);
    assert_eq!(world.refusal(short).as_deref(), Some("wait_timeout"));
    world.advance(149);
    assert!(world.waits(long));
    world.advance(1);
    assert_eq!(world.refusal(long).as_deref(), Some("wait_timeout"));
}

#[test]
fn a_wait_that_is_not_a_number_is_a_bad_request() {
    for wait in ["soon", "-1", "1.5", "0x10", "99999999999999999999999"] {
        let mut world = full(1, |_| {});
        let mut headers = get("/");
        headers.add("x-slotway-wait-timeout-ms", wait);
        let refused = world.send_with(0, headers);
        assert_eq!(world.refusal(refused).as_deref(), Some("bad_wait_timeout"), "{wait:?}");
        assert_eq!(world.host.seen(refused).received.status, Some(400));
    }
}

#[test]
fn a_path_that_no_pool_matches_is_not_found() {
    let mut setup = pool(&[(W1, 1)]);
    setup.matches.prefix = "/extract".to_owned();
    let mut world = World::new(1, setup);
    let refused = world.send_with(0, get("/other"));
    assert_eq!(world.refusal(refused).as_deref(), Some("no_pool"));
    let stream = world.send_with(0, get("/extract?text=x"));
    assert_eq!(world.place(stream).as_deref(), Some(W1));
}

#[test]
fn a_refused_request_is_counted_by_its_outcome() {
    let mut world = full(1, |pool| pool.free_worker_timeout = ms(0));
    world.send(0);
    world.advance(1_000);
    let name = "slotway_requests_total.pool=preannotation.outcome=wait_timeout";
    assert_eq!(world.host.metrics().value(name), Some(1));
}

#[test]
fn a_slot_that_comes_free_at_the_deadline_is_not_lost() {
    let mut world = full(2, |pool| pool.free_worker_timeout = ms(100));
    let running = world.fleet.running()[0];
    let waiting = world.send(1);
    world.advance(99);
    world.host.hold_wakeups(true);
    world.answer(running);
    world.advance(1);
    world.host.hold_wakeups(false);
    world.see();
    world.advance(5_000);
    // Whichever came first, the waiter has ended once and the slot is somewhere.
    match world.place(waiting) {
        Some(_) => world.answer(waiting),
        None => assert_eq!(world.refusal(waiting).as_deref(), Some("wait_timeout")),
    }
    world.assert_at_rest();
}
