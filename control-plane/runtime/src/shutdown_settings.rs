use serde::Deserialize;
use slotway_config::WaitDuration;

/// The ordered shutdown: `shutdown` of the configuration file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShutdownSettings {
    /// How long everything is still served while `/readyz` reports the shutdown: longer than a load balancer's check interval.
    #[serde(default = "default_delay")]
    pub delay: WaitDuration,
    /// How long running requests may take; then their connections are closed.
    #[serde(default = "default_within")]
    pub within: WaitDuration,
}

impl Default for ShutdownSettings {
    fn default() -> Self {
        Self { delay: default_delay(), within: default_within() }
    }
}

fn default_delay() -> WaitDuration {
    WaitDuration::ZERO
}

fn default_within() -> WaitDuration {
    WaitDuration::from_ms(20_000)
}
