//! Header names that mean something to Slotway.

/// Those that are its own: a client's never reach a worker, nor a worker's a client. Others that begin alike mean nothing, and go through.
pub const OURS: [&str; 3] = [WORKER, WAIT_TIMEOUT_MS, WAIT_MS];
/// On a request inside Envoy: the cluster (= worker) that the request goes to, read by the route's
/// `cluster_header`. On an answer, with `debug_headers`: the worker's base URL.
pub const WORKER: &str = "x-slotway-worker";
/// From a client: wait at most this many milliseconds for a slot; never more than the pool's
/// `free_worker_timeout`.
pub const WAIT_TIMEOUT_MS: &str = "x-slotway-wait-timeout-ms";
/// On an answer, with `debug_headers`: how long the request waited for its slot, in milliseconds.
pub const WAIT_MS: &str = "x-slotway-wait-ms";
/// Envoy's own, which its router takes off: for how many milliseconds the worker may take to answer. It counts also beside a limit of the whole stream
/// (`max_stream_duration`), where a route's `timeout` does not.
/// <https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/router_filter#x-envoy-upstream-rq-timeout-ms>
pub const ANSWER_TIMEOUT_MS: &str = "x-envoy-upstream-rq-timeout-ms";
