//! The plan of a run, from one seed: which failure is injected when. Only durations depend on the machine.

use std::time::Duration;

use crate::{damage::Damage, dice::Dice, trap_point::TrapPoint};

/// Last part of a run, without new failures.
const CALM_AT_THE_END: Duration = Duration::from_secs(3);

/// All events of a run, each list in order of time.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The initial capacities of the workers.
    pub(crate) capacities: Vec<u32>,
    /// The time that a request takes at each worker without a fault.
    pub(crate) delays: Vec<Duration>,
    pub(crate) phases: Vec<Scheduled<Phase>>,
    pub(crate) faults: Vec<Scheduled<FaultPeriod>>,
    pub(crate) pushes: Vec<Scheduled<Push>>,
    pub(crate) traps: Vec<Scheduled<Trap>>,
    pub(crate) outages: Vec<Scheduled<Outage>>,
}

/// An event and its time since the start of the run.
#[derive(Debug, Clone)]
pub(crate) struct Scheduled<T> {
    pub(crate) at: Duration,
    pub(crate) what: T,
}

/// The number of active clients.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Phase {
    pub(crate) name: &'static str,
    /// In percent of the initial slots.
    pub(crate) clients_percent: u64,
}

/// A fault of a worker for some time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FaultPeriod {
    pub(crate) worker: usize,
    pub(crate) how: WorkerFault,
    pub(crate) lasts: Duration,
}

/// A fault of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WorkerFault {
    /// Its port and its connections are closed.
    Dead,
    /// It accepts requests and does not answer.
    Hung,
    /// It answers, late.
    Slow(Duration),
    /// It closes the connection without an answer.
    ResetsHead,
    /// It closes the connection in the middle of an answer.
    ResetsBody,
}

/// One change over REST.
#[derive(Debug, Clone)]
pub(crate) enum Push {
    /// Sets capacities. A removed worker is created again.
    Set(Vec<(usize, u32)>),
    /// Removes a worker.
    Remove(usize),
}

/// A crash of a lane.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trap {
    pub(crate) point: TrapPoint,
    /// A trap of the VM instead of a panic of the filter.
    pub(crate) raw: bool,
}

/// The control plane is killed, and restarted later.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outage {
    pub(crate) lasts: Duration,
    /// Damage to its database meanwhile.
    pub(crate) damage: Option<Damage>,
}

impl Plan {
    /// Creates the plan of a seed for a run of that length, with crashes at these points.
    pub(crate) fn new(seed: u64, length: Duration, points: &[TrapPoint]) -> Self {
        let points = if points.is_empty() { TrapPoint::ALL.as_slice() } else { points };
        let end = length.saturating_sub(CALM_AT_THE_END);
        let mut dice = Dice::new(seed, 1);
        let workers = dice.between(3, 20);
        let capacities: Vec<_> = (0..workers).map(|_| capacity(&mut dice)).collect();
        let count = capacities.len();
        Self {
            delays: capacities.iter().map(|_| ms(&mut dice, 5, 120)).collect(),
            phases: phases(&mut Dice::new(seed, 2), end),
            faults: faults(&mut Dice::new(seed, 3), end, count),
            pushes: pushes(&mut Dice::new(seed, 4), end, count),
            traps: traps(&mut Dice::new(seed, 5), end, points),
            outages: outages(&mut Dice::new(seed, 6), end),
            capacities,
        }
    }
}

fn capacity(dice: &mut Dice) -> u32 {
    u32::try_from(dice.between(1, 8)).unwrap_or(1)
}

fn ms(dice: &mut Dice, from: u64, to: u64) -> Duration {
    Duration::from_millis(dice.between(from, to))
}

fn phases(dice: &mut Dice, end: Duration) -> Vec<Scheduled<Phase>> {
    let mut phases = Vec::new();
    let mut at = Duration::ZERO;
    while at < end {
        let (name, clients_percent) = if phases.len() % 2 == 0 {
            ("overload", dice.between(150, 400))
        } else {
            ("calm", dice.between(5, 60))
        };
        phases.push(Scheduled { at, what: Phase { name, clients_percent } });
        at += ms(dice, 3_000, 9_000);
    }
    phases
}

/// Plans the faults of each worker, about a third of the time.
fn faults(dice: &mut Dice, end: Duration, workers: usize) -> Vec<Scheduled<FaultPeriod>> {
    let mut faults = Vec::new();
    for worker in 0..workers {
        let mut at = ms(dice, 500, 12_000);
        loop {
            let slow = WorkerFault::Slow(ms(dice, 50, 1_500));
            let choices = [
                WorkerFault::Dead,
                WorkerFault::Dead,
                WorkerFault::Hung,
                slow,
                slow,
                WorkerFault::ResetsHead,
                WorkerFault::ResetsBody,
            ];
            let how = dice.one_of(&choices);
            let lasts = if how == WorkerFault::Hung { ms(dice, 500, 7_000) } else { ms(dice, 200, 4_000) };
            if at + lasts >= end {
                break;
            }
            faults.push(Scheduled { at, what: FaultPeriod { worker, how, lasts } });
            at += lasts + ms(dice, 1_000, 12_000);
        }
    }
    faults.sort_by_key(|period| period.at);
    faults
}

/// Plans bursts of changes, many per second, with pauses between.
fn pushes(dice: &mut Dice, end: Duration, workers: usize) -> Vec<Scheduled<Push>> {
    let mut pushes = Vec::new();
    let mut at = ms(dice, 500, 2_000);
    while at < end {
        let storm_ends = end.min(at + ms(dice, 1_000, 5_000));
        while at < storm_ends {
            let what = if dice.percent(20) {
                Push::Remove(dice.index(workers))
            } else {
                let many = dice.between(1, 3);
                let mut set: Vec<(usize, u32)> = Vec::new();
                for _ in 0..many {
                    let worker = dice.index(workers);
                    let capacity = capacity(dice);
                    // A list has each worker once.
                    if set.iter().all(|(other, _)| *other != worker) {
                        set.push((worker, capacity));
                    }
                }
                Push::Set(set)
            };
            pushes.push(Scheduled { at, what });
            at += ms(dice, 20, 200);
        }
        at += ms(dice, 1_000, 5_000);
    }
    pushes
}

fn traps(dice: &mut Dice, end: Duration, points: &[TrapPoint]) -> Vec<Scheduled<Trap>> {
    let mut traps = Vec::new();
    let mut at = ms(dice, 1_000, 4_000);
    while at < end {
        let trap = Trap { point: dice.one_of(points), raw: dice.percent(30) };
        traps.push(Scheduled { at, what: trap });
        // Some crashes happen during the recovery from the previous one.
        at += if dice.percent(25) { ms(dice, 300, 2_000) } else { ms(dice, 2_000, 9_000) };
    }
    traps
}

fn outages(dice: &mut Dice, end: Duration) -> Vec<Scheduled<Outage>> {
    let mut outages = Vec::new();
    let mut at = ms(dice, 3_000, 7_000);
    // Each kind of damage in turn.
    let mut damages = Damage::ALL.iter().cycle().skip(dice.index(Damage::ALL.len()));
    while at < end {
        let lasts = ms(dice, 300, 3_000);
        let damage = if dice.percent(60) { damages.next().copied() } else { None };
        outages.push(Scheduled { at, what: Outage { lasts, damage } });
        at += lasts + ms(dice, 5_000, 15_000);
    }
    outages
}
