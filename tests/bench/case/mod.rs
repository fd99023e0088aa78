//! The cases: the contenders, the load, and the bars to reach.

pub(crate) mod connections;
pub(crate) mod deadline;
pub(crate) mod fleet;
pub(crate) mod handoff;
pub(crate) mod memory;
pub(crate) mod overhead;
pub(crate) mod push;
pub(crate) mod refusal;
pub(crate) mod saturation;
pub(crate) mod scale_threads;
pub(crate) mod scale_waiters;
pub(crate) mod scale_workers;
pub(crate) mod settings;

use std::time::Duration;

use crate::{cpus::Cpus, report::Case};

/// The cases' keys, in the order in which they run.
pub(crate) const KEYS: [&str; 11] = [
    "overhead",
    "scale_workers",
    "scale_waiters",
    "scale_threads",
    "saturation",
    "handoff",
    "deadline",
    "refusal",
    "memory",
    "push",
    "fleet",
];

/// Cases that run only on request: they explain the figures of others.
pub(crate) const MORE: [&str; 2] = ["settings", "connections"];

/// The settings of a run.
pub(crate) struct Bench {
    /// Whether this is a quick run.
    pub(crate) quick: bool,
    /// The number of measurements of each contender.
    pub(crate) rounds: usize,
    /// The duration of one measurement.
    pub(crate) slice: Duration,
    /// The assignment of processors.
    pub(crate) cpus: Cpus,
}

/// Runs the case with this key.
pub(crate) async fn run(key: &str, bench: &Bench) -> Case {
    match key {
        "overhead" => overhead::run(bench).await,
        "scale_workers" => scale_workers::run(bench).await,
        "scale_waiters" => scale_waiters::run(bench).await,
        "scale_threads" => scale_threads::run(bench).await,
        "saturation" => saturation::run(bench).await,
        "connections" => connections::run(bench).await,
        "settings" => settings::run(bench).await,
        "handoff" => handoff::run(bench).await,
        "deadline" => deadline::run(bench).await,
        "refusal" => refusal::run(bench).await,
        "memory" => memory::run(bench).await,
        "push" => push::run(bench).await,
        "fleet" => fleet::run(bench).await,
        _ => panic!("there is no case {key}"),
    }
}
