use std::{net::SocketAddr, path::PathBuf, sync::Arc};

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

/// Checks that REST may be served at this address: unencrypted tokens and passwords can be intercepted.
///
/// # Errors
/// The problem and its remedy.
pub(super) fn check_exposure(api: SocketAddr, tls: bool, insecure: bool) -> Result<(), String> {
    if tls || insecure || api.ip().to_canonical().is_loopback() {
        return Ok(());
    }
    Err(format!(
        "{api} can be reached from other machines, and without TLS tokens and passwords can be intercepted. \
         Set `api_tls: {{ certificate_file: ..., key_file: ... }}`, listen on 127.0.0.1, or set `api_insecure: true` \
         if a proxy in front terminates TLS"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_for_other_machines_requires_an_explicit_setting() {
        for (api, tls, insecure, may) in [
            ("127.0.0.1:8080", false, false, true),
            ("[::1]:8080", false, false, true),
            ("[::ffff:127.0.0.1]:8080", false, false, true),
            ("0.0.0.0:8080", false, false, false),
            ("[::]:8080", false, false, false),
            ("10.0.0.1:8080", false, false, false),
            ("0.0.0.0:8080", true, false, true),
            ("0.0.0.0:8080", false, true, true),
        ] {
            let answer = check_exposure(api.parse().unwrap(), tls, insecure);
            assert_eq!(answer.is_ok(), may, "{api}");
            if let Err(reason) = answer {
                assert!(reason.contains("api_tls") && reason.contains("api_insecure: true"), "{reason}");
            }
        }
    }
}
