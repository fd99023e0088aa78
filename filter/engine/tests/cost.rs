//! The cost of a request does not grow with the number of workers, slots or waiters. It is counted in pages that are read and
//! written, and in bytes that are exchanged, since these are the costs of host calls.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these files are tests")]
mod world;

use slotway_engine::{CHUNK, ReleaseOutcome};
use world::World;

fn names(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("http://w{n}")).collect()
}

fn pool_of(workers: usize, capacity: u32) -> World {
    let names = names(workers);
    let specs: Vec<_> = names.iter().map(|name| (name.as_str(), capacity)).collect();
    let mut world = World::default();
    world.configure(&specs);
    world
}

/// Returns the page reads and writes, and the size of the largest image, of `count` transitions.
fn cost(
    world: &mut World,
    count: usize,
    mut step: impl FnMut(&mut slotway_engine_step::Step<'_>),
) -> (usize, usize) {
    let mut touched = 0;
    let mut bytes_max = 0;
    for _ in 0..count {
        let before = (world.memory.reads, world.memory.writes);
        let mut taken = slotway_engine_step::Step { memory: &mut world.memory };
        step(&mut taken);
        touched += world.memory.reads - before.0 + world.memory.writes - before.1;
        bytes_max = bytes_max.max(world.memory.image_bytes());
    }
    (touched, bytes_max)
}

/// The engine without the checks of `World`, which read everything.
mod slotway_engine_step {
    use super::world::Memory;
    use slotway_engine::{ReleaseOutcome, Take, TakeRequest};

    pub(crate) struct Step<'a> {
        pub(crate) memory: &'a mut Memory,
    }

    impl Step<'_> {
        pub(crate) fn take(&mut self) -> Take {
            let request = TakeRequest { lane: 0, now_ms: 1, may_wait: true, waiting_max: 60_000 };
            self.memory.transact(|pool| pool.take(request))
        }
        pub(crate) fn release(&mut self, serial: u64, outcome: ReleaseOutcome) {
            self.memory.transact(|pool| pool.release(serial, outcome, 1));
        }
    }
}

#[test]
fn taking_and_releasing_cost_the_same_with_ten_and_with_ten_thousand_slots() {
    let measure = |workers| {
        let mut world = pool_of(workers, 4);
        // The first step stores the pages of the configuration.
        world.memory.transact(|_| Ok(()));
        cost(&mut world, 2_000, |pool| match pool.take() {
            slotway_engine::Take::Taken { serial, .. } => pool.release(serial, ReleaseOutcome::Answered),
            other => panic!("no slot: {other:?}"),
        })
    };
    let (_, small_bytes) = measure(3);
    let (pages, bytes) = measure(2_500);
    // In CHUNK rounds one page is filled and one is emptied. Each is stored once and read a few times.
    assert!(pages <= 2_000 / CHUNK * 4, "{pages} pages for 2,000 rounds");
    assert!(bytes <= small_bytes + 1_000, "{bytes} bytes against {small_bytes}");
}

#[test]
fn waiting_and_being_served_cost_the_same_with_ten_and_with_ten_thousand_waiters() {
    let measure = |waiters: usize| {
        let mut world = pool_of(1, 1);
        let mut pool = slotway_engine_step::Step { memory: &mut world.memory };
        (0..=waiters).for_each(|_| {
            pool.take();
        });
        let mut serial = 0;
        cost(&mut world, 2_000, |pool| {
            serial += 1;
            pool.release(serial, ReleaseOutcome::Answered);
            pool.take();
        })
    };
    let (_, small_bytes) = measure(10);
    let (pages, bytes) = measure(10_000);
    assert!(pages <= 2_000 / CHUNK * 4, "{pages} pages for 2,000 rounds");
    assert!(bytes <= small_bytes + 1_000, "{bytes} bytes against {small_bytes}");
}
