//! Taking slots and waiting for them.

use slotway_tests::{
    host::RequestState,
    world::{World, get, ms, pool},
};

use crate::{W1, W2};

#[test]
fn slots_are_taken_in_the_order_of_the_queue() {
    let mut world = World::new(1, pool(&[(W1, 3), (W2, 4)]));
    for _ in 0..7 {
        world.send(0);
    }
    assert_eq!(world.fleet.arrivals(), [W2, W1, W2, W1, W2, W1, W2]);
}

#[test]
fn lanes_take_from_one_queue() {
    let mut world = World::new(3, pool(&[(W1, 3), (W2, 4)]));
    for number in 0..7 {
        world.send(number % 3);
    }
    assert_eq!(world.fleet.arrivals(), [W2, W1, W2, W1, W2, W1, W2]);
    assert_eq!((world.survey().free, world.survey().in_flight), (0, 7));
}

#[test]
fn a_slot_goes_back_on_the_tail() {
    let mut world = World::new(2, pool(&[(W1, 1), (W2, 1)]));
    let first = world.send(0);
    let first_worker = world.place(first);
    world.answer(first);
    let (second, third) = (world.send(1), world.send(1));
    assert_ne!(world.place(second), first_worker);
    assert_eq!(world.place(third), first_worker);
}

#[test]
fn waiters_are_served_in_order_of_arrival_over_all_lanes() {
    let mut world = World::new(3, pool(&[(W1, 1)]));
    let mut running = world.send(0);
    let lanes = [2, 0, 1, 1, 2, 0, 0, 2, 1];
    let waiting: Vec<_> = lanes.map(|lane| world.send(lane)).into();
    assert!(waiting.iter().all(|stream| world.waits(*stream)));
    assert_eq!(world.survey().waiting, 9);
    for next in waiting {
        world.answer(running);
        assert_eq!(world.place(next).as_deref(), Some(W1));
        assert_eq!(world.survey().in_flight, 1);
        running = next;
    }
    world.answer(running);
    world.assert_at_rest();
}

#[test]
fn a_waiter_keeps_its_body_until_it_has_a_slot() {
    let mut world = World::new(2, pool(&[(W1, 1)]));
    let running = world.send(0);
    let waiting = world.host.request_headers(slotway_tests::host::LaneIndex(1), get("/extract"));
    world.host.request_body(waiting, b"Hello ", false);
    world.host.request_body(waiting, b"London!", true);
    assert!(world.host.seen(waiting).sent_body.is_empty());
    world.answer(running);
    let seen = world.host.seen(waiting);
    assert_eq!((seen.sent_body.as_slice(), seen.sent_all), (&b"Hello London!"[..], true));
}

#[test]
fn a_worker_is_named_by_its_whole_base_url_and_the_path_is_left_to_the_route() {
    let url = "http://w1.test:9001/extractor-web";
    let mut world = World::new(2, pool(&[(url, 1)]));
    let running = world.send(0);
    let waiting = world.send(1);
    world.answer(running);
    for stream in [running, waiting] {
        let headers = world.host.forwarded(stream).unwrap();
        assert_eq!(headers.get("x-slotway-worker"), Some(url));
        assert_eq!(headers.get(":path"), Some("/extract"));
    }
}

#[test]
fn a_clients_own_worker_header_is_replaced() {
    let mut world = World::new(1, pool(&[(W1, 2)]));
    let mut headers = get("/");
    headers.add("x-slotway-worker", "http://evil.test");
    headers.add("X-Slotway-Worker", "http://evil2.test");
    let stream = world.send_with(0, headers);
    assert_eq!(world.host.forwarded(stream).unwrap().all("x-slotway-worker"), [W1]);
}

#[test]
fn a_slow_lane_gets_its_slot_when_its_wake_up_arrives() {
    let mut world = World::new(2, pool(&[(W1, 1)]));
    let running = world.send(0);
    let waiting = world.send(1);
    world.host.hold_wakeups(true);
    world.answer(running);
    assert!(world.waits(waiting));
    let late = world.send(0);
    assert!(world.waits(late), "the slot is on its way to the one that came first");
    world.host.hold_wakeups(false);
    world.see();
    assert_eq!(world.place(waiting).as_deref(), Some(W1));
    assert!(world.waits(late));
}

#[test]
fn debug_headers_tell_the_worker_and_the_wait() {
    let mut world = World::new(2, pool(&[(W1, 1)]));
    world.push(|config| config.debug_headers = true).unwrap();
    let running = world.send(0);
    let waiting = world.send(1);
    world.advance(40);
    world.answer(running);
    world.answer(waiting);
    let received = world.host.seen(waiting).received;
    assert_eq!(received.headers.get("x-slotway-worker"), Some(W1));
    assert_eq!(received.headers.get("x-slotway-wait-ms"), Some("40"));
}

#[test]
fn access_log_fields_tell_what_happened() {
    let mut setup = pool(&[(W1, 1)]);
    setup.free_worker_timeout = ms(50);
    let mut world = World::new(1, setup);
    world.push(|config| config.access_log_fields = true).unwrap();
    let running = world.send(0);
    let refused = world.send(0);
    world.advance(50);
    world.answer(running);
    let state = world.host.seen(running).filter_state;
    assert_eq!(state["slotway.worker"], W1.as_bytes());
    assert_eq!(state["slotway.outcome"], b"answered");
    assert_eq!(world.host.seen(refused).filter_state["slotway.outcome"], b"wait_timeout");
    assert_eq!(world.host.seen(refused).filter_state["slotway.wait_ms"], b"50");
}

#[test]
fn a_request_that_finds_a_slot_is_not_held() {
    let mut world = World::new(1, pool(&[(W1, 1)]));
    let stream = world.send(0);
    assert!(matches!(world.host.request_state(stream), RequestState::Continued(_)));
}

#[test]
fn an_operators_clock_that_jumps_changes_no_deadline() {
    for jump_ms in [-3_600_000, 3_600_000] {
        let mut setup = pool(&[(W1, 1)]);
        setup.free_worker_timeout = ms(100);
        let mut world = World::new(1, setup);
        world.send(0);
        let waiting = world.send(0);
        world.host.jump_realtime(jump_ms);
        world.advance(99);
        assert!(world.waits(waiting));
        world.advance(1);
        assert_eq!(world.refusal(waiting).as_deref(), Some("wait_timeout"));
    }
}
