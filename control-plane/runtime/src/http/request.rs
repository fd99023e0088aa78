use std::fmt;

use http_body_util::Full;
use hyper::{
    HeaderMap, Request, Uri,
    body::Bytes,
    header::{self, HeaderName, HeaderValue},
    http::uri::{self, Authority},
};
use slotway_config::Protocol;

use super::{HttpError, HttpServer};

const USER_AGENT: &str = concat!("slotway/", env!("CARGO_PKG_VERSION"));

/// One request: method, path with query, headers, body. `Debug` does not show credentials.
#[derive(Debug, Clone)]
pub struct HttpRequest {
    method: &'static str,
    path: String,
    headers: HeaderMap,
    body: Bytes,
    /// A header that cannot be sent.
    invalid: Option<HeaderName>,
}

impl HttpRequest {
    /// Returns a request without a body. `path` begins with `/` and may have a query.
    pub fn new(method: &'static str, path: impl Into<String>) -> Self {
        let headers = HeaderMap::from_iter([(header::USER_AGENT, HeaderValue::from_static(USER_AGENT))]);
        Self { method, path: path.into(), headers, body: Bytes::new(), invalid: None }
    }

    /// Returns a GET request.
    pub fn get(path: impl Into<String>) -> Self {
        Self::new("GET", path)
    }

    /// Sets a header, by its name in lower case. The value of `authorization` is never shown.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl AsRef<[u8]>) -> Self {
        let name = HeaderName::from_static(name);
        match HeaderValue::from_bytes(value.as_ref()) {
            Ok(mut value) => {
                value.set_sensitive(name == header::AUTHORIZATION);
                self.headers.insert(name, value);
            }
            Err(_) => self.invalid = Some(name),
        }
        self
    }

    /// Sets the body and its media type.
    #[must_use]
    pub fn body(mut self, media_type: &'static str, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self.header("content-type", media_type)
    }

    /// Returns the path with its query.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the request as it is sent to this server. HTTP/2 has the authority in its URI, HTTP/1.1 in the header `host`.
    pub(super) fn for_server(&self, server: &HttpServer) -> Result<Request<Full<Bytes>>, HttpError> {
        let invalid = |error: &dyn fmt::Display| HttpError::Invalid(error.to_string());
        if let Some(name) = &self.invalid {
            return Err(invalid(&format_args!("the header {name} has characters that no header can have")));
        }
        let authority: Authority = server.authority().parse().map_err(|error| invalid(&error))?;
        let mut headers = self.headers.clone();
        let uri = match server.protocol {
            Protocol::Http1 => {
                let host = HeaderValue::from_str(authority.as_str()).map_err(|error| invalid(&error))?;
                headers.insert(header::HOST, host);
                headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
                self.path.parse::<Uri>().map_err(|error| invalid(&error))?
            }
            Protocol::Http2 => uri::Builder::new()
                .scheme(if server.tls.is_some() { "https" } else { "http" })
                .authority(authority)
                .path_and_query(self.path.as_str())
                .build()
                .map_err(|error| invalid(&error))?,
        };
        let request = Request::builder().method(self.method).uri(uri).body(Full::new(self.body.clone()));
        let mut request = request.map_err(|error| invalid(&error))?;
        *request.headers_mut() = headers;
        Ok(request)
    }
}
