//! The simulator: the real filter on one to eight lanes, clients, workers and a control plane, and all faults between them,
//! at random from one seed. After each step it checks every promise: from outside, with the workers' counts, and from
//! inside, in the shared state.
//!
//! A run uses one thread and one virtual clock. [`run_seed`] makes it. The same seed makes the same run, to the last host
//! call.

mod agenda;
mod client;
mod configs;
mod coverage;
mod dice;
mod draining;
mod faults;
mod fleet;
mod lane_events;
mod lane_state;
mod plan;
mod process_events;
mod pushes;
mod request_checks;
mod run;
mod state_checks;
mod step_checks;
mod violation;

use std::panic::{AssertUnwindSafe, catch_unwind};

pub use coverage::{Coverage, Kind};
pub use violation::Violation;

use crate::host::Filter;
use run::Run;

/// The options of a run.
#[derive(Debug, Clone, Copy, Default)]
pub struct RunOptions {
    /// The number of scheduler's choices after which no new event comes; `None`: the run decides.
    pub steps: Option<u64>,
    /// Whether to write a trace.
    pub trace: bool,
    /// The active seeded defect, in the variant of the module for tests.
    pub defect: Option<slotway_test_hooks::Defect>,
    /// A broken host, to show that a run can fail: compare-and-swap always swaps.
    pub ignores_cas: bool,
}

/// The result of one seed.
#[derive(Debug, Clone)]
pub struct SeedResult {
    /// The seed.
    pub seed: u64,
    /// The scheduler's choices: host calls, and events that began.
    pub steps: u64,
    /// How often each kind of event happened.
    pub coverage: Coverage,
    /// The broken promise, if there was one.
    pub violation: Option<Violation>,
    /// The trace, line by line, if it was asked for.
    pub trace: Vec<String>,
}

/// Makes the run of one seed.
#[must_use]
pub fn run_seed(filter: &Filter, seed: u64, how: RunOptions) -> SeedResult {
    let mut run = Run::new(filter, seed, how);
    // After a panic only the trace is read.
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
