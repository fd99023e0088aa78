use serde::{Deserialize, Serialize};
use slotway_config::{PoolName, WorkerUrl};

/// A server: a worker that runs outside of Slotway and counts against the limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// What it does: the name of a pool.
    pub usage: PoolName,
    /// The base URL of the worker.
    pub external: WorkerUrl,
}
