//! After each step of any sequence the invariants hold (`World` checks them). When the faults stop, every slot comes back and
//! every wait ends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these files are tests")]
mod world;

use std::collections::VecDeque;

use proptest::prelude::*;
use slotway_engine::{ReleaseOutcome, Take};
use world::{NAMES, World};

#[derive(Debug, Clone)]
enum Event {
    Request { waiting_max: u32 },
    Answered(usize),
    Unreachable(usize),
    Abandoned(usize),
    Leave(usize),
    Pass(u64),
    Configure(Vec<(usize, u32)>),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        8 => prop_oneof![Just(0_u32), Just(3), Just(1_000)].prop_map(|waiting_max| Event::Request { waiting_max }),
        6 => any::<usize>().prop_map(Event::Answered),
        2 => any::<usize>().prop_map(Event::Unreachable),
        1 => any::<usize>().prop_map(Event::Abandoned),
        2 => any::<usize>().prop_map(Event::Leave),
        2 => (1_u64..2_000).prop_map(Event::Pass),
        1 => prop::collection::btree_map(0..NAMES.len(), 1_u32..6, 0..NAMES.len())
            .prop_map(|workers| Event::Configure(workers.into_iter().collect())),
    ]
}

fn happen(world: &mut World, event: Event) {
    let running = |at: usize, world: &World| (!world.running.is_empty()).then(|| at % world.running.len());
    match event {
        Event::Request { waiting_max } => {
            world.request(waiting_max);
        }
        Event::Answered(at) => {
            if let Some(at) = running(at, world) {
                world.end(at, || ReleaseOutcome::Answered);
            }
        }
        Event::Unreachable(at) => {
            if let Some(at) = running(at, world) {
                world.end(at, || ReleaseOutcome::Unreachable);
            }
        }
        Event::Abandoned(at) => {
            if let Some(at) = running(at, world) {
                world.end(at, || ReleaseOutcome::Abandoned);
            }
        }
        Event::Leave(at) => {
            if !world.line.is_empty() {
                world.leave(at % world.line.len());
            }
        }
        Event::Pass(ms) => world.pass(ms),
        Event::Configure(workers) => {
            let workers: Vec<_> = workers.iter().map(|(at, capacity)| (NAMES[*at], *capacity)).collect();
            world.configure(&workers);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn the_invariants_hold_after_any_sequence_and_every_slot_comes_back(
        events in prop::collection::vec(event(), 1..200),
    ) {
        let mut world = World::default();
        world.configure(&[(NAMES[0], 3), (NAMES[1], 4)]);
        for event in events {
            happen(&mut world, event);
        }
        world.come_to_rest();
    }

    /// With one worker that never fails, the pool behaves like two plain queues, also with hundreds of slots and waiters, whose
    /// entries are in pages.
    #[test]
    fn queue_and_line_are_those_of_a_trivial_model(
        capacity in 1_u32..300,
        steps in prop::collection::vec((0_u8..4, any::<usize>()), 1..1_500),
    ) {
        let mut world = World::default();
        world.configure(&[(NAMES[0], capacity)]);
        let (mut free, mut line) = (capacity, VecDeque::new());
        for (what, at) in steps {
            match what {
                0 | 1 => match world.request(10_000) {
                    Take::Taken { .. } => { prop_assert!(free > 0); free -= 1; }
                    Take::Waiting(ticket) => { prop_assert_eq!(free, 0); line.push_back(ticket); }
                    Take::Refused(_) => prop_assert!(false, "refused"),
                },
                2 if !world.running.is_empty() => {
                    world.end(at % world.running.len(), || ReleaseOutcome::Answered);
                    if line.pop_front().is_none() { free += 1; }
                }
                3 if !line.is_empty() => {
                    world.leave(at % line.len());
                    line.remove(at % line.len());
                }
                _ => {}
            }
            prop_assert_eq!(world.line.iter().map(|(_, ticket)| *ticket).collect::<Vec<_>>(), line.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(world.survey().free, free);
        }
        world.come_to_rest();
    }

    /// Reading any bytes ends with an error, or with an image that is encoded as the same bytes.
    #[test]
    fn any_bytes_are_an_image_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..400), known in any::<bool>()) {
        let mut bytes = bytes;
        if known && !bytes.is_empty() {
            bytes[0] = slotway_engine::FORMAT;
        }
        if let Ok(image) = slotway_engine::Image::decode(&bytes) {
            prop_assert_eq!(image.encode(), bytes);
        }
    }
}
