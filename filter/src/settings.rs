//! What the newest plugin configuration says about this coordinator as a whole.

use slotway_config::FilterConfig;

/// The part of the configuration that is not about one pool.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) generation: u64,
    pub(crate) coordinator: String,
    pub(crate) report_cluster: Option<String>,
    pub(crate) debug_headers: bool,
    pub(crate) access_log_fields: bool,
    pub(crate) lane_lease_ms: u64,
    /// The pools' places in the lane, in the order in which their matches are tried.
    pub(crate) order: Vec<usize>,
    /// Whether the pools can be told apart only by the path.
    pub(crate) needs_path: bool,
}

impl Settings {
    pub(crate) fn new(config: &FilterConfig, order: Vec<usize>) -> Self {
        Self {
            generation: config.generation,
            coordinator: config.coordinator.clone(),
            report_cluster: config.report_cluster.clone(),
            debug_headers: config.debug_headers,
            access_log_fields: config.access_log_fields,
            lane_lease_ms: config.lane_lease.as_ms(),
            needs_path: config.pools.first().is_some_and(|pool| !pool.matches.is_all()),
            order,
        }
    }
}
