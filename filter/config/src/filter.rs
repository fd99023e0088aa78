use serde::{Deserialize, Serialize};

use crate::{ConfigError, FieldError, Pool, WaitDuration, check_pools, limits};

/// The plugin configuration of the filter, which the control plane pushes over ECDS as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilterConfig {
    /// The number of the configuration, at least 1. It rises with each change, also over restarts of the control plane. Of two
    /// configurations the one with the higher number is newer.
    pub generation: u64,
    /// The name of this coordinator in its reports; empty without a control plane.
    #[serde(default)]
    pub coordinator: String,
    /// The Envoy cluster that reports go to. Without one the filter sends no reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report_cluster: Option<String>,
    /// Adds `x-slotway-worker` and `x-slotway-wait-ms` to answers.
    #[serde(default)]
    pub debug_headers: bool,
    /// Sets the access log's fields (`wasm.slotway.worker`, `.wait_ms`, `.outcome` in the filter state).
    #[serde(default)]
    pub access_log_fields: bool,
    /// How long a lane may be silent before it is declared dead and its slots are recovered. From [`limits::LANE_LEASE_MS_MIN`] to [`limits::LANE_LEASE_MS_MAX`].
    #[serde(default = "default_lane_lease")]
    pub lane_lease: WaitDuration,
    /// The pools, in the order in which their matches are tried.
    pub pools: Vec<Pool>,
}

impl FilterConfig {
    /// Reads and checks a plugin configuration.
    ///
    /// # Errors
    /// [`ConfigError::Json`] with line and column, or [`ConfigError::Field`] with the field's path.
    pub fn from_json(bytes: &[u8]) -> Result<Self, ConfigError> {
        let config: Self =
            serde_json::from_slice(bytes).map_err(|error| ConfigError::Json(error.to_string()))?;
        config.check()?;
        Ok(config)
    }

    /// Returns the plugin configuration as JSON.
    ///
    /// # Errors
    /// [`ConfigError::Json`], which no value of this type causes.
    pub fn to_json(&self) -> Result<String, ConfigError> {
        serde_json::to_string(self).map_err(|error| ConfigError::Json(error.to_string()))
    }

    /// Checks for values that contradict each other.
    ///
    /// # Errors
    /// The first [`ConfigError::Field`].
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.generation == 0 {
            let reason = "it must be at least 1, and higher with each change".to_owned();
            return Err(FieldError::new("generation".to_owned(), reason).into());
        }
        check_lane_lease(self.lane_lease)?;
        Ok(check_pools(&self.pools)?)
    }
}

/// Returns the lease of a lane if nothing else is configured.
#[must_use]
pub const fn default_lane_lease() -> WaitDuration {
    WaitDuration::from_ms(5_000)
}

/// Refuses a lease that is too short to distinguish a slow lane from a dead one, or that delays recovery too long.
///
/// # Errors
/// A [`FieldError`] at `lane_lease`.
pub fn check_lane_lease(lease: WaitDuration) -> Result<(), FieldError> {
    let range = limits::LANE_LEASE_MS_MIN..=limits::LANE_LEASE_MS_MAX;
    if range.contains(&lease.as_ms()) {
        return Ok(());
    }
    let bound = WaitDuration::from_ms;
    let reason = format!("{lease} is not from {} to {}", bound(*range.start()), bound(*range.end()));
    Err(FieldError::new("lane_lease".to_owned(), reason))
}
