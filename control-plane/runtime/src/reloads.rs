use std::sync::{Mutex, MutexGuard, PoisonError, atomic::AtomicU64};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use crate::Clock;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

/// The outcome of a reload of the configuration file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReloadOutcome {
    /// It is in force, except for settings that need a restart.
    Done,
    /// It is not valid, or cannot be put in force; nothing was changed.
    Refused,
}

impl ReloadOutcome {
    /// Returns the word that metrics use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
        }
    }
}

/// Counts reloads of the configuration file by outcome.
#[derive(Debug, Default)]
pub struct Reloads(Mutex<Counts>);

#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    done: u64,
    refused: u64,
    last_success_unix_s: u64,
    last_refused: bool,
}

impl Reloads {
    /// Counts a reload.
    pub fn count(&self, outcome: ReloadOutcome) {
        let mut counts = self.lock();
        match outcome {
            ReloadOutcome::Done => counts.done += 1,
            ReloadOutcome::Refused => counts.refused += 1,
        }
        counts.last_refused = outcome == ReloadOutcome::Refused;
        if outcome == ReloadOutcome::Done {
            counts.last_success_unix_s = now_unix_s();
        }
    }

    /// Records the start, which is a success but not a reload.
    pub fn started(&self) {
        self.lock().last_success_unix_s = now_unix_s();
    }

    /// Returns the number of reloads with this outcome.
    #[must_use]
    pub fn of(&self, outcome: ReloadOutcome) -> u64 {
        let counts = self.lock();
        match outcome {
            ReloadOutcome::Done => counts.done,
            ReloadOutcome::Refused => counts.refused,
        }
    }

    /// Returns when the file was last put in force, at the start or later, as Unix time in seconds.
    #[must_use]
    pub fn last_success_unix_s(&self) -> u64 {
        self.lock().last_success_unix_s
    }

    /// Says whether the last read file is in force.
    #[must_use]
    pub fn is_last_in_force(&self) -> bool {
        !self.lock().last_refused
    }

    /// Registers the current metrics of reloads.
    pub fn register_metrics(&self, registry: &mut Registry) {
        let reloads = Family::<OutcomeLabels, Counter>::default();
        for outcome in [ReloadOutcome::Done, ReloadOutcome::Refused] {
            let labels = OutcomeLabels { outcome: outcome.as_str() };
            reloads.get_or_create(&labels).inc_by(self.of(outcome));
        }
        registry.register("config_reloads", "Reloads of the configuration file", reloads);
        let in_force = Gauge::<i64>::default();
        in_force.set(i64::from(self.is_last_in_force()));
        let help = "Whether the last read configuration file is in force";
        registry.register("config_last_reload_successful", help, in_force);
        let last = Gauge::<u64, AtomicU64>::default();
        last.set(self.last_success_unix_s());
        let help = "Time at which the configuration file was last put in force, as Unix time";
        registry.register("config_last_reload_success_timestamp_seconds", help, last);
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn now_unix_s() -> u64 {
    Clock::System.now().unix_s()
}
