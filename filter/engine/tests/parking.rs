//! Workers that cannot be reached.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these files are tests")]
mod world;

use slotway_engine::{PROBE_FIRST_MS, PROBE_MAX_MS, RefusalReason, ReleaseOutcome, Take, backoff_ms};
use world::World;

fn unreachable() -> ReleaseOutcome {
    ReleaseOutcome::Unreachable
}

fn answered() -> ReleaseOutcome {
    ReleaseOutcome::Answered
}

/// Returns W1 (2) and W2 (2) with all four slots taken, where both requests of W1 have failed.
fn w1_is_gone() -> World {
    let mut world = World::default();
    world.configure(&[("W1", 2), ("W2", 2)]);
    (0..4).for_each(|_| {
        world.request(0);
    });
    for _ in 0..2 {
        let at = world.running.iter().position(|running| running.worker == "W1").unwrap();
        world.end(at, unreachable);
    }
    world
}

#[test]
fn the_slots_of_a_worker_that_cannot_be_reached_are_parked_and_the_others_go_on() {
    let mut world = w1_is_gone();
    assert_eq!(world.survey().parked, 2);
    world.end(0, answered);
    assert!(matches!(world.request(0), Take::Taken { .. }));
    assert!(world.running.iter().all(|running| running.worker == "W2"));
}

#[test]
fn after_the_backoff_one_request_at_a_time_is_the_probe() {
    let mut world = w1_is_gone();
    world.pass(PROBE_FIRST_MS - 1);
    assert_eq!(world.request(0), Take::Refused(RefusalReason::NoFreeSlot));
    world.pass(1);
    world.request(0);
    assert!(world.running.last().unwrap().probe.is_some());
    assert_eq!(world.request(0), Take::Refused(RefusalReason::NoFreeSlot));
}

#[test]
fn a_failed_probe_doubles_the_backoff() {
    let mut world = w1_is_gone();
    let mut waited = Vec::new();
    for _ in 0..8 {
        let due_ms = world.memory.root().probe_at_ms().unwrap();
        waited.push(due_ms - world.now_ms);
        world.pass(due_ms - world.now_ms);
        world.request(0);
        assert!(world.running.last().unwrap().probe.is_some());
        world.end(world.running.len() - 1, unreachable);
    }
    assert_eq!(waited, [250, 500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
    assert_eq!(backoff_ms(u16::MAX), PROBE_MAX_MS);
}

#[test]
fn an_answered_probe_brings_all_slots_back() {
    let mut world = w1_is_gone();
    world.pass(PROBE_FIRST_MS);
    world.request(0);
    world.end(world.running.len() - 1, answered);
    assert_eq!((world.survey().free, world.survey().parked), (2, 0));
}

#[test]
fn a_waiter_is_the_probe_where_one_waits() {
    let mut world = w1_is_gone();
    assert!(matches!(world.request(5), Take::Waiting(_)));
    world.pass(PROBE_FIRST_MS);
    assert!(world.running.iter().any(|running| running.probe.is_some() && running.worker == "W1"));
}

#[test]
fn when_a_worker_is_back_its_slots_go_to_the_waiters_first() {
    let mut world = w1_is_gone();
    (0..3).for_each(|_| {
        world.request(5);
    });
    world.pass(PROBE_FIRST_MS);
    let probe = world.running.iter().position(|running| running.probe.is_some()).unwrap();
    world.end(probe, answered);
    assert_eq!((world.running.len(), world.line.len()), (4, 0));
}

#[test]
fn a_probe_whose_client_left_is_followed_by_another() {
    let mut world = w1_is_gone();
    world.pass(PROBE_FIRST_MS);
    world.request(0);
    world.end(world.running.len() - 1, || ReleaseOutcome::Abandoned);
    assert_eq!(world.survey().parked, 2);
    world.pass(PROBE_FIRST_MS);
    world.request(0);
    assert!(world.running.last().unwrap().probe.is_some());
}

#[test]
fn a_late_answer_to_an_older_request_shows_that_the_worker_can_be_reached() {
    let mut world = World::default();
    world.configure(&[("W1", 2)]);
    (0..2).for_each(|_| {
        world.request(0);
    });
    world.end(0, unreachable);
    assert_eq!(world.survey().parked, 1);
    world.end(0, answered);
    assert_eq!((world.survey().free, world.survey().parked), (2, 0));
}

#[test]
fn a_parked_worker_can_shrink_grow_and_be_removed() {
    let mut world = w1_is_gone();
    world.configure(&[("W1", 1), ("W2", 2)]);
    assert_eq!(world.survey().parked, 1);
    world.configure(&[("W1", 5), ("W2", 2)]);
    assert_eq!(world.survey().parked, 5);
    world.configure(&[("W2", 2)]);
    assert_eq!(world.survey().parked, 0);
    world.come_to_rest();
}

#[test]
fn the_end_of_an_older_probe_is_not_taken_for_the_newest_one() {
    let mut world = World::default();
    world.configure(&[("W1", 4)]);
    (0..4).for_each(|_| {
        world.request(0);
    });
    world.end(0, unreachable);
    world.pass(PROBE_FIRST_MS);
    // While the first probe is out an older request is answered, and then the worker fails again.
    world.request(0);
    assert!(world.running.last().unwrap().probe.is_some());
    world.end(0, answered);
    world.end(0, unreachable);
    world.pass(PROBE_FIRST_MS);
    world.request(0);
    assert!(world.running.last().unwrap().probe.is_some());
    let overtaken = world.running.iter().position(|running| running.probe.is_some() && !running.current);
    world.end(overtaken.unwrap(), unreachable);
    // The newest probe is still out, so no further probe is due, however long it takes.
    world.pass(PROBE_MAX_MS);
    assert_eq!(world.request(0), Take::Refused(RefusalReason::NoFreeSlot));
    world.come_to_rest();
}
