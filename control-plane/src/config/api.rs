use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use serde::Deserialize;
use slotway_runtime::{RuntimeError, tls};
use tokio_rustls::rustls::ServerConfig;

/// TLS on the port of REST.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiTls {
    /// The control plane's certificate chain, a PEM file.
    pub certificate_file: PathBuf,
    /// Its private key, a PEM file.
    pub key_file: PathBuf,
}

impl ApiTls {
    /// TLS as it has it.
    ///
    /// # Errors
    /// [`RuntimeError::File`] for a file that cannot be read or holds something else.
    pub fn server(&self) -> Result<Arc<ServerConfig>, RuntimeError> {
        tls::server(&self.certificate_file, &self.key_file, None)
    }
}

/// How much of the port of REST one peer may have, and all together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ApiLimits {
    /// Requests per second that one address may send in the long run; 0 for no limit.
    pub requests_per_s: u32,
    /// How many it may send at once after it has been quiet.
    pub burst: u32,
    /// Connections at once, of all addresses together.
    pub connections: u32,
}

/// Most requests per second, and most at once, that a limit can say.
const REQUESTS_MAX: u32 = 1_000_000;
/// Most connections that can be asked for.
const CONNECTIONS_MAX: u32 = 65_536;

impl Default for ApiLimits {
    fn default() -> Self {
        Self { requests_per_s: 500, burst: 1_000, connections: 1_024 }
    }
}

impl ApiLimits {
    /// Finds limits that cannot be.
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

/// Whether REST may be served so: whoever is on the way of what is sent in the clear can read tokens and passwords.
///
/// # Errors
/// What is wrong, and what to do.
pub(super) fn check_exposure(api: SocketAddr, tls: bool, insecure: bool) -> Result<(), String> {
    if tls || insecure || api.ip().to_canonical().is_loopback() {
        return Ok(());
    }
    Err(format!(
        "{api} can be reached from other machines, and without TLS whoever is on the way reads tokens and passwords; \
         give `api_tls: {{ certificate_file: ..., key_file: ... }}`, listen on 127.0.0.1, or say `api_insecure: true` \
         where something in front does TLS"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rest_in_the_clear_is_for_this_machine_unless_somebody_says_so() {
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
