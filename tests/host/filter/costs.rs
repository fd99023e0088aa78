//! The cost of a request, and that it does not grow.

use slotway_tests::{
    host::{HostCall, Usage},
    world::{World, pool, with_reuse},
};

/// Returns what one request costs that finds a slot, is answered and ends, on a lane that has served before.
fn cost_of_a_request(world: &mut World) -> Usage {
    for _ in 0..3 {
        let stream = world.send(0);
        world.answer(stream);
    }
    let stream = world.send(0);
    world.answer(stream);
    world.host.seen(stream).usage
}

fn world_of(workers: usize, capacity: u32) -> World {
    let names: Vec<_> = (0..workers).map(|number| format!("http://w{number}.test:9000")).collect();
    let workers: Vec<_> = names.iter().map(|name| (name.as_str(), capacity)).collect();
    World::new(2, with_reuse(pool(&workers)))
}

#[test]
fn a_request_costs_a_bounded_number_of_host_calls() {
    let usage = cost_of_a_request(&mut world_of(2, 3));
    assert!(usage.host_calls_total() <= 40, "{usage:#?}");
    assert_eq!(usage.of(HostCall::EnqueueSharedQueue), 0, "no request waits, so no lane is woken");
}

#[test]
fn a_request_with_a_connection_of_its_own_sends_one_message() {
    let usage = cost_of_a_request(&mut World::new(2, pool(&[("http://w.test:9000", 3)])));
    assert!(usage.host_calls_total() <= 40, "{usage:#?}");
    assert_eq!(usage.of(HostCall::EnqueueSharedQueue), 1, "to this lane itself");
}

#[test]
fn the_cost_does_not_grow_with_the_number_of_workers_and_slots() {
    let few = cost_of_a_request(&mut world_of(2, 3));
    let many = cost_of_a_request(&mut world_of(2_000, 10));
    assert!(many.host_calls_total() <= few.host_calls_total() * 2, "{few:#?} {many:#?}");
    assert!(many.fuel <= few.fuel * 3, "{few:#?} {many:#?}");
}

#[test]
fn the_cost_of_waiting_does_not_grow_with_the_length_of_the_line() {
    let cost_behind = |others: usize| {
        let mut world = world_of(1, 1);
        world.send(0);
        for _ in 0..others {
            world.send(1);
        }
        let stream = world.send(0);
        assert!(world.waits(stream));
        world.host.seen(stream).usage
    };
    let (short, long) = (cost_behind(2), cost_behind(900));
    assert!(long.host_calls_total() <= short.host_calls_total() + 4, "{short:#?} {long:#?}");
    assert!(long.fuel <= short.fuel * 3, "{short:#?} {long:#?}");
}
