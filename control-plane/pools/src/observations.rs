//! The observations about workers and pools that this domain needs from other parts of the control plane.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use slotway_config::{PoolReport, WorkerReport, WorkerUrl};
use slotway_runtime::Moment;

/// The maximum age of a coordinator's figures that count as current.
pub const FIGURES_FRESH_FOR: Duration = Duration::from_secs(10);

/// The observations of the coordinators and of the watchdog.
pub trait Observations: Send + Sync {
    /// Returns whether a coordinator has reported that `generation` or a later one is in force there, and that it has
    /// no request at a worker that this generation removed.
    fn has_drained(&self, coordinator: &str, worker: &WorkerUrl, generation: u64) -> bool;

    /// Returns the latest figures of each coordinator, by name.
    fn latest(&self, now: Instant) -> Vec<CoordinatorFigures>;

    /// Returns the outcome of a worker's last heartbeat; none if it has no heartbeat, was not probed yet, or another
    /// control plane probes it.
    fn heartbeat(&self, worker: &WorkerUrl) -> Option<HeartbeatStatus>;
}

/// One coordinator's figures at one moment.
#[derive(Debug, Clone)]
pub struct CoordinatorFigures {
    /// The coordinator's name.
    pub coordinator: String,
    /// The newest generation that is in force there.
    pub generation: u64,
    /// The age of the figures.
    pub age: Duration,
    /// The pools, without their workers.
    pub pools: Vec<PoolReport>,
    /// The workers.
    pub workers: HashMap<WorkerUrl, WorkerReport>,
}

impl CoordinatorFigures {
    /// Returns whether the figures are recent enough to count as current.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        self.age < FIGURES_FRESH_FOR
    }
}

/// The outcome of a worker's last heartbeat, as known to the control plane that probes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeartbeatStatus {
    /// Whether it answered.
    pub ok: bool,
    /// The time of the request.
    pub at: Moment,
    /// The number of failures in a row.
    pub failures: u32,
    /// The last failure; `None` once it has answered.
    pub last_error: Option<String>,
    /// Whether it gets requests although its failures have reached the threshold, because so many workers fail at once
    /// that the control plane's own network has probably failed.
    pub kept: bool,
}
