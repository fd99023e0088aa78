//! What Envoy shall have: the seam between the domain, which decides it, and xDS, which brings it there.

use std::{net::SocketAddr, path::PathBuf};

use slotway_config::{Pool, WaitDuration, Worker};

/// What Envoy shall have: the whole wanted state. One value for each change, never altered once it is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desired {
    /// Only rises, also over restarts and lost databases: the greater of the stored one plus 1 and the Unix time in
    /// microseconds at which it was made.
    pub generation: u64,
    /// The pools in match order, each with the workers in force.
    pub pools: Vec<Pool>,
    /// Removed workers whose clusters must stay until they have drained. None of them stands in `pools`.
    pub draining: Vec<Worker>,
    /// How Envoy listens to clients.
    pub listener: ListenerSettings,
}

/// How Envoy listens to clients and runs the filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerSettings {
    /// The address that clients connect to.
    pub listen: SocketAddr,
    /// Adds `x-slotway-worker` and `x-slotway-wait-ms` to answers.
    pub debug_headers: bool,
    /// How long a lane may be silent before it is believed dead.
    pub lane_lease: WaitDuration,
    /// Envoy's access log; none is written without it.
    pub access_log: Option<PathBuf>,
    /// The filter's code, an absolute path on Envoy's machine.
    pub filter_wasm: PathBuf,
    /// Envoy's concurrency: how many worker threads, and so lanes, it runs.
    pub lanes: u32,
}
