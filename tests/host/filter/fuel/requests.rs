//! Requests of each kind, through the real filter.

use slotway_tests::{
    host::StreamId,
    world::{World, pool, with_reuse},
};

use super::Measured;
use crate::{W1, W2};

/// Requests before the measurement, so that it has no costs of a lane's beginning.
const WARM_UP: usize = 256;
/// Several times the number of entries in the engine's pages, so that each request has its share of page costs.
const REQUESTS: usize = 512;

/// A worker with one slot, which a request has.
struct Busy {
    world: World,
    running: StreamId,
}

impl Busy {
    fn new(lanes: usize, max_waiting: u32) -> Self {
        let mut setup = with_reuse(pool(&[(W1, 1)]));
        setup.max_waiting = max_waiting;
        let mut world = World::new(lanes, setup);
        let running = world.send(0);
        Self { world, running }
    }

    /// A request on `lane` waits, and gets the slot when the running request is answered.
    fn wait_and_be_granted(&mut self, lane: usize) {
        let next = self.world.send(lane);
        assert!(self.world.waits(next));
        self.world.answer(self.running);
        assert_eq!(self.world.place(next).as_deref(), Some(W1));
        self.running = next;
    }
}

/// Fuel and calls of the host for one request of each kind.
pub(super) fn measure() -> Measured {
    let mut measured = Measured::new();
    let mut note = |name: &str, (fuel, calls)| {
        measured.insert(format!("request: {name}: fuel"), fuel);
        measured.insert(format!("request: {name}: host calls"), calls);
    };

    let two = pool(&[(W1, 3), (W2, 4)]);
    let answered = |pool| {
        cost(
            &mut World::new(2, pool),
            |world| world,
            |world, _| {
                let stream = world.send(0);
                world.answer(stream);
            },
        )
    };
    note("finds a slot and is answered", answered(with_reuse(two.clone())));
    note("finds a slot and is answered, on a connection of its own", answered(two));
    let many: Vec<String> = (0..2_500).map(|number| format!("http://w{number}:80")).collect();
    let many: Vec<(&str, u32)> = many.iter().map(|worker| (worker.as_str(), 4)).collect();
    let mut many_slots = World::new(2, with_reuse(pool(&many)));
    for _ in &many {
        // Each worker once: that a lane learns a worker's name belongs to its beginning.
        let stream = many_slots.send(0);
        many_slots.answer(stream);
    }
    note(
        "finds one of 10,000 slots and is answered",
        cost(
            &mut many_slots,
            |world| world,
            |world, _| {
                let stream = world.send(0);
                world.answer(stream);
            },
        ),
    );
    note(
        "waits and is granted on the same lane",
        cost(&mut Busy::new(2, 10), |busy| &mut busy.world, |busy, _| busy.wait_and_be_granted(0)),
    );
    note(
        "waits and is granted on another lane",
        cost(
            &mut Busy::new(2, 10),
            |busy| &mut busy.world,
            |busy, number| busy.wait_and_be_granted((number + 1) % 2),
        ),
    );
    note(
        "waits and leaves",
        cost(
            &mut Busy::new(2, 10),
            |busy| &mut busy.world,
            |busy, _| {
                let waiting = busy.world.send(0);
                assert!(busy.world.waits(waiting));
                busy.world.go(waiting);
            },
        ),
    );
    let mut full = Busy::new(2, 1);
    full.world.send(1);
    note(
        "is refused",
        cost(
            &mut full,
            |full| &mut full.world,
            |full, _| {
                let refused = full.world.send(0);
                assert_eq!(full.world.refusal(refused).as_deref(), Some("queue_full"));
            },
        ),
    );
    measured
}

/// Returns what one request costs, all lanes together: fuel, and calls of the host. The number of a request counts from 0 on.
fn cost<S>(state: &mut S, world: fn(&mut S) -> &mut World, request: fn(&mut S, usize)) -> (f64, f64) {
    (0..WARM_UP).for_each(|number| request(state, number));
    let before = world(state).host.usage();
    (0..REQUESTS).for_each(|number| request(state, WARM_UP + number));
    let after = world(state).host.usage();
    assert_eq!(world(state).complaints(), Vec::<String>::new());
    let each = |before: u64, after: u64| (after - before) as f64 / REQUESTS as f64;
    (each(before.fuel, after.fuel), each(before.host_calls_total(), after.host_calls_total()))
}
