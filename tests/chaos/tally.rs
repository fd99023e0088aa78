use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

/// Counters for the line of progress and the table.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) sent: Count,
    pub(crate) answered: Count,
    /// Clients that left before their answer.
    pub(crate) left: Count,
    /// By reason.
    pub(crate) refused: Counts,
    /// By cause.
    pub(crate) failed: Counts,
    /// By point.
    pub(crate) traps: Counts,
    /// By the callback in which Envoy saw it.
    pub(crate) deaths: Counts,
    /// By outcome.
    pub(crate) pushes: Counts,
    /// By fault.
    pub(crate) faults: Counts,
    pub(crate) kills: Count,
    /// By kind.
    pub(crate) damages: Counts,
    phase: Mutex<&'static str>,
}

impl Tally {
    /// Returns the current phase.
    pub(crate) fn phase(&self) -> &'static str {
        *self.phase.lock().unwrap()
    }

    pub(crate) fn set_phase(&self, phase: &'static str) {
        *self.phase.lock().unwrap() = phase;
    }
}

/// A counter.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counters by name.
#[derive(Debug, Default)]
pub(crate) struct Counts(Mutex<BTreeMap<String, u64>>);

impl Counts {
    pub(crate) fn add(&self, name: impl Into<String>) {
        *self.0.lock().unwrap().entry(name.into()).or_default() += 1;
    }

    pub(crate) fn total(&self) -> u64 {
        self.0.lock().unwrap().values().sum()
    }

    /// Returns `total (name number, name number)`.
    pub(crate) fn describe(&self) -> String {
        let counts = self.0.lock().unwrap();
        let each: Vec<_> = counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
        let total: u64 = counts.values().sum();
        if each.is_empty() { total.to_string() } else { format!("{total} ({})", each.join(", ")) }
    }
}
