//! Configurations that come while requests are under way.

use slotway_tests::{
    host::{Event, HostCall, LaneIndex},
    world::{World, ms, pool, with_reuse, workers_of},
};

use crate::{W1, W2};

#[test]
fn a_raised_capacity_serves_waiters_at_once() {
    let mut world = World::new(2, pool(&[(W1, 1)]));
    let streams: Vec<_> = (0..4).map(|number| world.send(number % 2)).collect();
    world.push_workers(&[(W1, 3)]);
    assert_eq!(world.fleet.load(W1).now, 3);
    assert!(world.waits(streams[3]));
}

#[test]
fn a_lowered_capacity_drains_and_cuts_nothing_off() {
    let mut world = World::new(2, pool(&[(W1, 4)]));
    let streams: Vec<_> = (0..4).map(|number| world.send(number % 2)).collect();
    let waiting = world.send(0);
    world.push_workers(&[(W1, 1)]);
    for stream in &streams[..3] {
        assert!(world.place(*stream).is_some());
        world.answer(*stream);
        assert!(world.waits(waiting), "the surplus is gone before anyone is served");
    }
    world.answer(streams[3]);
    assert_eq!(world.place(waiting).as_deref(), Some(W1));
    world.answer(waiting);
    world.assert_at_rest();
}

#[test]
fn lowered_and_raised_again_a_worker_has_no_slot_twice() {
    let mut world = World::new(2, pool(&[(W1, 3)]));
    let streams: Vec<_> = (0..3).map(|number| world.send(number % 2)).collect();
    world.push_workers(&[(W1, 1)]);
    world.push_workers(&[(W1, 3)]);
    let waiting = world.send(1);
    assert!(world.waits(waiting), "the three are still out");
    for stream in streams {
        world.answer(stream);
    }
    world.answer(waiting);
    world.assert_at_rest();
}

#[test]
fn a_removed_worker_drains_and_a_waiter_gets_none_of_its_slots() {
    let mut world = World::new(2, pool(&[(W1, 1), (W2, 1)]));
    let streams = [world.send(0), world.send(1)];
    world.push_workers(&[(W2, 1)]);
    let waiting = world.send(0);
    let (on_w1, on_w2) = if world.place(streams[0]).as_deref() == Some(W1) { (0, 1) } else { (1, 0) };
    world.answer(streams[on_w1]);
    assert!(world.waits(waiting));
    world.answer(streams[on_w2]);
    assert_eq!(world.place(waiting).as_deref(), Some(W2));
    world.answer(waiting);
    world.assert_at_rest();
}

#[test]
fn a_worker_removed_and_added_again_under_load_is_never_overrun() {
    let mut world = World::new(2, pool(&[(W1, 2), (W2, 1)]));
    let streams: Vec<_> = (0..3).map(|number| world.send(number % 2)).collect();
    world.push_workers(&[(W2, 1)]);
    world.push_workers(&[(W1, 2), (W2, 1)]);
    let waiting = world.send(0);
    assert!(world.waits(waiting));
    for stream in streams {
        world.answer(stream);
    }
    world.answer(waiting);
    world.assert_at_rest();
    assert_eq!(world.fleet.load(W1).highest, 2);
}

#[test]
fn waiters_of_a_pool_that_loses_its_last_worker_are_refused_at_once() {
    let mut world = World::new(2, pool(&[(W1, 1)]));
    let running = world.send(0);
    let (first, second) = (world.send(0), world.send(1));
    world.push_workers(&[]);
    for stream in [first, second] {
        assert_eq!(world.refusal(stream).as_deref(), Some("no_workers"));
    }
    world.answer(running);
    world.assert_at_rest();
}

#[test]
fn a_slot_on_its_way_survives_a_push() {
    let mut world = World::new(2, with_reuse(pool(&[(W1, 1)])));
    let running = world.send(0);
    let waiting = world.send(1);
    world.host.hold_wakeups(true);
    world.answer(running);
    // The old root context, which the wake-up is for, lives on with its waiter.
    world.push_workers(&[(W1, 1), (W2, 1)]);
    world.host.hold_wakeups(false);
    world.see();
    assert_eq!(world.place(waiting).as_deref(), Some(W1));
    world.answer(waiting);
    world.assert_at_rest();
}

