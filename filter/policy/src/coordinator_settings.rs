use slotway_config::FilterConfig;

/// The part of a configuration that belongs to no single pool.
#[derive(Debug, Clone)]
pub struct CoordinatorSettings {
    /// Rises with each change of the configuration.
    pub generation: u64,
    /// The coordinator's name in reports.
    pub coordinator: String,
    /// The Envoy cluster that reports go to; `None`: no reports.
    pub report_cluster: Option<String>,
    /// Whether answers get `x-slotway-worker` and `x-slotway-wait-ms`.
    pub debug_headers: bool,
    /// Whether the access log's fields are set.
    pub access_log_fields: bool,
    /// How long a lane may be silent before it is declared dead, in milliseconds.
    pub lane_lease_ms: u64,
}

impl CoordinatorSettings {
    /// Takes the settings out of a configuration.
    #[must_use]
    pub fn new(config: &FilterConfig) -> Self {
        Self {
            generation: config.generation,
            coordinator: config.coordinator.clone(),
            report_cluster: config.report_cluster.clone(),
            debug_headers: config.debug_headers,
            access_log_fields: config.access_log_fields,
            lane_lease_ms: config.lane_lease.as_ms(),
        }
    }
}
