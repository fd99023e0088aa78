//! The outcomes of the heartbeats, for the API and the metrics.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use slotway_config::{PoolName, WorkerUrl};
use slotway_runtime::Moment;

use crate::ProbeTarget;

/// The outcomes of the heartbeats by worker and by pool, of the control plane that probes.
#[derive(Debug, Default)]
pub struct HeartbeatOutcomes(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    workers: HashMap<WorkerUrl, (PoolName, HeartbeatOutcome)>,
    failures: BTreeMap<PoolName, u64>,
}

/// The outcome of a worker's last heartbeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeartbeatOutcome {
    /// When it was probed.
    pub at: Moment,
    /// The number of failures in a row; 0 if it has answered.
    pub failures: u32,
    /// What went wrong; none if it has answered.
    pub error: Option<String>,
    /// Whether it gets requests although its failures have reached the threshold, because the watchdog's own network
    /// seems to have failed.
    pub is_kept: bool,
}

impl HeartbeatOutcomes {
    /// Records an outcome.
    pub(crate) fn record(&self, target: &ProbeTarget, at: Moment, error: Option<String>, is_kept: bool) {
        let mut inner = self.lock();
        let url = &target.worker;
        let before = inner.workers.get(url).map_or(0, |(_, outcome)| outcome.failures);
        let failures = if error.is_some() { before.saturating_add(1) } else { 0 };
        if error.is_some() {
            *inner.failures.entry(target.pool.clone()).or_default() += 1;
        }
        let outcome = HeartbeatOutcome { at, failures, error, is_kept };
        inner.workers.insert(url.clone(), (target.pool.clone(), outcome));
    }

    /// Removes a worker that is no longer probed.
    pub(crate) fn forget(&self, url: &WorkerUrl) {
        self.lock().workers.remove(url);
    }

    /// Removes all workers; the counts of failures remain.
    pub(crate) fn forget_all(&self) {
        self.lock().workers.clear();
    }

    /// Returns the last outcome of a worker; none if it has no heartbeat, was not probed yet, or another control plane probes it.
    #[must_use]
    pub fn of(&self, url: &WorkerUrl) -> Option<HeartbeatOutcome> {
        self.lock().workers.get(url).map(|(_, outcome)| outcome.clone())
    }

    /// Returns the number of failed heartbeats since the start, by pool.
    #[must_use]
    pub fn failures(&self) -> BTreeMap<PoolName, u64> {
        self.lock().failures.clone()
    }

    /// Returns the number of workers that are kept although they fail, by pool; see [`HeartbeatOutcome::is_kept`].
    #[must_use]
    pub fn kept(&self) -> BTreeMap<PoolName, u64> {
        let mut kept = BTreeMap::new();
        for (pool, _) in self.lock().workers.values().filter(|(_, outcome)| outcome.is_kept) {
            *kept.entry(pool.clone()).or_default() += 1;
        }
        kept
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
