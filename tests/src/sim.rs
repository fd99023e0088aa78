//! The simulator: the real filter on one to eight lanes, clients, workers and a control plane, and everything
//! that can go wrong between them, at random from one seed. After each step every promise is checked: from
//! outside, by what the workers count, and inside, in the shared state.
//!
//! A run is one thread and one virtual clock. [`run_seed`] makes it; the same seed makes the same run, to the
//! last host call.

mod agenda;
mod begin;
mod client;
mod configs;
mod coverage;
mod dice;
mod ends;
mod faults;
mod fleet;
mod happen;
mod lane_life;
mod plan;
mod pushes;
mod rest;
mod run;
mod see;
mod violation;
mod watch;

use std::panic::{AssertUnwindSafe, catch_unwind};

pub use coverage::{Coverage, Kind};
pub use violation::Violation;

use crate::host::Filter;
use run::Run;

/// What a run is to be like, beside its seed.
#[derive(Debug, Clone, Copy, Default)]
pub struct How {
    /// Scheduler's choices after which nothing more is thrown; else each run decides for itself.
    pub steps: Option<u64>,
    /// Whether to write down everything that happens.
    pub trace: bool,
    /// The active seeded defect, in the variant of the module for tests.
    pub defect: Option<slotway_test_hooks::Defect>,
    /// A broken host, to show that a run can fail: compare-and-swap always swaps.
    pub ignores_cas: bool,
}

/// What one seed came to.
#[derive(Debug, Clone)]
pub struct SeedResult {
    /// The seed.
    pub seed: u64,
    /// Choices of the scheduler: host calls, and what began.
    pub steps: u64,
    /// What happened, how often.
    pub coverage: Coverage,
    /// The broken promise, if there was one.
    pub violation: Option<Violation>,
    /// What happened, line by line, if that was asked for.
    pub trace: Vec<String>,
}

/// Makes the run of one seed.
#[must_use]
pub fn run_seed(filter: &Filter, seed: u64, how: How) -> SeedResult {
    let mut run = Run::new(filter, seed, how);
    // Nobody looks at what a panic leaves half done but for its trace.
    let ended = catch_unwind(AssertUnwindSafe(|| run.go()));
    let violation = match ended {
        Ok(Ok(())) => None,
        Ok(Err(violation)) => Some(*violation),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no text");
            Some(Violation {
                invariant: "simulator",
                what: format!("the simulator itself never panics: {text}"),
            })
        }
    };
    run.count();
    let trace = if how.trace { run.host.trace() } else { Vec::new() };
    SeedResult { seed, steps: run.steps, coverage: run.coverage, violation, trace }
}
