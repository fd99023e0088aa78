//! The headers that Slotway reads or sets.

/// Slotway's own headers. They never pass from a client to a worker, or from a worker to a client. Other headers with the same
/// prefix pass.
pub const OURS: [&str; 3] = [WORKER, WAIT_TIMEOUT_MS, WAIT_MS];
/// On a request inside Envoy: the cluster (the worker's base URL) that the request goes to; the route's `cluster_header` reads
/// it. On an answer, with `debug_headers`: the worker's base URL.
pub const WORKER: &str = "x-slotway-worker";
/// From a client: the longest wait for a slot, in milliseconds. A value above the pool's `free_worker_timeout` counts as that.
pub const WAIT_TIMEOUT_MS: &str = "x-slotway-wait-timeout-ms";
/// On an answer, with `debug_headers`: how long the request waited for its slot, in milliseconds.
pub const WAIT_MS: &str = "x-slotway-wait-ms";
/// Envoy's header for the longest time that the worker may take to answer, in milliseconds. The router removes it. It also works
/// together with a limit of the whole stream (`max_stream_duration`), and a route's `timeout` does not.
/// <https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/router_filter#x-envoy-upstream-rq-timeout-ms>
pub const ANSWER_TIMEOUT_MS: &str = "x-envoy-upstream-rq-timeout-ms";
