use serde::{Deserialize, Serialize};

use crate::{Capacity, WorkerUrl};

/// A worker and its capacity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Worker {
    /// The base URL.
    pub worker: WorkerUrl,
    /// The number of requests that it may have in flight.
    pub capacity: Capacity,
    /// The protocol towards the worker.
    #[serde(default, skip_serializing_if = "Protocol::is_http1")]
    pub protocol: Protocol,
    /// How its certificate is verified; only for `https`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<WorkerTls>,
}

/// The authorities that Debian, Ubuntu and Alpine trust, a PEM file: those of a worker whose [`WorkerTls::ca_file`] is absent.
pub const SYSTEM_CA_FILE: &str = "/etc/ssl/certs/ca-certificates.crt";

/// How a worker's certificate is verified. Without these settings: with the authorities of the system, for the host of the URL.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkerTls {
    /// A PEM file, on Envoy's machine, of the authorities that may have signed the worker's certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
    /// The name that the certificate must carry and that goes into SNI (RFC 6066); the URL's host if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sni: Option<String>,
}

/// The protocol that Envoy uses to a worker, independent of the client's protocol.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2, by prior knowledge over `http` and by ALPN over `https`; what a gRPC worker needs.
    Http2,
}

impl Protocol {
    fn is_http1(&self) -> bool {
        *self == Self::Http1
    }
}
