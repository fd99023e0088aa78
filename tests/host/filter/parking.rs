//! Workers that cannot be reached.

use slotway_tests::{
    host::WorkerFailure,
    world::{World, ms, pool},
};

use crate::{W1, W2};

#[test]
fn a_worker_that_cannot_be_reached_is_parked_and_the_others_go_on() {
    let mut world = World::new(2, pool(&[(W1, 2), (W2, 2)]));
    let stream = loop {
        let stream = world.send(0);
        if world.place(stream).as_deref() == Some(W1) {
            break stream;
        }
    };
    world.fail(stream, WorkerFailure::ConnectFailed);
    assert_eq!(world.refusal(stream).as_deref(), Some("worker_unreachable"));
    assert_eq!(world.host.seen(stream).received.status, Some(503));
    for stream in world.fleet.running() {
        world.answer(stream);
    }
    let before = world.fleet.load(W1).total;
    for number in 0..6 {
        let stream = world.send(number % 2);
        assert_eq!(world.place(stream).as_deref(), Some(W2));
        world.answer(stream);
    }
    assert_eq!(world.fleet.load(W1).total, before);
    assert_eq!(world.survey().parked, 2);
}

#[test]
fn one_request_at_a_time_probes_a_parked_worker_and_the_backoff_doubles() {
    let mut world = World::new(2, pool(&[(W1, 3)]));
    let first = world.send(0);
    world.fail(first, WorkerFailure::ConnectFailed);
    for pause_ms in [250, 500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000] {
        let waiting = [world.send(0), world.send(1)];
        world.advance(pause_ms - 1);
        assert_eq!(world.fleet.running(), [], "before {pause_ms} ms");
        world.advance(1);
        assert_eq!(world.fleet.running(), waiting[..1], "after {pause_ms} ms");
        world.go(waiting[1]);
        world.fail(waiting[0], WorkerFailure::ConnectFailed);
    }
}

#[test]
fn a_worker_is_parked_after_three_resets_in_a_row_and_an_answer_ends_the_row() {
    // envoy#38697, nodejs#54366: one client's bad request is no evidence against the worker.
    let mut world = World::new(1, pool(&[(W1, 2)]));
    let reset = |world: &mut World| {
        let stream = world.send(0);
        assert!(world.place(stream).is_some(), "its slot is free at once");
        world.fail(stream, WorkerFailure::ResetBeforeAnswer);
        assert_eq!(world.refusal(stream).as_deref(), Some("worker_unreachable"));
    };
    reset(&mut world);
    reset(&mut world);
    let answered = world.send(0);
    world.answer(answered);
    reset(&mut world);
    reset(&mut world);
    assert_eq!(world.survey().parked, 0);
    reset(&mut world);
    assert_eq!(world.survey().parked, 2);
    let probe = world.send(0);
    world.advance(250);
    world.answer(probe);
    assert_eq!(world.survey().parked, 0);
    world.assert_at_rest();
}

#[test]
fn a_worker_that_answers_a_probe_is_back_with_all_its_slots() {
    let mut world = World::new(2, pool(&[(W1, 3)]));
    let first = world.send(0);
    world.fail(first, WorkerFailure::ConnectFailed);
    let waiting = [world.send(0), world.send(1), world.send(0)];
    world.advance(250);
    assert_eq!(world.fleet.load(W1).now, 1);
    world.answer(waiting[0]);
    assert_eq!(world.fleet.load(W1).now, 2);
    for stream in &waiting[1..] {
        world.answer(*stream);
    }
    world.assert_at_rest();
}

#[test]
fn a_probe_whose_client_leaves_is_repeated() {
    let mut world = World::new(2, pool(&[(W1, 2)]));
    let first = world.send(0);
    world.fail(first, WorkerFailure::ConnectFailed);
    let (probe, waiting) = (world.send(0), world.send(1));
    world.advance(250);
    world.go(probe);
    world.advance(500);
    assert_eq!(world.place(waiting).as_deref(), Some(W1));
    world.answer(waiting);
    world.assert_at_rest();
}

#[test]
fn an_overflow_in_envoy_says_nothing_about_the_worker() {
    let mut world = World::new(1, pool(&[(W1, 2)]));
    let stream = world.send(0);
    world.fail(stream, WorkerFailure::Overflow);
    world.advance(1);
    assert_eq!((world.survey().parked, world.survey().free), (0, 2));
}

#[test]
fn a_worker_that_is_too_slow_leads_to_504() {
    let mut world = World::new(1, pool(&[(W1, 1)]));
    let stream = world.send(0);
    world.fail(stream, WorkerFailure::Timeout);
    assert_eq!(world.refusal(stream).as_deref(), Some("answer_timeout"));
    assert_eq!(world.host.seen(stream).received.status, Some(504));
    world.advance(1);
    world.assert_at_rest();
}

#[test]
fn envoy_is_told_how_long_the_answer_may_take_at_once_and_after_a_wait() {
    const LIMIT: &str = "x-envoy-upstream-rq-timeout-ms";
    let mut setup = pool(&[(W1, 1)]);
    setup.answer_timeout = ms(1_500);
    let mut world = World::new(1, setup);
    let (first, waiting) = (world.send(0), world.send(0));
    world.push(|config| config.pools[0].answer_timeout = ms(2_500)).unwrap();
    world.answer(first);
    for (stream, limit) in [(first, "1500"), (waiting, "2500")] {
        assert_eq!(world.host.forwarded(stream).unwrap().get(LIMIT), Some(limit));
    }
    world.push(|config| config.pools[0].answer_timeout = ms(0)).unwrap();
    world.answer(waiting);
    let without = world.send(0);
    assert_eq!(world.host.forwarded(without).unwrap().get(LIMIT), None, "it has no limit");
}

#[test]
fn a_worker_that_breaks_off_its_answer_frees_the_slot() {
    let mut world = World::new(1, pool(&[(W1, 1)]));
    let stream = world.send(0);
    world.host.answer_headers(stream, [(":status", "200")].into_iter().collect(), false);
    world.fail(stream, WorkerFailure::ResetInAnswer);
    world.advance(1);
    world.assert_at_rest();
}

#[test]
fn a_head_request_to_an_unreachable_worker_keeps_its_form() {
    let mut world = World::new(1, pool(&[(W1, 1)]));
    let mut headers = slotway_tests::world::get("/");
    headers.set(":method", "HEAD");
    let stream = world.send_with(0, headers);
    world.fail(stream, WorkerFailure::ConnectFailed);
    let received = world.host.seen(stream).received;
    assert_eq!((received.status, received.body.len(), received.complete), (Some(503), 0, true));
}
