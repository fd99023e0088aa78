//! The client of a control plane's REST API.

use std::{sync::Arc, time::Duration};

use serde::de::DeserializeOwned;
use serde_json::Value;
use slotway_config::Protocol;
use slotway_runtime::{
    http::{HttpClient, HttpError, HttpRequest, HttpServer, HttpStream, HttpTls},
    tls::ClientConfig,
};

use super::{
    credential::Credential,
    error::CliError,
    json_resource::JsonResource,
    kind::{Kind, encoded},
    origin::Origin,
    rejected_request::RejectedRequest,
};

const HTTP: HttpClient = HttpClient {
    connect_within: Duration::from_secs(5),
    answer_within: Duration::from_secs(30),
    body_bytes_max: 64 * 1024 * 1024,
};
/// The maximum number of pages of a list: a million resources.
const PAGES_MAX: usize = 1_000;
const PAGE: &str = "1000";

/// Returns the query of the fields that have a value.
pub(super) fn query(fields: &[(&str, Option<&str>)]) -> String {
    let present = fields.iter().filter_map(|(name, value)| Some((name, (*value)?)));
    let pairs = present.map(|(name, value)| format!("{name}={}", encoded(value)));
    pairs.collect::<Vec<_>>().join("&")
}

/// Sends requests to one control plane, with one credential.
#[derive(Debug, Clone)]
pub(super) struct ApiClient {
    origin: Origin,
    credential: Option<Credential>,
    server: HttpServer,
}

/// A request of the REST API.
#[derive(Debug, Clone)]
pub(super) struct ApiRequest {
    method: &'static str,
    /// With its query.
    path: String,
    /// The subject in words, for error messages: `worker http://127.0.0.1:9001`.
    subject: String,
    content: Option<(&'static str, Value)>,
    only_if_absent: bool,
}

/// A successful answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ApiAnswer {
    pub(super) status: u16,
    /// The body; text if it is not JSON.
    pub(super) body: Value,
}

/// All resources of a kind that match a query.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ResourceList {
    /// The store's revision that the last page reflects.
    pub(super) version: String,
    /// In the order of their names.
    pub(super) items: Vec<JsonResource>,
}

impl ApiRequest {
    /// Returns a request without a body. `path` has its query; `subject` is for error messages.
    pub(super) fn new(method: &'static str, path: impl Into<String>, subject: impl Into<String>) -> Self {
        Self { method, path: path.into(), subject: subject.into(), content: None, only_if_absent: false }
    }

    pub(super) fn get(path: impl Into<String>, subject: impl Into<String>) -> Self {
        Self::new("GET", path, subject)
    }

    pub(super) fn put(path: impl Into<String>, subject: impl Into<String>) -> Self {
        Self::new("PUT", path, subject)
    }

    pub(super) fn post(path: impl Into<String>, subject: impl Into<String>) -> Self {
        Self::new("POST", path, subject)
    }

    pub(super) fn delete(path: impl Into<String>, subject: impl Into<String>) -> Self {
        Self::new("DELETE", path, subject)
    }

    /// Returns a PATCH request with a merge patch (RFC 7396).
    pub(super) fn patch(path: impl Into<String>, subject: impl Into<String>, patch: Value) -> Self {
        Self { content: Some(("application/merge-patch+json", patch)), ..Self::new("PATCH", path, subject) }
    }

    /// Adds a JSON body.
    pub(super) fn json(self, body: Value) -> Self {
        Self { content: Some(("application/json", body)), ..self }
    }

    /// Makes the request fail if the resource exists (`If-None-Match: *`).
    pub(super) fn only_if_absent(self) -> Self {
        Self { only_if_absent: true, ..self }
    }
}

impl ApiClient {
    /// Returns a client of this origin. An origin with `https` needs `tls`.
    pub(super) fn new(
        origin: Origin,
        credential: Option<Credential>,
        tls: Option<Arc<ClientConfig>>,
    ) -> Self {
        let tls = tls.map(|config| HttpTls { config, server_name: None });
        let server =
            HttpServer { host: origin.host.clone(), port: origin.port, tls, protocol: Protocol::Http1 };
        Self { origin, credential, server }
    }

    /// Returns the address of the control plane.
    pub(super) fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// [`CliError::Unreachable`] without an answer in time, [`CliError::Rejected`] for a status other than 2xx,
    /// [`CliError::Request`] for a request that cannot be sent.
    pub(super) async fn send(&self, request: &ApiRequest) -> Result<ApiAnswer, CliError> {
        let message = self.message(request)?;
        let answer = HTTP.send(&self.server, &message).await.map_err(|error| self.failed(request, error))?;
        self.judged(request, answer.status, &answer.body)
    }

    /// Sends a request and returns the body of the answer as a stream.
    ///
    /// # Errors
    /// As [`ApiClient::send`].
    pub(super) async fn open(&self, request: &ApiRequest) -> Result<HttpStream, CliError> {
        let message = self.message(request)?;
        let stream = HTTP.open(&self.server, &message).await.map_err(|error| self.failed(request, error))?;
        if stream.is_success() {
            return Ok(stream);
        }
        let status = stream.status;
        let body = tokio::time::timeout(HTTP.answer_within, stream.read(HTTP.body_bytes_max)).await;
        let body = body.ok().and_then(Result::ok).unwrap_or_default();
        self.judged(request, status, &body)
            .and_then(|_| Err(self.unexpected(request, "an answer without a body")))
    }

