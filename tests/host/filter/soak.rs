//! Many requests, many lanes, everything at random from one seed: never above capacity, and every slot comes home.

use slotway_tests::{
    host::{Event, HostCall, LaneId, Step, StreamId, WorkerFailure},
    world::{World, get, ms, pool},
};

use crate::{W1, W2};

const W3: &str = "http://w3.test:9003/path";

/// How many seeds each test runs through, from 0: more if `SOAK_SEEDS` says so.
fn seeds() -> std::ops::Range<u64> {
    let count = std::env::var("SOAK_SEEDS").ok().and_then(|count| count.parse().ok());
    0..count.unwrap_or(24)
}

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        ((mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb) >> 33) as usize % sides
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> Option<T> {
        (!from.is_empty()).then(|| from[self.roll(from.len())])
    }
}

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
}

fn push(world: &mut World, dice: &mut Dice) {
    let workers: Vec<_> = [W1, W2, W3].map(|worker| (worker, dice.roll(6).saturating_sub(1) as u32)).into();
    let workers: Vec<_> = workers.into_iter().filter(|(_, capacity)| *capacity > 0).collect();
    world.push_workers(&workers);
}

fn come_to_rest(world: &mut World, open: &[StreamId]) {
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
        assert!(world.host.is_finished(*stream), "{stream:?} has not ended");
    }
    let capacity: u32 = world.config().pools[0].workers.iter().map(|worker| worker.capacity.get()).sum();
    let survey = world.survey();
    // A worker that was parked last is tried by the next request, and has its slots until then.
    assert_eq!(
        (survey.waiting, survey.in_flight, survey.free + survey.parked),
        (0, 0, capacity),
        "{survey:#?}"
    );
    assert_eq!(world.complaints(), Vec::<String>::new());
}

#[test]
fn whatever_happens_no_worker_gets_more_than_it_may_and_every_slot_comes_home() {
    for seed in seeds() {
        let lanes = 1 + seed as usize % 5;
        println!("seed {seed}, {lanes} lanes");
        soak(seed, lanes, 400);
    }
}

/// Lanes stop at every host call, and a dice says who goes on.
fn interleave(seed: u64, lanes: usize, events: usize) {
    let mut dice = Dice(seed);
    let mut setup = pool(&[(W1, 2), (W2, 1)]);
    setup.free_worker_timeout = ms(5_000);
    let mut world = World::new(lanes, setup);
    world.host.hold_wakeups(true);
    let mut open = Vec::new();
    let mut left = events;
    let all: Vec<LaneId> = world.host.lanes().collect();
    loop {
        let busy: Vec<_> = all.iter().copied().filter(|lane| world.host.is_busy(*lane)).collect();
        let idle: Vec<_> = all.iter().copied().filter(|lane| !world.host.is_busy(*lane)).collect();
        if left > 0 && !idle.is_empty() && (busy.is_empty() || dice.roll(4) == 0) {
            left -= 1;
            let lane = dice.pick(&idle).expect("an idle lane");
            begin(&mut world, &mut dice, lane, &mut open);
        } else if let Some(lane) = dice.pick(&busy) {
            let step = world.host.step(lane);
            debug_assert!(!matches!(step, Step::At(HostCall::ProcExit)));
            world.see();
        } else {
            break;
        }
    }
    come_to_rest(&mut world, &open);
}

/// One event on a lane: a wake-up if there is one, the end of a request, or a new one.
fn begin(world: &mut World, dice: &mut Dice, lane: LaneId, open: &mut Vec<StreamId>) {
    let wakeups: Vec<_> = world.host.wakeups().into_iter().filter(|wakeup| wakeup.lane == lane).collect();
    let here = |world: &World, stream: &StreamId| world.host.lane_of(*stream) == lane;
    let running: Vec<_> = world.fleet.running().into_iter().filter(|stream| here(world, stream)).collect();
    if let (Some(wakeup), 0..=1) = (dice.pick(&wakeups), dice.roll(3)) {
        world.host.take_wakeup(wakeup);
        world.host.begin(lane, Event::Wakeup(wakeup));
    } else if let (Some(stream), 0..=1) = (dice.pick(&running), dice.roll(3)) {
        world.fleet.leave(stream);
        let headers = [(":status", "200")].into_iter().collect();
        world.host.begin(lane, Event::AnswerHeaders { stream, headers, end: true });
    } else if dice.roll(8) == 0
        && let Some(stream) =
            dice.pick(&open.iter().copied().filter(|stream| here(world, stream)).collect::<Vec<_>>())
    {
        world.fleet.leave(stream);
        world.host.begin(lane, Event::ClientGone(stream));
    } else {
        let stream = world.host.open(lane, get("/"));
        open.push(stream);
        world.host.begin(lane, Event::Request { stream, end: true });
    }
}

#[test]
fn lanes_that_come_between_each_others_reads_and_writes_break_nothing() {
    for seed in seeds() {
        let lanes = 2 + seed as usize % 4;
        println!("seed {seed}, {lanes} lanes");
        interleave(seed, lanes, 120);
    }
}
