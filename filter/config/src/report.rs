use serde::{Deserialize, Serialize};

use crate::{PoolName, WorkerUrl};

/// What one coordinator says about its slots: `POST /coordinator/report` on the xDS port, as JSON.
///
/// A full report names every pool and worker; the ones between name all pools but only the workers whose
/// figures changed. The control plane answers `409 Conflict` where it lacks the full report that this one
/// builds on; the next one is full.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The coordinator's name, from its configuration.
    pub coordinator: String,
    /// The lane that wrote this report, and a number that is new with each life of a lane.
    pub reporter: u64,
    /// Counts up by one with each report of this reporter; the report builds on the one before.
    pub sequence: u64,
    /// Whether it names every worker.
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
    /// Its requests under way, those within `abandoned_hold` and slots on their way to a waiter included.
    pub in_flight: u32,
    /// Its slots in the free queue.
    pub free: u32,
    /// Its slots that are parked.
    pub parked: u32,
    /// Failures to reach it, one after the other; 0 once it has answered.
    pub failures: u32,
    /// What it is doing.
    pub state: WorkerState,
}

/// What a worker is doing, as its coordinator sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WorkerState {
    /// It takes requests.
    Active,
    /// It cannot be reached; its slots wait for the next probe.
    Parked,
    /// It could not be reached, and one request now finds out whether it can again.
    Probing,
    /// It was removed or shrunk, and requests beyond its capacity are still under way.
    Draining,
    /// It was removed and has no request left.
    Gone,
}
