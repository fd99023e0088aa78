//! The cases: what is compared, under which load, and which bar must be reached.

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

/// Cases that run only when they are asked for: they explain the figures of others.
pub(crate) const MORE: [&str; 1] = ["settings"];

/// How a case is to be run.
pub(crate) struct Bench {
    /// A first look only.
    pub(crate) quick: bool,
    /// How often each contender is measured.
    pub(crate) rounds: usize,
    /// How long at a time.
    pub(crate) slice: Duration,
    /// Who runs where.
    pub(crate) cpus: Cpus,
}

/// Runs the case of that key.
pub(crate) async fn run(key: &str, bench: &Bench) -> Case {
    match key {
        "overhead" => overhead::run(bench).await,
        "scale_workers" => scale_workers::run(bench).await,
        "scale_waiters" => scale_waiters::run(bench).await,
        "scale_threads" => scale_threads::run(bench).await,
        "saturation" => saturation::run(bench).await,
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
