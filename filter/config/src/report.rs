use serde::{Deserialize, Serialize};

use crate::{PoolName, WorkerUrl};

/// A coordinator's report about its slots: `POST /coordinator/report` on the xDS port, as JSON.
///
/// A full report has every pool and worker. The reports between have all pools, but only the workers whose figures have changed.
/// The control plane answers `409 Conflict` if it lacks the report that this one builds on; then the next one is full.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The coordinator's name, from its configuration.
    pub coordinator: String,
    /// The reporter: a number that is new with each term of a lane as the reporter.
    pub reporter: u64,
    /// Rises by one with each report of this reporter. A report builds on the one before.
    pub sequence: u64,
    /// Whether the report has every worker.
    pub full: bool,
    /// The newest generation that is in force.
    pub generation: u64,
    /// One entry for each pool.
    pub pools: Vec<PoolReport>,
}

/// One pool in a [`Report`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolReport {
    /// The pool.
    pub pool: PoolName,
    /// Slots in the free queue that can be given out.
    pub free: u32,
    /// Slots whose request is at its worker or on its way there.
    pub in_flight: u32,
    /// Slots of workers that cannot be reached at the moment.
    pub parked: u32,
    /// Requests that wait for a slot.
    pub waiting: u32,
    /// How long the first of them has waited, in milliseconds.
    pub oldest_wait_ms: u64,
    /// The workers, or those whose figures changed.
    pub workers: Vec<WorkerReport>,
}

/// One worker in a [`PoolReport`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerReport {
    /// The worker.
    pub worker: WorkerUrl,
    /// Its capacity in force; 0 once it was removed and drains.
    pub capacity: u32,
    /// Its requests in flight, including slots that `abandoned_hold` keeps and slots on their way to a waiter.
    pub in_flight: u32,
    /// Its slots in the free queue.
    pub free: u32,
    /// Its parked slots.
    pub parked: u32,
    /// Consecutive failures to reach it; 0 once it has answered.
    pub failures: u32,
    /// Its state.
    pub state: WorkerState,
}

/// The state of a worker, as its coordinator sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WorkerState {
    /// It takes requests.
    Active,
    /// It cannot be reached. Its slots wait for the next probe.
    Parked,
    /// It could not be reached, and one request probes it now.
    Probing,
    /// It was removed or has shrunk, and requests beyond its capacity are still in flight.
    Draining,
    /// It was removed and has no request left.
    Gone,
}
