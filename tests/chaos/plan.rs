//! What is going to happen, all of it from one seed: who fails when and how. Only how long things take is the machine's.

use std::time::Duration;

use crate::{damage::Damage, dice::Dice, trap_point::TrapPoint};

/// Nothing more is broken in the last part of a run, so that it has calm to recover in.
const CALM_AT_THE_END: Duration = Duration::from_secs(3);

/// All events of a run, each list in the order of time.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The workers' first capacities.
    pub(crate) capacities: Vec<u32>,
    /// What a request costs each worker when it is well.
    pub(crate) delays: Vec<Duration>,
    pub(crate) phases: Vec<At<Phase>>,
    pub(crate) ailments: Vec<At<Ailment>>,
    pub(crate) pushes: Vec<At<Push>>,
    pub(crate) traps: Vec<At<Trap>>,
    pub(crate) outages: Vec<At<Outage>>,
}

/// Something and when, from the start of the run.
#[derive(Debug, Clone)]
pub(crate) struct At<T> {
    pub(crate) at: Duration,
    pub(crate) what: T,
}

/// How many clients are at work.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Phase {
    pub(crate) name: &'static str,
    /// In percent of the slots of the start.
    pub(crate) clients_percent: u64,
}

/// A worker is unwell for a while.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ailment {
    pub(crate) worker: usize,
    pub(crate) how: Malady,
    pub(crate) lasts: Duration,
}

/// How a worker is unwell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Malady {
    /// Its port and its connections are closed.
    Dead,
    /// It takes requests and answers none.
    Hung,
    /// It answers, late.
    Slow(Duration),
    /// It closes the connection instead of an answer.
    ResetsHead,
    /// It closes the connection in the midst of an answer.
    ResetsBody,
}

/// One change over REST.
#[derive(Debug, Clone)]
pub(crate) enum Push {
    /// These workers have these capacities; one that was removed is there again.
    Set(Vec<(usize, u32)>),
    /// This worker is removed.
    Remove(usize),
}

/// One lane is killed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trap {
    pub(crate) point: TrapPoint,
    /// Not by a panic of the filter but by a trap of the machine below it.
    pub(crate) raw: bool,
}

/// The control plane is killed, and started again after a while.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outage {
    pub(crate) lasts: Duration,
    /// What happens to its database meanwhile.
    pub(crate) damage: Option<Damage>,
}

impl Plan {
    /// The events of that seed for a run of that length, with lanes that die at these points.
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
            ailments: ailments(&mut Dice::new(seed, 3), end, count),
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

fn phases(dice: &mut Dice, end: Duration) -> Vec<At<Phase>> {
    let mut phases = Vec::new();
    let mut at = Duration::ZERO;
    while at < end {
        let (name, clients_percent) = if phases.len() % 2 == 0 {
            ("overload", dice.between(150, 400))
        } else {
            ("calm", dice.between(5, 60))
        };
        phases.push(At { at, what: Phase { name, clients_percent } });
        at += ms(dice, 3_000, 9_000);
    }
    phases
}

/// Each worker has a course of its own; about a third of the time it is unwell.
fn ailments(dice: &mut Dice, end: Duration, workers: usize) -> Vec<At<Ailment>> {
    let mut ailments = Vec::new();
    for worker in 0..workers {
        let mut at = ms(dice, 500, 12_000);
        loop {
            let slow = Malady::Slow(ms(dice, 50, 1_500));
            let choices = [
                Malady::Dead,
                Malady::Dead,
                Malady::Hung,
                slow,
                slow,
                Malady::ResetsHead,
                Malady::ResetsBody,
            ];
            let how = dice.one_of(&choices);
            let lasts = if how == Malady::Hung { ms(dice, 500, 7_000) } else { ms(dice, 200, 4_000) };
            if at + lasts >= end {
                break;
            }
            ailments.push(At { at, what: Ailment { worker, how, lasts } });
            at += lasts + ms(dice, 1_000, 12_000);
        }
    }
    ailments.sort_by_key(|ailment| ailment.at);
    ailments
}

/// Storms of changes, many in a second, with calm between.
fn pushes(dice: &mut Dice, end: Duration, workers: usize) -> Vec<At<Push>> {
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
                    // A worker stands once in a list.
                    if set.iter().all(|(other, _)| *other != worker) {
                        set.push((worker, capacity));
                    }
                }
                Push::Set(set)
            };
            pushes.push(At { at, what });
            at += ms(dice, 20, 200);
        }
        at += ms(dice, 1_000, 5_000);
    }
    pushes
}

fn traps(dice: &mut Dice, end: Duration, points: &[TrapPoint]) -> Vec<At<Trap>> {
    let mut traps = Vec::new();
    let mut at = ms(dice, 1_000, 4_000);
    while at < end {
        let trap = Trap { point: dice.one_of(points), raw: dice.percent(30) };
        traps.push(At { at, what: trap });
        // Now and then the next one comes while the last one is being recovered from.
        at += if dice.percent(25) { ms(dice, 300, 2_000) } else { ms(dice, 2_000, 9_000) };
    }
    traps
}

fn outages(dice: &mut Dice, end: Duration) -> Vec<At<Outage>> {
    let mut outages = Vec::new();
    let mut at = ms(dice, 3_000, 7_000);
    // Every kind of damage has its turn.
    let mut damages = Damage::ALL.iter().cycle().skip(dice.index(Damage::ALL.len()));
    while at < end {
        let lasts = ms(dice, 300, 3_000);
        let damage = if dice.percent(60) { damages.next().copied() } else { None };
        outages.push(At { at, what: Outage { lasts, damage } });
        at += lasts + ms(dice, 5_000, 15_000);
    }
    outages
}
