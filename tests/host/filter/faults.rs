//! Host calls that fail.

use slotway_tests::{
    host::{CallSite, Faults, HostCall, LaneIndex, Status, StreamId, Verdict},
    world::{World, ms, pool},
};

use crate::{
    W1, W2,
    dice::{Dice, seeds},
    soak::come_to_rest,
};

/// One host call in `one_in` fails, with any status.
struct Now {
    dice: Dice,
    one_in: usize,
}

impl Faults for Now {
    fn verdict(&mut self, site: &CallSite) -> Verdict {
        // A clock that cannot be read has no sensible answer; Envoy's always can.
        if site.call == HostCall::ClockTimeGet || self.dice.roll(self.one_in) > 0 {
            return Verdict::Proceed;
        }
        Verdict::Fail(self.dice.pick(&Status::FAILURES).unwrap_or(Status::InternalFailure))
    }
}

fn storm(seed: u64, lanes: usize, steps: usize) {
    let mut dice = Dice(seed);
    let mut setup = pool(&[(W1, 2), (W2, 1)]);
    setup.free_worker_timeout = ms(300);
    let mut world = World::new(lanes, setup);
    world.host.set_faults(Some(Box::new(Now { dice: Dice(!seed), one_in: 40 })));
    let mut open: Vec<StreamId> = Vec::new();
    for _ in 0..steps {
        match dice.roll(8) {
            0..=3 => open.push(world.send(dice.roll(lanes))),
            4..=5 => {
                if let Some(stream) = dice.pick(&world.fleet.running()) {
                    world.answer(stream);
                }
            }
            6 => {
                if let Some(stream) = dice.pick(&open) {
                    world.go(stream);
                }
            }
            _ => world.advance(dice.roll(100) as u64),
        }
        open.retain(|stream| !world.host.is_finished(*stream));
    }
    world.host.set_faults(None);
    world.advance(10_000);
    // The filter takes a stream that it cannot reach for gone. Now it ends.
    for stream in
        open.iter().filter(|stream| world.fleet.place(**stream).is_none()).copied().collect::<Vec<_>>()
    {
        world.go(stream);
    }
    come_to_rest(&mut world, &open);
    assert!(world.host.lanes().all(|lane| world.host.is_alive(lane)), "{:?}", world.complaints());
}

#[test]
fn failing_host_calls_end_no_lane_and_every_slot_comes_back_when_they_work_again() {
    for seed in seeds() {
        let lanes = 1 + seed as usize % 4;
        println!("seed {seed}, {lanes} lanes");
        storm(seed, lanes, 200);
    }
}

#[test]
fn a_lane_that_cannot_register_its_queue_at_first_still_loses_no_slot() {
    let mut setup = pool(&[(W1, 1)]);
    setup.free_worker_timeout = ms(300);
    let mut world = World::new(2, setup);
    // A new root context registers the queue again.
    world.host.fail_next(HostCall::RegisterSharedQueue, Status::InternalFailure);
    world.push(|config| config.debug_headers = true).unwrap();
    assert!(world.host.faults_are_spent());
    let running = world.send(1);
    let waiting = world.send(0);
    world.answer(running);
    world.advance(5_000);
    if world.place(waiting).is_some() {
        world.answer(waiting);
    }
    assert!(world.host.is_finished(waiting));
    // A lane that is not woken reads its queue with its next tick, which is its next beat.
    world.advance(2_000);
    assert_eq!((world.survey().free, world.survey().in_flight), (1, 0), "{:?}", world.complaints());
}

#[test]
fn a_lane_that_never_had_a_queue_refuses_its_waiters_in_time_and_loses_no_slot() {
    let mut setup = pool(&[(W1, 1)]);
    setup.free_worker_timeout = ms(300);
    let mut world = World::new(2, setup);
    world.host.trap(LaneIndex(0));
    let running = world.send(1);
    world.host.fail_next(HostCall::RegisterSharedQueue, Status::InternalFailure);
    let waiting = world.send(0);
    assert!(world.host.faults_are_spent() && world.waits(waiting));
    world.advance(100);
    world.answer(running);
    world.advance(5_000);
    assert_eq!((world.survey().free, world.survey().in_flight), (1, 0), "{:?}", world.complaints());
    let seen = world.host.seen(waiting);
    assert!(seen.finished, "{:?}", world.complaints());
    // Its slot could not be brought, so it may wait a second longer than its deadline.
    let waited_ms = seen.replied_at_ns / 1_000_000 + 5_100 - world.host.now_ms();
    assert!(waited_ms <= 300 + 1_000, "{waited_ms}");
}
