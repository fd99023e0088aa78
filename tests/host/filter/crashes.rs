//! Lanes whose VM traps.

use slotway_tests::{
    host::{HostCall, LaneIndex},
    world::{World, ms, pool},
};

use crate::W1;

#[test]
fn a_lane_that_trapped_serves_again_and_its_slots_are_not_given_out_twice() {
    let mut world = World::new(2, pool(&[(W1, 3)]));
    let lost = world.send(0);
    world.host.trap(LaneIndex(0));
    let streams = [world.send(0), world.send(1)];
    for stream in streams {
        assert_eq!(world.place(stream).as_deref(), Some(W1));
    }
    let waiting = world.send(1);
    assert!(world.waits(waiting), "the lost request is still at its worker");
    world.fleet.leave(lost);
    for stream in streams {
        world.answer(stream);
    }
    world.answer(waiting);
    assert_eq!(world.survey().free, 2);
}

/// The table of lanes says how long a dead lane's requests can last.
#[test]
fn a_lane_that_dies_right_after_a_longer_answer_timeout_came_keeps_its_slots_for_that_long() {
    let mut setup = pool(&[(W1, 1)]);
    setup.answer_timeout = ms(1_000);
    let mut world = World::new(2, setup);
    world.push_alone(|config| config.pools[0].answer_timeout = ms(3_600_000)).unwrap();
    let lost = world.send(0);
    assert_eq!(world.place(lost).as_deref(), Some(W1));
    world.host.trap(LaneIndex(0));
    // Ten minutes are for sending the request.
    world.advance(700_000);
    let waiting = world.send(1);
    assert!(world.waits(waiting), "the worker may still compute");
}

#[test]
fn a_trap_at_any_host_call_of_a_request_breaks_nothing_for_the_other_lane() {
    for call in [HostCall::GetSharedData, HostCall::SetSharedData, HostCall::ReplaceHeaderMapValue] {
        let mut setup = pool(&[(W1, 2)]);
        setup.free_worker_timeout = ms(100);
        let mut world = World::new(2, setup);
        world.host.trap_next(call);
        world.send(0);
        assert!(!world.host.is_alive(LaneIndex(0)), "{call:?}");
        let stream = world.send(1);
        assert_eq!(world.place(stream).as_deref(), Some(W1), "{call:?}");
        world.answer(stream);
        assert!(world.survey().free >= 1);
    }
}

#[test]
fn a_wake_up_for_a_dead_vm_does_not_kill_the_next_one() {
    let mut world = World::new(2, pool(&[(W1, 1)]));
    // A root context with a number that the next VM gives to a stream.
    world.push(|config| config.debug_headers = true).unwrap();
    world.push(|config| config.debug_headers = false).unwrap();
    let running = world.send(0);
    let waiting = world.send(1);
    assert!(world.waits(waiting));
    world.host.trap(LaneIndex(1));
    let streams: Vec<_> = (0..4).map(|_| world.send(1)).collect();
    assert!(streams.iter().all(|stream| world.waits(*stream)));
    world.answer(running);
    assert!(world.host.is_alive(LaneIndex(1)), "{:?}", world.complaints());
}
