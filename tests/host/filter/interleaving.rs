//! Lanes that stop at every host call, where a dice chooses the lane that continues.

use std::collections::BTreeMap;

use slotway_tests::{
    host::{Event, LaneIndex, PluginId, StreamId},
    inside,
    world::{World, get, ms, pool, workers_of},
};

use crate::{
    W1, W2,
    dice::{Dice, seeds},
    soak::come_to_rest,
};

const W3: &str = "http://w3.test:9003";
const POOL: &str = "preannotation";

/// A run, and what was observed of it.
struct Run {
    world: World,
    dice: Dice,
    open: Vec<StreamId>,
    /// Configurations that lanes have still to take.
    pushed: Vec<(LaneIndex, PluginId)>,
    /// How many slots of each worker were out at the last look.
    out: BTreeMap<String, u32>,
    /// One step in so many is a trap; 0 is never.
    trap_one_in: usize,
}

impl Run {
    fn new(seed: u64, lanes: usize) -> Self {
        let mut setup = pool(&[(W1, 2), (W2, 1)]);
        setup.free_worker_timeout = ms(150);
        let mut world = World::new(lanes, setup);
        world.host.hold_wakeups(true);
        for worker in [W1, W2, W3] {
            // The shared state says what is allowed at each step.
            world.fleet.set_capacity(worker, u32::MAX, 0);
        }
        Self {
            world,
            dice: Dice(seed),
            open: Vec::new(),
            pushed: Vec::new(),
            out: BTreeMap::new(),
            trap_one_in: 0,
        }
    }

    /// Begins `events` events, each as soon as a lane is free for it, and ends them all.
    fn go(&mut self, events: usize) {
        let mut left = events;
        loop {
            let lanes = self.world.host.lanes();
            let (busy, idle): (Vec<_>, Vec<_>) = lanes.partition(|lane| self.world.host.is_busy(*lane));
            if left > 0 && !idle.is_empty() && (busy.is_empty() || self.dice.roll(4) == 0) {
                left -= 1;
                let lane = idle[self.dice.roll(idle.len())];
                let event = self.next_event(lane);
                self.world.host.begin(lane, event);
            } else if let Some(lane) = self.dice.pick(&busy) {
                if self.trap_one_in > 0 && self.dice.roll(self.trap_one_in) == 0 {
                    self.world.host.trap(lane);
                }
                self.world.host.step(lane);
                self.world.see();
                self.check();
            } else {
                return;
            }
        }
    }

    /// Chooses what happens next on a lane.
    fn next_event(&mut self, lane: LaneIndex) -> Event {
        self.world.host.advance_silently(self.dice.roll(8) as u64);
        match self.dice.roll(20) {
            0..=4 => self.wakeup(lane),
            5..=9 => self.answer(lane),
            10..=11 => self.tick(lane),
            12 => self.leave(lane),
            13 => self.push(lane),
            _ => None,
        }
        .unwrap_or_else(|| {
            let stream = self.world.host.open(lane, get("/"));
            self.open.push(stream);
            Event::Request { stream, end: true }
        })
    }

    fn wakeup(&mut self, lane: LaneIndex) -> Option<Event> {
        let mut wakeups = self.world.host.wakeups();
        wakeups.retain(|wakeup| wakeup.lane == lane);
        let wakeup = self.dice.pick(&wakeups)?;
        self.world.host.take_wakeup(wakeup);
        Some(Event::Wakeup(wakeup))
    }

    fn answer(&mut self, lane: LaneIndex) -> Option<Event> {
        let mut running = self.world.fleet.running();
        running.retain(|stream| self.world.host.lane_of(*stream) == lane);
        let stream = self.dice.pick(&running)?;
        self.world.fleet.leave(stream);
        Some(Event::AnswerHeaders { stream, headers: [(":status", "200")].into_iter().collect(), end: true })
    }

    fn tick(&mut self, lane: LaneIndex) -> Option<Event> {
        self.world.host.due_ticks().into_iter().find(|(due, _)| *due == lane).map(|(_, event)| event)
    }

    fn leave(&mut self, lane: LaneIndex) -> Option<Event> {
        self.open.retain(|stream| !self.world.host.is_finished(*stream));
        let here: Vec<_> =
            self.open.iter().copied().filter(|stream| self.world.host.lane_of(*stream) == lane).collect();
        let stream = self.dice.pick(&here)?;
        self.world.fleet.leave(stream);
        Some(Event::ClientGone(stream))
    }

    /// Lets a lane take a configuration. Pushes a new one if it has taken all.
    fn push(&mut self, lane: LaneIndex) -> Option<Event> {
        if let Some(at) = self.pushed.iter().position(|(to, _)| *to == lane) {
            return Some(Event::Configure(self.pushed.remove(at).1));
        }
        let capacities = [W1, W2, W3].map(|worker| (worker, self.dice.roll(4) as u32));
        let workers: Vec<_> = capacities.into_iter().filter(|(_, capacity)| *capacity > 0).collect();
        let config = self.world.change(|config| config.pools[0].workers = workers_of(&workers));
        let plugin = self.world.host.accept(&config).expect("a configuration that the filter takes");
        self.pushed.extend(self.world.host.lanes().filter(|to| *to != lane).map(|to| (to, plugin)));
        Some(Event::Configure(plugin))
    }

    /// A slot is only given out below the capacity in force, and every request at a worker has one.
    fn check(&mut self) {
        let workers = inside::workers(&self.world.host.shared_data(), POOL);
        for worker in [W1, W2, W3] {
            let (capacity, out) =
                workers.get(worker).map_or((0, 0), |figures| (figures.capacity, figures.in_flight));
            let before = self.out.insert(worker.to_owned(), out).unwrap_or(0);
            assert!(out <= capacity.max(before), "{worker}: {out} slots are out, of {capacity}");
            let running = self.world.fleet.load(worker).now;
            assert!(running <= out, "{worker}: {running} requests with {out} slots");
        }
    }

    fn rest(mut self) {
        for (lane, plugin) in std::mem::take(&mut self.pushed) {
            self.world.host.run(lane, Event::Configure(plugin)).expect("a configuration that a canary took");
        }
        come_to_rest(&mut self.world, &self.open);
        assert_eq!(self.world.complaints(), Vec::<String>::new());
    }
}

#[test]
fn lanes_that_interleave_at_host_calls_keep_every_promise() {
    for seed in seeds() {
        let lanes = 2 + seed as usize % 4;
        println!("seed {seed}, {lanes} lanes");
        let mut run = Run::new(seed, lanes);
        run.go(150);
        run.rest();
    }
}

#[test]
fn a_lane_that_traps_anywhere_sends_no_worker_more_than_its_capacity() {
    for seed in seeds() {
        println!("seed {seed}");
        let mut run = Run::new(seed, 3);
        run.trap_one_in = 150;
        run.go(150);
        let traps = run.world.host.logs().into_iter().filter(|line| line.level == 5).count();
        assert!(traps > 0, "no lane trapped");
    }
}

#[test]
fn one_seed_gives_one_run() {
    let runs = [7, 7, 8].map(|seed| {
        let mut run = Run::new(seed, 3);
        run.world.host.start_trace();
        run.go(100);
        (run.world.host.trace(), run.world.host.usage())
    });
    assert!(runs[0] == runs[1], "the same seed, another run");
    assert!(runs[0] != runs[2], "another seed, the same run");
}
