//! Header names that belong to Slotway. A client's own are stripped on the way in, a worker's on the way out.

/// Every header of ours begins with this.
pub const PREFIX: &str = "x-slotway-";
/// On a request inside Envoy: the cluster (= worker) that the request goes to, read by the route's
/// `cluster_header`. On an answer, with `debug_headers`: the worker's base URL.
pub const WORKER: &str = "x-slotway-worker";
/// From a client: wait at most this many milliseconds for a slot; never more than the pool's
/// `free_worker_timeout`.
pub const WAIT_TIMEOUT_MS: &str = "x-slotway-wait-timeout-ms";
/// On an answer, with `debug_headers`: how long the request waited for its slot, in milliseconds.
pub const WAIT_MS: &str = "x-slotway-wait-ms";
