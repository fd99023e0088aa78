//! The promises of the queue and the line, one test each.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these files are tests")]
mod world;

use slotway_engine::{DesiredWorker, RefusalReason, ReleaseOutcome, Take, TakeRequest, WorkerIndex};
use world::{Memory, World};

fn taken(world: &mut World) -> WorkerIndex {
    match world.request(0) {
        Take::Taken { worker, .. } => worker,
        other => panic!("no slot: {other:?}"),
    }
}

fn order(world: &mut World, count: usize) -> String {
    let indices: Vec<_> = (0..count).map(|_| taken(world)).collect();
    let name = |index: &WorkerIndex| {
        let name = world.memory.clone().look(|pool| pool.name(*index));
        String::from_utf8(name).unwrap()
    };
    indices.iter().map(name).collect::<Vec<_>>().join(" ")
}

#[test]
fn workers_of_three_and_four_slots_alternate_from_the_larger() {
    let mut world = World::default();
    world.configure(&[("W1", 3), ("W2", 4)]);
    assert_eq!(order(&mut world, 7), "W2 W1 W2 W1 W2 W1 W2");
}

#[test]
fn adding_the_workers_one_after_the_other_gives_the_same_order() {
    let mut world = World::default();
    world.configure(&[("W1", 3)]);
    world.configure(&[("W1", 3), ("W2", 4)]);
    assert_eq!(order(&mut world, 7), "W2 W1 W2 W1 W2 W1 W2");
}

#[test]
fn slots_of_a_worker_are_spread_also_if_the_workers_need_several_transitions() {
    const WORKERS: usize = 2_500;
    let names: Vec<_> = (0..WORKERS).map(|number| format!("W{number}")).collect();
    let specs: Vec<_> = names.iter().map(|name| DesiredWorker { name, capacity: 4 }).collect();
    let mut memory = Memory::default();
    let mut transitions = 1;
    while !memory.transact(|pool| pool.reconcile(1, &specs, 0)).done {
        transitions += 1;
    }
    assert!(transitions > 1);
    let request = TakeRequest { lane: 0, now_ms: 0, may_wait: false, waiting_max: 0 };
    let taken =
        memory.look(|pool| (0..4 * WORKERS).map(|_| pool.take(request)).collect::<Result<Vec<_>, _>>());
    let mut last = vec![None; WORKERS];
    for (at, take) in taken.into_iter().enumerate() {
        let Take::Taken { worker, .. } = take else { panic!("no slot: {take:?}") };
        if let Some(before) = last[usize::from(worker)].replace(at) {
            let apart = at - before;
            assert!((WORKERS / 2..WORKERS * 2).contains(&apart), "worker {worker}: {apart} places");
        }
    }
}

#[test]
fn a_slot_goes_back_on_the_tail() {
    let mut world = World::default();
    world.configure(&[("W1", 1), ("W2", 1), ("W3", 1)]);
    assert_eq!(order(&mut world, 1), "W1");
    world.end(0, || ReleaseOutcome::Answered);
    assert_eq!(order(&mut world, 3), "W2 W3 W1");
}

#[test]
fn waiters_are_served_in_the_order_of_arrival_over_all_lanes() {
    let mut world = World::default();
    world.configure(&[("W1", 1)]);
    taken(&mut world);
    let tickets: Vec<_> = (0..100).map(|_| world.request(100)).collect();
    assert!(tickets.iter().all(|take| matches!(take, Take::Waiting(_))));
    // `World::take_in` checks that each slot goes to the longest waiter.
    (0..100).for_each(|_| world.end(0, || ReleaseOutcome::Answered));
    assert_eq!(world.line.len(), 0);
}

#[test]
fn without_a_free_slot_a_request_that_does_not_wait_is_refused() {
    let mut world = World::default();
    world.configure(&[("W1", 1)]);
    taken(&mut world);
    assert_eq!(world.request(0), Take::Refused(RefusalReason::NoFreeSlot));
}

#[test]
fn the_line_is_bounded_and_a_waiter_that_leaves_makes_room() {
    let mut world = World::default();
    world.configure(&[("W1", 1)]);
    taken(&mut world);
    assert!(matches!(world.request(2), Take::Waiting(_)));
    assert!(matches!(world.request(2), Take::Waiting(_)));
    assert_eq!(world.request(2), Take::Refused(RefusalReason::QueueFull));
    world.leave(0);
    assert!(matches!(world.request(2), Take::Waiting(_)));
}