    /// Reads one resource.
    ///
    /// # Errors
    /// As [`ApiClient::send`].
    pub(super) async fn one(&self, kind: Kind, name: &str) -> Result<JsonResource, CliError> {
        let request = ApiRequest::get(kind.path_of(name), kind.in_words(name));
        let answer = self.send(&request).await?;
        JsonResource::new(answer.body).ok_or_else(|| self.unexpected(&request, "not a resource"))
    }

    /// Returns the status of a resource as the wire type of its kind.
    ///
    /// # Errors
    /// [`CliError::Request`] if it has another form, as of a control plane of another version.
    pub(super) fn status<Status: DeserializeOwned>(
        &self,
        kind: Kind,
        resource: &JsonResource,
    ) -> Result<Status, CliError> {
        resource.status().ok_or_else(|| {
            let request = ApiRequest::get(kind.path_of(resource.name()), kind.in_words(resource.name()));
            self.unexpected(&request, &format!("not a {} of this version", kind.title))
        })
    }

    /// Reads all resources of a kind, page by page. `fields` select among them.
    ///
    /// # Errors
    /// As [`ApiClient::send`].
    pub(super) async fn list(&self, kind: Kind, fields: &[(&str, &str)]) -> Result<ResourceList, CliError> {
        let mut list = ResourceList::default();
        let mut after: Option<String> = None;
        for _ in 0..PAGES_MAX {
            let mut selected: Vec<_> = fields.iter().map(|(name, value)| (*name, Some(*value))).collect();
            selected.extend([("limit", Some(PAGE)), ("continue", after.as_deref())]);
            let request = ApiRequest::get(format!("{}?{}", kind.collection(), query(&selected)), kind.titles);
            let mut page = self.send(&request).await?.body;
            let Some(Value::Array(items)) = page.get_mut("items").map(Value::take) else {
                return Err(self.unexpected(&request, "not a list"));
            };
            list.version = page.get("resourceVersion").and_then(Value::as_str).unwrap_or_default().to_owned();
            for item in items {
                let resource = JsonResource::new(item);
                list.items
                    .push(resource.ok_or_else(|| self.unexpected(&request, "not a list of resources"))?);
            }
            after = page.get("continue").and_then(Value::as_str).map(str::to_owned);
            if after.is_none() {
                return Ok(list);
            }
        }
        let request = ApiRequest::get(kind.collection(), kind.titles);
        Err(self.unexpected(&request, "a list without an end"))
    }

    /// Returns the error for an answer that a control plane of this version does not give.
    pub(super) fn unexpected(&self, request: &ApiRequest, answer: &str) -> CliError {
        let reason = format!(
            "the answer about {} is {answer}. Check that this is a control plane of the same version",
            request.subject
        );
        CliError::Request { url: self.url(&request.path), reason }
    }

    /// Returns the error of a control plane that cannot be reached.
    pub(super) fn unreachable(&self, reason: String) -> CliError {
        CliError::Unreachable { url: self.origin.to_string(), reason }
    }

    fn judged(&self, request: &ApiRequest, status: u16, body: &[u8]) -> Result<ApiAnswer, CliError> {
        let text = || Value::String(String::from_utf8_lossy(body).into_owned());
        let body = serde_json::from_slice(body).unwrap_or_else(|_| text());
        if (200..300).contains(&status) {
            return Ok(ApiAnswer { status, body });
        }
        Err(CliError::Rejected(Box::new(RejectedRequest {
            subject: request.subject.clone(),
            status,
            problem: body,
            location: None,
            is_anonymous: self.credential.is_none(),
        })))
    }

    fn message(&self, request: &ApiRequest) -> Result<HttpRequest, CliError> {
        let mut message = HttpRequest::new(request.method, format!("{}{}", self.origin.base, request.path));
        if let Some((media_type, body)) = &request.content {
            let body = serde_json::to_vec(body).map_err(|error| CliError::Request {
                url: self.url(&request.path),
                reason: error.to_string(),
            })?;
            message = message.body(media_type, body);
        }
        if request.only_if_absent {
            message = message.header("if-none-match", "*");
        }
        if let Some(credential) = &self.credential {
            message = message.header("authorization", credential.header());
        }
        Ok(message)
    }

    fn failed(&self, request: &ApiRequest, error: HttpError) -> CliError {
        let hint = match &error {
            HttpError::Invalid(_) | HttpError::TooLarge(_) => {
                return CliError::Request { url: self.url(&request.path), reason: error.to_string() };
            }
            HttpError::Connect(_) => {
                ". Is the control plane running? Start it with `slotway up -f FILE`, or give its address with --api"
            }
            HttpError::Tls(_) => ". --ca-file names the certificates to trust",
            HttpError::Closed | HttpError::Protocol(_) => ". Check whether it is http:// or https://",
            _ => "",
        };
        self.unreachable(format!("{error}{hint}"))
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }
}