#[test]
fn a_slot_whose_wake_up_was_dropped_with_its_root_context_is_found_again() {
    let mut world = World::new(2, pool(&[(W1, 1)]));
    let running = world.send(0);
    let waiting = world.send(1);
    world.host.hold_wakeups(true);
    world.answer(running);
    world.push_workers(&[(W1, 2)]);
    // Its client leaves, and the old root context ends with it. The wake-up finds no context.
    world.go(waiting);
    world.host.hold_wakeups(false);
    world.see();
    world.advance(2_000);
    world.assert_at_rest();
}

#[test]
fn old_root_contexts_go_when_their_streams_are_over_and_ticks_go_on() {
    let mut setup = pool(&[(W1, 1)]);
    setup.free_worker_timeout = ms(5_000);
    let mut world = World::new(1, setup);
    let running = world.send(0);
    let waiting = world.send(0);
    for capacity in [2, 1, 2, 1] {
        let _ = capacity;
        world.push(|config| config.debug_headers = !config.debug_headers).unwrap();
    }
    assert_eq!(world.host.roots(LaneIndex(0)).len(), 2, "the newest, and the one with streams");
    world.advance(5_000);
    assert_eq!(world.refusal(waiting).as_deref(), Some("wait_timeout"), "a waiter of the old root context");
    world.answer(running);
    assert_eq!(world.host.roots(LaneIndex(0)).len(), 1);
    world.assert_at_rest();
}

#[test]
fn lanes_that_take_a_push_at_different_times_agree() {
    let mut world = World::new(2, pool(&[(W1, 2)]));
    let streams = [world.send(0), world.send(1)];
    let mut config = world.config().clone();
    config.generation += 1;
    config.pools[0].workers = workers_of(&[(W1, 1), (W2, 1)]);
    world.fleet.set_capacity(W2, 1, 0);
    let plugin = world.host.accept(&config.to_json().unwrap()).unwrap();
    world.host.run(LaneIndex(1), Event::Configure(plugin)).unwrap();
    world.advance(2);
    // Lane 0 does not know W2 from its configuration yet, and sends requests to it.
    let next = world.send(0);
    assert_eq!(world.place(next).as_deref(), Some(W2));
    world.host.run(LaneIndex(0), Event::Configure(plugin)).unwrap();
    for stream in streams {
        world.answer(stream);
    }
    world.answer(next);
    world.advance(1_000);
    assert_eq!((world.survey().free, world.survey().in_flight), (2, 0));
}

#[test]
fn an_older_configuration_does_not_undo_a_newer_one() {
    let mut world = World::new(1, pool(&[(W1, 1)]));
    let old = world.config().to_json().unwrap();
    world.push_workers(&[(W1, 3)]);
    world.host.configure(&old.replace("\"debug_headers\":false", "\"debug_headers\":true")).unwrap();
    assert_eq!(world.survey().free, 3);
}

#[test]
fn a_changed_policy_applies_to_later_requests() {
    let mut setup = pool(&[(W1, 1)]);
    setup.free_worker_timeout = ms(1_000);
    let mut world = World::new(1, setup);
    world.send(0);
    world.push(|config| config.pools[0].free_worker_timeout = ms(100)).unwrap();
    let waiting = world.send(0);
    world.advance(100);
    assert_eq!(world.refusal(waiting).as_deref(), Some("wait_timeout"));
}

/// A VM that dies while it takes a configuration takes every other lane with it.
#[test]
fn a_configuration_is_only_read_while_it_comes() {
    let mut world = World::new(2, pool(&[(W1, 1)]));
    let streams: Vec<_> = (0..4).map(|number| world.send(number % 2)).collect();
    world.push_workers(&[(W1, 3), (W2, 1)]);
    assert!(streams.iter().all(|stream| world.place(*stream).is_some()), "it is in force");
    let usage = world.host.usage_of_configuring();
    let harmless = [
        HostCall::GetBufferBytes,
        HostCall::GetSharedData,
        HostCall::ClockTimeGet,
        HostCall::DefineMetric,
        HostCall::SetTickPeriod,
    ];
    let others: Vec<_> = usage.host_calls.keys().filter(|call| !harmless.contains(call)).collect();
    assert!(others.is_empty(), "{others:?}");
}

#[test]
fn a_request_that_comes_right_after_a_configuration_meets_it() {
    let mut world = World::new(1, pool(&[]));
    world.send(0);
    world.push_alone(|config| config.pools[0].workers = workers_of(&[(W1, 1)])).unwrap();
    let stream = world.send(0);
    assert_eq!(world.place(stream).as_deref(), Some(W1));
}
