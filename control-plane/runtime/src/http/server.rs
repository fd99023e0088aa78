use std::{fmt, net::IpAddr, sync::Arc};

use hyper::Uri;
use slotway_config::Protocol;
use tokio_rustls::rustls::ClientConfig;

use super::HttpError;

/// The server to which a request goes.
#[derive(Debug, Clone)]
pub struct HttpServer {
    /// A name, or an address without brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// TLS; none for `http`. Its ALPN has to agree with `protocol`.
    pub tls: Option<HttpTls>,
    /// HTTP/1.1, or HTTP/2: by prior knowledge in the clear, by ALPN over TLS.
    pub protocol: Protocol,
}

/// Returns whether data sent to a URL stays confidential: `https`, or `http` to this machine, without user and password.
#[must_use]
pub fn is_confidential_url(url: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else { return false };
    let Some(host) = uri.host().filter(|host| !host.is_empty()) else { return false };
    // A client would send user and password to the host.
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return false;
    }
    let is_loopback = || {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    };
    match uri.scheme_str() {
        Some("https") => true,
        Some("http") => is_loopback(),
        _ => false,
    }
}

/// How TLS is spoken with a server.
#[derive(Debug, Clone)]
pub struct HttpTls {
    /// The trusted authorities.
    pub config: Arc<ClientConfig>,
    /// The name that is sent as SNI and that the certificate has to bear; the host if not given.
    pub server_name: Option<String>,
}

impl HttpServer {
    /// Splits a URL into its server, for HTTP/1.1, and its path with query. `tls` is used where the scheme is `https`.
    ///
    /// # Errors
    /// [`HttpError::Invalid`] for anything but an absolute `http` or `https` URL.
    pub fn of_url(url: &str, tls: &Arc<ClientConfig>) -> Result<(Self, String), HttpError> {
        let invalid = |reason: &dyn fmt::Display| HttpError::Invalid(format!("{url:?}: {reason}"));
        let uri: Uri = url.parse().map_err(|error| invalid(&error))?;
        let tls = match uri.scheme_str() {
            Some("https") => Some(HttpTls { config: Arc::clone(tls), server_name: None }),
            Some("http") => None,
            _ => return Err(invalid(&"an http:// or https:// URL is needed")),
        };
        let host = uri.host().ok_or_else(|| invalid(&"it has no host"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = uri.port_u16().unwrap_or(if tls.is_some() { 443 } else { 80 });
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        Ok((Self { host, port, tls, protocol: Protocol::Http1 }, path))
    }

    /// Returns host and, unless it is the scheme's own, port: the value of `Host` or `:authority`.
    #[must_use]
    pub fn authority(&self) -> String {
        let Self { host, port, .. } = self;
        let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        let own = if self.tls.is_some() { 443 } else { 80 };
        if *port == own { host } else { format!("{host}:{port}") }
    }
}
