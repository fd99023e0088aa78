//! Asks a running control plane.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Bytes,
    http::{HeaderValue, Method, Request, Response, StatusCode, header},
};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, pki_types::ServerName},
};

use super::{credential::Credential, kind::Kind, origin::Origin, refusal::Refusal, seen::Seen};
use crate::error::Error;

const CONNECTED_WITHIN: Duration = Duration::from_secs(5);
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Most pages of a list: a million resources.
const PAGES_MAX: usize = 1_000;
const PAGE: &str = "1000";
const AGENT: &str = concat!("slotway/", env!("CARGO_PKG_VERSION"));

/// A query of those of the fields that are there.
pub(super) fn query(fields: &[(&str, Option<&str>)]) -> String {
    let there = fields.iter().filter_map(|(name, value)| Some((name, (*value)?)));
    let pairs = there.map(|(name, value)| format!("{name}={}", encoded(value)));
    pairs.collect::<Vec<_>>().join("&")
}

/// A name as it stands in a path or a query.
pub(super) fn encoded(name: &str) -> impl std::fmt::Display {
    utf8_percent_encode(name, NON_ALPHANUMERIC)
}

/// Who asks, and whom.
#[derive(Debug, Clone)]
pub(super) struct Client {
    origin: Origin,
    credential: Option<Credential>,
    tls: Option<Arc<ClientConfig>>,
}

/// What is asked.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    method: Method,
    path: String,
    /// What it is about, in words, for whoever reads of its refusal.
    what: String,
    content: Option<(&'static str, Value)>,
    only_if_absent: bool,
}

/// What was answered, and it was no refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Value,
}

impl Ask {
    /// `what` is what it is about, in words; `path` with its query.
    pub(super) fn new(method: Method, path: impl Into<String>, what: impl Into<String>) -> Self {
        Self { method, path: path.into(), what: what.into(), content: None, only_if_absent: false }
    }

    pub(super) fn get(path: impl Into<String>, what: impl Into<String>) -> Self {
        Self::new(Method::GET, path, what)
    }

    /// With a body.
    pub(super) fn json(self, body: Value) -> Self {
        Self { content: Some(("application/json", body)), ..self }
    }

    /// Only if there is none (`If-None-Match: *`).
    pub(super) fn only_if_absent(self) -> Self {
        Self { only_if_absent: true, ..self }
    }

    /// With a merge patch (RFC 7396).
    pub(super) fn patch(self, body: Value) -> Self {
        Self { content: Some(("application/merge-patch+json", body)), ..self }
    }
}

impl Client {
    /// TLS is spoken where the origin says so, and then `tls` is needed.
    pub(super) fn new(
        origin: Origin,
        credential: Option<Credential>,
        tls: Option<Arc<ClientConfig>>,
    ) -> Self {
        Self { origin, credential, tls }
    }

    /// Where it asks.
    pub(super) fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Asks, and takes the whole answer.
    ///
    /// # Errors
    /// [`Error::Unreachable`]: nobody answers, or not in time. [`Error::Refused`]. [`Error::Request`]: the answer is nothing that a
    /// control plane answers.
    pub(super) async fn send(&self, ask: &Ask) -> Result<Answer, Error> {
        let whole = async {
            let response = self.begin(ask).await?;
            let status = response.status();
            let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
            let body = body.map_err(|error| self.unreachable(format!("the answer broke off: {error}")))?;
            let bytes = body.to_bytes();
            let text = || Value::String(String::from_utf8_lossy(&bytes).into_owned());
            Ok::<_, Error>((status, serde_json::from_slice(&bytes).unwrap_or_else(|_| text())))
        };
        let late = |_| self.unreachable(format!("no answer within {} s", ANSWER_WITHIN.as_secs()));
        let (status, body) = timeout(ANSWER_WITHIN, whole).await.map_err(late)??;
        self.judged(ask, status, body)
    }

