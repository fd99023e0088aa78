//! When a slot comes back.

use slotway_tests::{
    host::{Headers, HostCall, Status},
    world::{World, ms, pool},
};

use crate::W1;

fn ok() -> Headers {
    [(":status", "200")].into_iter().collect()
}

#[test]
fn a_slot_comes_back_with_the_last_byte_of_the_answer_even_if_the_client_reads_slowly() {
    let mut world = World::new(1, pool(&[(W1, 1)]));
    let stream = world.send(0);
    world.host.answer_headers(stream, ok(), false);
    world.host.answer_body(stream, b"part", false);
    assert_eq!(world.survey().in_flight, 1);
    world.fleet.leave(stream);
    world.host.answer_body(stream, b"last", true);
    world.assert_at_rest();
    assert!(!world.host.is_finished(stream));
    world.host.finish(stream);
    world.assert_at_rest();
}

#[test]
fn a_slot_comes_back_with_an_answer_of_headers_only() {
    let mut world = World::new(1, pool(&[(W1, 1)]));
    let stream = world.send(0);
    world.fleet.leave(stream);
    world.host.answer_headers(stream, ok(), true);
    world.assert_at_rest();
}

#[test]
fn a_slot_comes_back_with_the_trailers_of_an_answer() {
    let mut world = World::new(1, pool(&[(W1, 1)]));
    let stream = world.send(0);
    world.host.answer_headers(stream, ok(), false);
    world.host.answer_body(stream, b"all", false);
    assert_eq!(world.survey().in_flight, 1);
    world.fleet.leave(stream);
    world.host.answer_trailers(stream, [("grpc-status", "0")].into_iter().collect());
    world.assert_at_rest();
}

#[test]
fn a_workers_own_errors_pass_through_and_free_the_slot() {
    let mut world = World::new(1, pool(&[(W1, 1)]));
    for status in [500, 503, 504, 429] {
        let stream = world.send(0);
        world.fleet.leave(stream);
        world.host.answer(stream, status, "the worker's own words");
        let received = world.host.seen(stream).received;
        assert_eq!(
            (received.status, received.body.as_slice()),
            (Some(status), &b"the worker's own words"[..])
        );
        world.assert_at_rest();
    }
}

#[test]
fn a_slot_comes_back_once_although_the_stream_ends_later() {
    let mut world = World::new(2, pool(&[(W1, 1)]));
    let first = world.send(0);
    world.fleet.leave(first);
    world.host.answer_headers(first, ok(), true);
    let second = world.send(1);
    world.host.finish(first);
    assert_eq!((world.survey().free, world.survey().in_flight), (0, 1));
    world.answer(second);
    world.assert_at_rest();
}

#[test]
fn a_release_that_the_host_refuses_is_tried_again() {
    let mut setup = pool(&[(W1, 1)]);
    setup.free_worker_timeout = ms(10_000);
    let mut world = World::new(1, setup);
    for failure in Status::FAILURES {
        let stream = world.send(0);
        world.fleet.leave(stream);
        world.host.fail_next(HostCall::SetSharedData, failure);
        world.host.answer(stream, 200, "{}");
        assert!(world.host.faults_are_spent());
        world.advance(100);
        assert_eq!((world.survey().free, world.survey().in_flight), (1, 0), "{failure:?}");
    }
}

#[test]
fn a_request_whose_host_calls_fail_is_answered_and_loses_no_slot() {
    for call in [HostCall::GetSharedData, HostCall::SetSharedData, HostCall::ReplaceHeaderMapValue] {
        for failure in Status::FAILURES {
            let mut world = World::new(1, pool(&[(W1, 1)]));
            world.host.fail_next(call, failure);
            let stream = world.send(0);
            if world.place(stream).is_some() {
                world.answer(stream);
            }
            world.advance(1_000);
            assert!(world.host.is_finished(stream), "{call:?} {failure:?}");
            assert_eq!((world.survey().free, world.survey().in_flight), (1, 0), "{call:?} {failure:?}");
            assert!(world.host.is_alive(slotway_tests::host::LaneIndex(0)));
        }
    }
}
