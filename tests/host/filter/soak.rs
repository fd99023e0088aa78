//! Many requests on many lanes, at random from one seed: no worker gets more than its capacity, and every slot comes back.

use slotway_tests::{
    host::{StreamId, WorkerFailure},
    world::{World, ms, pool},
};

use crate::{
    W1, W2,
    dice::{Dice, seeds},
};

const W3: &str = "http://w3.test:9003/path";

fn soak(seed: u64, lanes: usize, steps: usize) {
    let mut dice = Dice(seed);
    let mut setup = pool(&[(W1, 3), (W2, 4)]);
    setup.free_worker_timeout = ms(400);
    setup.max_waiting = 20;
    let mut world = World::new(lanes, setup);
    let mut open: Vec<StreamId> = Vec::new();
    world.host.hold_wakeups(true);
    for _ in 0..steps {
        match dice.roll(20) {
            0..=7 => open.push(world.send(dice.roll(lanes))),
            8..=12 => {
                if let Some(stream) = dice.pick(&world.fleet.running()) {
                    world.answer(stream);
                }
            }
            13 => {
                if let Some(stream) = dice.pick(&open) {
                    world.go(stream);
                }
            }
            14 => {
                if let Some(stream) = dice.pick(&world.fleet.running()) {
                    let failures = [
                        WorkerFailure::ConnectFailed,
                        WorkerFailure::ResetBeforeAnswer,
                        WorkerFailure::Timeout,
                    ];
                    world.fail(stream, failures[dice.roll(3)]);
                }
            }
            15 => push(&mut world, &mut dice),
            16..=17 => {
                if let Some(wakeup) = dice.pick(&world.host.wakeups()) {
                    world.host.deliver(wakeup);
                    world.see();
                }
            }
            _ => world.advance(dice.roll(120) as u64),
        }
        open.retain(|stream| !world.host.is_finished(*stream));
    }
    come_to_rest(&mut world, &open);
    assert_eq!(world.complaints(), Vec::<String>::new());
}

fn push(world: &mut World, dice: &mut Dice) {
    let workers: Vec<_> = [W1, W2, W3].map(|worker| (worker, dice.roll(6).saturating_sub(1) as u32)).into();
    let workers: Vec<_> = workers.into_iter().filter(|(_, capacity)| *capacity > 0).collect();
    world.push_workers(&workers);
}

pub(crate) fn come_to_rest(world: &mut World, open: &[StreamId]) {
    world.host.hold_wakeups(false);
    world.see();
    for _ in 0..100 {
        for stream in world.fleet.running() {
            world.answer(stream);
        }
        for stream in open {
            if world.host.seen(*stream).received.complete {
                world.host.finish(*stream);
            }
        }
        world.advance(500);
    }
    for stream in open {
        assert!(world.host.is_finished(*stream), "{stream:?} has not ended: {:#?}", world.complaints());
    }
    let capacity: u32 = world.config().pools[0].workers.iter().map(|worker| worker.capacity.get()).sum();
    let survey = world.survey();
    // The next request probes a worker that was parked last. Until then its slots are parked.
    assert_eq!(
        (survey.waiting, survey.in_flight, survey.free + survey.parked),
        (0, 0, capacity),
        "{survey:#?}"
    );
}

#[test]
fn random_load_never_exceeds_a_capacity_and_every_slot_comes_back() {
    for seed in seeds() {
        let lanes = 1 + seed as usize % 5;
        println!("seed {seed}, {lanes} lanes");
        soak(seed, lanes, 400);
    }
}