    /// Asks, and leaves the body of the answer to be read as it comes.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub(super) async fn open(&self, ask: &Ask) -> Result<Incoming, Error> {
        let late = |_| self.unreachable(format!("no answer within {} s", ANSWER_WITHIN.as_secs()));
        let response = timeout(ANSWER_WITHIN, self.begin(ask)).await.map_err(late)??;
        let status = response.status();
        if status.is_success() {
            return Ok(response.into_body());
        }
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect();
        let body = timeout(ANSWER_WITHIN, body).await.ok().and_then(Result::ok);
        let bytes = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        let text = || Value::String(String::from_utf8_lossy(&bytes).into_owned());
        let body = serde_json::from_slice(&bytes).unwrap_or_else(|_| text());
        self.judged(ask, status, body).and_then(|_| Err(self.odd(ask, "an answer without a body")))
    }

    /// One resource.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub(super) async fn one(&self, kind: Kind, name: &str) -> Result<Seen, Error> {
        let ask = Ask::get(kind.path_of(name), kind.in_words(name));
        let answer = self.send(&ask).await?;
        Seen::new(answer.body).ok_or_else(|| self.odd(&ask, "no resource"))
    }

    /// All resources of a kind, of as many pages as there are. `fields` choose among them.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub(super) async fn list(&self, kind: Kind, fields: &[(&str, &str)]) -> Result<List, Error> {
        let mut list = List::default();
        let mut after: Option<String> = None;
        for _ in 0..PAGES_MAX {
            let mut asked: Vec<_> = fields.iter().map(|(name, value)| (*name, Some(*value))).collect();
            asked.extend([("limit", Some(PAGE)), ("continue", after.as_deref())]);
            let ask = Ask::get(format!("{}?{}", kind.path(), query(&asked)), kind.plural());
            let mut page = self.send(&ask).await?.body;
            let Some(Value::Array(items)) = page.get_mut("items").map(Value::take) else {
                return Err(self.odd(&ask, "no list"));
            };
            list.version = page.get("resourceVersion").and_then(Value::as_str).unwrap_or_default().to_owned();
            for item in items {
                list.items.push(Seen::new(item).ok_or_else(|| self.odd(&ask, "no list of resources"))?);
            }
            after = page.get("continue").and_then(Value::as_str).map(str::to_owned);
            if after.is_none() {
                return Ok(list);
            }
        }
        let ask = Ask::get(kind.path(), kind.plural());
        Err(self.odd(&ask, "a list without an end"))
    }

    /// An error for an answer that no control plane gives.
    pub(super) fn odd(&self, ask: &Ask, was: &str) -> Error {
        let reason =
            format!("the answer to {} is {was}: is it a control plane, and of this version?", ask.what);
        Error::Request { url: self.url(&ask.path), reason }
    }

    fn judged(&self, ask: &Ask, status: StatusCode, body: Value) -> Result<Answer, Error> {
        if status.is_success() {
            return Ok(Answer { status, body });
        }
        let anonymous = self.credential.is_none();
        let what = ask.what.clone();
        Err(Error::Refused(Box::new(Refusal {
            what,
            status: status.as_u16(),
            problem: body,
            place: None,
            anonymous,
        })))
    }

    async fn begin(&self, ask: &Ask) -> Result<Response<Incoming>, Error> {
        let request = self.request(ask)?;
        let connect = TcpStream::connect((self.origin.host.as_str(), self.origin.port));
        let late = |_| self.unreachable(format!("no connection within {} s", CONNECTED_WITHIN.as_secs()));
        let stream = timeout(CONNECTED_WITHIN, connect).await.map_err(late)?;
        let stream = stream.map_err(|error| {
            let hint = "is the control plane running? start it with `slotway up -f FILE`, or say where it is with --api";
            self.unreachable(format!("nobody answers ({error}); {hint}"))
        })?;
        let Some(tls) = &self.tls else { return self.speak(stream, request).await };
        let name = ServerName::try_from(self.origin.host.clone())
            .map_err(|_| self.unreachable("the host is no name that a certificate can have".to_owned()))?;
        let handshake = TlsConnector::from(Arc::clone(tls)).connect(name, stream);
        let late = |_| self.unreachable(format!("no TLS within {} s", CONNECTED_WITHIN.as_secs()));
        let stream = timeout(CONNECTED_WITHIN, handshake).await.map_err(late)?;
        let stream = stream.map_err(|error| {
            self.unreachable(format!(
                "TLS failed: {error}; --ca-file says which certificates may vouch for it"
            ))
        })?;
        self.speak(stream, request).await
    }

    async fn speak(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, Error> {
        let broken = |error: hyper::Error| {
            self.unreachable(format!("it does not answer as HTTP does: {error}; http:// or https://?"))
        };
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        // It ends with its last answer.
        tokio::spawn(connection);
        sender.send_request(request).await.map_err(broken)
    }

    fn request(&self, ask: &Ask) -> Result<Request<Full<Bytes>>, Error> {
        let odd = |error: &dyn std::fmt::Display| Error::Request {
            url: self.url(&ask.path),
            reason: format!("it cannot be asked for: {error}"),
        };
        let body = match &ask.content {
            Some((_, body)) => serde_json::to_vec(body).map_err(|error| odd(&error))?,
            None => Vec::new(),
        };
        let mut request = Request::builder()
            .method(&ask.method)
            .uri(format!("{}{}", self.origin.base, ask.path))
            .header(header::HOST, self.origin.authority())
            .header(header::USER_AGENT, AGENT)
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| odd(&error))?;
        let headers = request.headers_mut();
        if let Some((kind, _)) = ask.content {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        }
        if ask.only_if_absent {
            headers.insert(header::IF_NONE_MATCH, HeaderValue::from_static("*"));
        }
        if let Some(credential) = &self.credential {
            headers.insert(header::AUTHORIZATION, credential.header());
        }
        Ok(request)
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    fn unreachable(&self, reason: String) -> Error {
        Error::Unreachable { url: self.origin.to_string(), reason }
    }
}

/// All resources of a kind that were asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct List {
    /// The store's revision that the last page reflects.
    pub(super) version: String,
    /// In the order of their names.
    pub(super) items: Vec<Seen>,
}
