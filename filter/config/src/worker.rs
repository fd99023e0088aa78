use serde::{Deserialize, Serialize};

use crate::{Capacity, Scheme, WorkerUrl};

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
    /// Whether a connection serves one request or many. Absent: the default of the protocol, see [`Worker::connections`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connections: Option<Connections>,
    /// How its certificate is verified; only for `https`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<WorkerTls>,
}

impl Worker {
    /// Returns whether a connection to the worker serves one request or many: by default one over HTTP/1.1, and many over
    /// HTTP/2.
    #[must_use]
    pub fn connections(&self) -> Connections {
        self.connections.unwrap_or(match self.protocol {
            Protocol::Http1 => Connections::PerRequest,
            Protocol::Http2 => Connections::Reuse,
        })
    }

    /// Returns the first setting that contradicts another one, with the reason.
    #[must_use]
    pub fn contradiction(&self) -> Option<(WorkerSetting, &'static str)> {
        if self.tls.is_some() && self.worker.scheme() == Scheme::Http {
            return Some((WorkerSetting::Tls, "only an https worker can have TLS settings"));
        }
        if self.protocol == Protocol::Http2 && self.connections == Some(Connections::PerRequest) {
            let reason = "an HTTP/2 worker gets its requests over one connection for each Envoy thread: set `reuse`, or `protocol: http1`";
            return Some((WorkerSetting::Connections, reason));
        }
        None
    }
}

/// A setting of a worker that may contradict another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkerSetting {
    /// [`Worker::tls`].
    Tls,
    /// [`Worker::connections`].
    Connections,
}

impl WorkerSetting {
    /// Returns the name of the field.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tls => "tls",
            Self::Connections => "connections",
        }
    }
}

/// How many requests Envoy sends over one connection to a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Connections {
    /// One request for each connection: the worker never has more connections of a coordinator than its capacity. A slot is
    /// free once its connection is closed. For workers that assign a thread or a process to each connection.
    PerRequest,
    /// Connections stay open for further requests, on each Envoy thread for itself: the worker may have more connections than
    /// its capacity, of which at most its capacity have a request.
    Reuse,
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
