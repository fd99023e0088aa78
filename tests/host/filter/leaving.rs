//! Clients that go away.

use slotway_tests::world::{World, ms, pool};

use crate::W1;

#[test]
fn a_client_that_leaves_while_waiting_leaves_the_line() {
    let mut world = World::new(2, pool(&[(W1, 1)]));
    let running = world.send(0);
    let (first, second) = (world.send(1), world.send(1));
    world.go(first);
    assert_eq!(world.survey().waiting, 1);
    world.answer(running);
    assert_eq!(world.place(second).as_deref(), Some(W1));
    world.answer(second);
    world.assert_at_rest();
}

#[test]
fn a_client_that_leaves_with_its_slot_on_the_way_gives_it_to_the_next() {
    let mut world = World::new(3, pool(&[(W1, 1)]));
    let running = world.send(0);
    let (first, second) = (world.send(1), world.send(2));
    world.host.hold_wakeups(true);
    world.answer(running);
    world.go(first);
    world.host.hold_wakeups(false);
    world.see();
    assert_eq!(world.place(second).as_deref(), Some(W1));
    world.answer(second);
    world.assert_at_rest();
}

#[test]
fn a_client_that_leaves_with_its_slot_on_the_way_frees_the_slot_if_no_other_waits() {
    let mut world = World::new(2, pool(&[(W1, 1)]));
    let running = world.send(0);
    let waiting = world.send(1);
    world.host.hold_wakeups(true);
    world.answer(running);
    world.go(waiting);
    world.host.hold_wakeups(false);
    world.see();
    world.assert_at_rest();
}

#[test]
fn a_client_that_leaves_while_its_request_runs_frees_the_slot_with_the_next_tick() {
    let mut world = World::new(2, pool(&[(W1, 1)]));
    let running = world.send(0);
    let waiting = world.send(1);
    world.go(running);
    world.advance(1);
    assert_eq!(world.place(waiting).as_deref(), Some(W1));
    world.answer(waiting);
    world.assert_at_rest();
}

#[test]
fn an_abandoned_request_holds_its_slot_as_long_as_the_pool_says() {
    let mut setup = pool(&[(W1, 1)]);
    setup.abandoned_hold = ms(3_000);
    let mut world = World::new(2, setup);
    let running = world.send(0);
    let waiting = world.send(1);
    world.go_unnoticed(running);
    world.advance(2_999);
    assert!(world.waits(waiting));
    assert_eq!(world.survey().in_flight, 1);
    // The worker continues to compute, and has finished at the end of the hold.
    world.fleet.leave(running);
    world.advance(1);
    assert_eq!(world.place(waiting).as_deref(), Some(W1));
    world.answer(waiting);
    world.assert_at_rest();
}

#[test]
fn a_waiter_holds_nothing_when_it_leaves() {
    let mut setup = pool(&[(W1, 1)]);
    setup.abandoned_hold = ms(3_000);
    let mut world = World::new(2, setup);
    let running = world.send(0);
    let waiting = world.send(1);
    world.go(waiting);
    world.answer(running);
    world.assert_at_rest();
}

#[test]
fn hundreds_of_clients_that_leave_leave_no_slot_and_no_waiter_behind() {
    let mut world = World::new(4, pool(&[(W1, 20)]));
    let streams: Vec<_> = (0..500).map(|number| world.send(number % 4)).collect();
    assert_eq!((world.survey().in_flight, world.survey().waiting), (20, 480));
    for stream in streams {
        world.go(stream);
    }
    world.advance(1);
    world.assert_at_rest();
}
