//! The cases: what is compared, under which load, and which bar must be reached.

pub(crate) mod overhead;

use std::time::Duration;

use crate::{cpus::Cpus, report::Case};

/// The cases' keys, in the order in which they run.
pub(crate) const KEYS: [&str; 1] = ["overhead"];

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
        _ => panic!("there is no case {key}"),
    }
}