#[test]
fn a_pool_without_workers_refuses_at_once() {
    let mut world = World::default();
    assert_eq!(world.request(10), Take::Refused(RefusalReason::NoWorkers));
    world.configure(&[("W1", 1)]);
    world.configure(&[]);
    assert_eq!(world.request(10), Take::Refused(RefusalReason::NoWorkers));
}

#[test]
fn after_a_shrink_the_surplus_drains_and_nothing_is_cut_off() {
    let mut world = World::default();
    world.configure(&[("W1", 4)]);
    (0..3).for_each(|_| {
        taken(&mut world);
    });
    world.configure(&[("W1", 2)]);
    assert_eq!(world.running.len(), 3);
    // The free slot is removed at once, and the first slot that comes back is removed too.
    assert_eq!(world.request(0), Take::Refused(RefusalReason::NoFreeSlot));
    world.end(0, || ReleaseOutcome::Answered);
    assert_eq!(world.request(0), Take::Refused(RefusalReason::NoFreeSlot));
    world.end(0, || ReleaseOutcome::Answered);
    taken(&mut world);
    assert_eq!(world.request(0), Take::Refused(RefusalReason::NoFreeSlot));
}

#[test]
fn growing_serves_the_waiters_at_once() {
    let mut world = World::default();
    world.configure(&[("W1", 1)]);
    (0..5).for_each(|_| {
        world.request(10);
    });
    world.configure(&[("W1", 3), ("W2", 1)]);
    assert_eq!((world.running.len(), world.line.len()), (4, 1));
}

#[test]
fn a_worker_that_comes_back_while_it_drains_gets_no_slot_whose_predecessor_is_out() {
    let mut world = World::default();
    world.configure(&[("W1", 2), ("W2", 1)]);
    (0..3).for_each(|_| {
        taken(&mut world);
    });
    world.configure(&[("W2", 1)]);
    world.configure(&[("W1", 2), ("W2", 1)]);
    assert_eq!(world.request(0), Take::Refused(RefusalReason::NoFreeSlot));
    world.come_to_rest();
}

#[test]
fn a_number_is_used_again_only_when_its_worker_has_drained() {
    let mut world = World::default();
    world.configure(&[("W1", 1)]);
    let first = taken(&mut world);
    let epoch = world.memory.root().names_epoch();
    world.configure(&[("W2", 1)]);
    let second = taken(&mut world);
    assert_ne!(first, second, "W1's request still runs");
    world.end(0, || ReleaseOutcome::Answered);
    world.configure(&[("W2", 1), ("W3", 1)]);
    assert_eq!(taken(&mut world), first, "W1 has drained");
    assert!(world.memory.root().names_epoch() > epoch, "lanes must forget the old name");
}

#[test]
fn an_older_configuration_changes_nothing() {
    let mut world = World::default();
    world.configure(&[("W1", 3)]);
    let before = world.memory.root();
    let specs = [slotway_engine::DesiredWorker { name: "W1", capacity: 9 }];
    let reconciled = world.memory.transact(|pool| pool.reconcile(1, &specs, 0));
    assert!(reconciled.done);
    assert_eq!(world.memory.root().capacity(), before.capacity());
}

#[test]
fn the_expected_wait_follows_from_the_rate_at_which_slots_come_free() {
    let mut world = World::default();
    world.configure(&[("W1", 1)]);
    taken(&mut world);
    assert_eq!(world.memory.root().expected_wait_ms(), None, "nothing is known yet");
    (0..60).for_each(|_| {
        world.request(100);
    });
    for _ in 0..50 {
        world.pass(200);
        world.end(0, || ReleaseOutcome::Answered);
    }
    let waiting = u64::from(world.memory.root().waiting());
    let expected = world.memory.root().expected_wait_ms().unwrap();
    assert!(expected.abs_diff((waiting + 1) * 200) <= waiting + 1, "{expected} ms for {waiting} waiters");
}

#[test]
fn a_configuration_of_thousands_of_workers_comes_into_force_in_steps() {
    let names: Vec<_> = (0..5_000).map(|n| format!("http://w{n}")).collect();
    let workers: Vec<_> = names.iter().map(|name| (name.as_str(), 4)).collect();
    let mut world = World::default();
    world.configure(&workers);
    assert_eq!(world.survey().free, 20_000);
    world.configure(&workers[..700]);
    assert_eq!(world.memory.root().capacity(), 2_800);
    assert_eq!(world.survey().free, 2_800);
}
