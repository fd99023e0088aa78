use serde::Deserialize;
use slotway_config::WaitDuration;

/// How the end goes once a signal has asked for it: `shutdown` of the configuration file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShutdownSettings {
    /// How long all is still served while `/readyz` tells that it ends: longer than whoever sends requests here takes to look.
    #[serde(default = "default_delay")]
    pub delay: WaitDuration,
    /// How long what is under way has to end by itself; then it is cut off.
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
