use std::{path::PathBuf, sync::Arc};

use serde::Deserialize;
use slotway_runtime::{RuntimeError, tls};
use tokio_rustls::rustls::ServerConfig;

/// TLS of the REST port.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiTls {
    /// The control plane's certificate chain, a PEM file.
    pub certificate_file: PathBuf,
    /// Its private key, a PEM file.
    pub key_file: PathBuf,
}

impl ApiTls {
    /// Reads the files.
    ///
    /// # Errors
    /// [`RuntimeError::File`] for a file that cannot be read or is invalid.
    pub fn server(&self) -> Result<Arc<ServerConfig>, RuntimeError> {
        tls::server(&self.certificate_file, &self.key_file, None)
    }
}

/// Limits of the REST port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ApiLimits {
    /// Sustained requests per second of one address; 0 for no limit.
    pub requests_per_s: u32,
    /// Requests of one address in a burst.
    pub burst: u32,
    /// Simultaneous connections of all addresses together.
    pub connections: u32,
}

/// The largest value of the request limits.
const REQUESTS_MAX: u32 = 1_000_000;
/// The largest value of the connection limit.
const CONNECTIONS_MAX: u32 = 65_536;

impl Default for ApiLimits {
    fn default() -> Self {
        Self { requests_per_s: 500, burst: 1_000, connections: 1_024 }
    }
}

impl ApiLimits {
    /// Checks that the limits are in range.
    ///
    /// # Errors
    /// The path of the setting, and what is wrong with it.
    pub(super) fn check(&self) -> Result<(), (String, String)> {
        let within = |field: &str, value: u32, least: u32, most: u32| {
            let reason = || format!("{value} is not from {least} to {most}");
            if (least..=most).contains(&value) {
                Ok(())
            } else {
                Err((format!("api_limits.{field}"), reason()))
            }
        };
        within("requests_per_s", self.requests_per_s, 0, REQUESTS_MAX)?;
        within("burst", self.burst, 1, REQUESTS_MAX)?;
        within("connections", self.connections, 1, CONNECTIONS_MAX)
    }
}
