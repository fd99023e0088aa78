use serde::{Deserialize, Serialize};

use crate::{ConfigError, Pool, check_pools};

/// The plugin configuration of the filter: what the control plane pushes over ECDS, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilterConfig {
    /// Which of two configurations is newer: the higher one, over all lanes and for as long as Envoy runs. It
    /// only ever rises, also over restarts of the control plane. At least 1.
    pub generation: u64,
    /// Name of this coordinator in its reports; empty with no control plane.
    #[serde(default)]
    pub coordinator: String,
    /// The Envoy cluster that reports go to; without one the filter does not report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report_cluster: Option<String>,
    /// Adds `x-slotway-worker` and `x-slotway-wait-ms` to answers.
    #[serde(default)]
    pub debug_headers: bool,
    /// Sets the access log's fields (`wasm.slotway.worker`, `.wait_ms`, `.outcome` in the filter state).
    #[serde(default)]
    pub access_log_fields: bool,
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

    /// The plugin configuration as JSON.
    ///
    /// # Errors
    /// [`ConfigError::Json`], which no value of this type causes.
    pub fn to_json(&self) -> Result<String, ConfigError> {
        serde_json::to_string(self).map_err(|error| ConfigError::Json(error.to_string()))
    }

    /// Finds values that do not go together.
    ///
    /// # Errors
    /// The first [`ConfigError::Field`].
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.generation == 0 {
            let reason = "it must be at least 1, and higher with each change".to_owned();
            return Err(crate::FieldError::new("generation".to_owned(), reason).into());
        }
        Ok(check_pools(&self.pools)?)
    }
}
