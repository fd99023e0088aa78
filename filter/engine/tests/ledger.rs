//! The ledger of slots that are out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these files are tests")]
mod world;

use slotway_engine::{LEDGER_PAGES, ReleaseOutcome, Take};
use world::World;

fn taken(take: Take) -> u64 {
    match take {
        Take::Taken { serial, .. } => serial,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_slot_that_was_out_for_any_time_comes_back_once() {
    let mut world = World::default();
    world.configure(&[("W1", 2_000)]);
    for _ in 0..1_500 {
        world.request(0);
    }
    // The oldest are in pages, the newest in the root. `World` releases each twice and checks all others.
    for at in [0, 1_499, 700, 1_400, 31, 32, 33] {
        world.end(at.min(world.running.len() - 1), || ReleaseOutcome::Answered);
    }
    assert_eq!(world.survey().ledger, 1_493);
}

#[test]
fn no_number_is_used_twice() {
    let mut world = World::default();
    world.configure(&[("W1", 3)]);
    let mut last = 0;
    for _ in 0..200 {
        let serial = taken(world.request(0));
        assert!(serial > last);
        last = serial;
        world.end(0, || ReleaseOutcome::Answered);
    }
}

#[test]
fn one_slot_that_stays_out_while_thousands_come_and_go_is_still_known() {
    let mut world = World::default();
    world.configure(&[("W1", 2)]);
    world.request(0);
    for _ in 0..40 * LEDGER_PAGES {
        let serial = taken(world.memory.transact(|pool| pool.take(world::ask(0))));
        world.memory.transact(|pool| pool.release(serial, ReleaseOutcome::Answered, 0)).unwrap();
    }
    world.check();
    world.end(0, || ReleaseOutcome::Answered);
    assert_eq!(world.survey().free, 2);
}

#[test]
fn a_serial_that_was_never_given_out_changes_nothing() {
    let mut world = World::default();
    world.configure(&[("W1", 2)]);
    world.request(0);
    for serial in [0, 2, 3, u64::MAX] {
        assert_eq!(
            world.memory.transact(|pool| pool.release(serial, ReleaseOutcome::Answered, 0)),
            None,
            "{serial}"
        );
    }
    world.check();
}

#[test]
fn the_waiters_of_a_dead_lane_leave_the_line_in_any_number_of_steps() {
    for step in [1, 7, 1_000] {
        let mut world = World::default();
        world.configure(&[("W1", 1)]);
        for _ in 0..200 {
            world.request(1_000);
        }
        let dead = 1;
        let mut next = Some(0);
        let mut evicted = 0;
        while let Some(from) = next {
            let (some, after) = world.memory.transact(|pool| pool.evict(dead, from, step));
            (evicted, next) = (evicted + some, after);
        }
        let before = world.line.len();
        world.line.retain(|(request, _)| world::lane(*request) != dead);
        assert_eq!(evicted as usize, before - world.line.len());
        world.check();
        // Only the others are served, in their order.
        world.come_to_rest();
    }
}

#[test]
fn the_end_of_a_request_is_noted_once_for_the_lane_of_its_slot() {
    let mut world = World::default();
    world.configure(&[("W1", 200)]);
    for _ in 0..150 {
        world.request(0);
    }
    for (request, serial) in [(1, 1), (150, 150)] {
        let lane = world::lane(request);
        let mut note = |lane| world.memory.transact(|pool| pool.note_over(serial, lane));
        assert!(!note(lane + 1), "another lane's");
        assert!(note(lane));
        assert!(!note(lane), "it is known");
        assert_eq!(world.held().iter().filter(|held| held.is_over && held.serial == serial).count(), 1);
        assert!(world.memory.transact(|pool| pool.release(serial, ReleaseOutcome::Abandoned, 0)).is_some());
        assert!(!world.memory.transact(|pool| pool.note_over(serial, lane)), "it is back");
    }
}

#[test]
fn a_slot_with_a_new_number_does_not_come_back_by_its_old_one() {
    let mut world = World::default();
    world.configure(&[("W1", 100)]);
    for _ in 0..100 {
        world.request(0);
    }
    for at in [0, 99] {
        let old = world.running[at].serial;
        let new = world.memory.transact(|pool| pool.renumber(old)).expect("it is out");
        world.running[at].serial = new;
        assert_eq!(world.memory.transact(|pool| pool.release(old, ReleaseOutcome::Answered, 0)), None);
        assert_eq!(world.memory.transact(|pool| pool.renumber(old)), None);
        world.check();
    }
    world.come_to_rest();
}
