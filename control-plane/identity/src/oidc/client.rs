use std::{path::Path, sync::Arc, time::Duration};

use slotway_config::Protocol;
use slotway_runtime::{
    http::{Bytes, HttpClient, HttpRequest, HttpServer, is_confidential_url},
    tls::{self, ClientConfig, TrustedRoots},
};
use tokio::sync::Semaphore;

use super::quoted;
use crate::error::IdentityError;

/// Longest time for an answer of the provider.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Concurrent requests; further ones wait.
const CONCURRENT_MAX: usize = 16;

const CLIENT: HttpClient =
    HttpClient { connect_within: ANSWER_TIMEOUT, answer_within: ANSWER_TIMEOUT, body_bytes_max: 1024 * 1024 };

/// Sends requests to the provider. Does not follow redirections: the provider's metadata names the final URLs.
pub(super) struct ProviderClient {
    tls: Arc<ClientConfig>,
    permits: Semaphore,
}

impl ProviderClient {
    /// Trusts the certificate authorities of a PEM file, or those of the operating system.
    pub(super) fn new(ca_file: Option<&Path>) -> Result<Self, IdentityError> {
        let tls = tls::client(TrustedRoots::of(ca_file), Protocol::Http1)?;
        Ok(Self { tls, permits: Semaphore::new(CONCURRENT_MAX) })
    }

    /// Sends a GET request and returns the body of the answer.
    pub(super) async fn get(&self, url: &str) -> Result<Bytes, IdentityError> {
        self.send(url, HttpRequest::get).await
    }

    /// Sends a form in a POST request and returns the body of the answer.
    pub(super) async fn post_form(
        &self,
        url: &str,
        form: String,
        authorization: Option<String>,
    ) -> Result<Bytes, IdentityError> {
        let request = |path| {
            let request = HttpRequest::new("POST", path).body("application/x-www-form-urlencoded", form);
            match authorization {
                Some(authorization) => request.header("authorization", authorization),
                None => request,
            }
        };
        self.send(url, request).await
    }

    async fn send(
        &self,
        url: &str,
        request: impl FnOnce(String) -> HttpRequest,
    ) -> Result<Bytes, IdentityError> {
        let failed = |reason: &dyn ToString| {
            IdentityError::OidcUnavailable(format!("{}: {}", quoted(url), reason.to_string()))
        };
        if !is_confidential_url(url) {
            return Err(failed(&"not an https:// URL"));
        }
        let (server, path) = HttpServer::of_url(url, &self.tls).map_err(|error| failed(&error))?;
        let request = request(path).header("accept", "application/json");
        let exchange = async {
            let _permit = self.permits.acquire().await.map_err(|error| failed(&error))?;
            CLIENT.send(&server, &request).await.map_err(|error| failed(&error))
        };
        let late = |_| failed(&format!("no answer within {} s", ANSWER_TIMEOUT.as_secs()));
        let response = tokio::time::timeout(ANSWER_TIMEOUT, exchange).await.map_err(late)??;
        if response.is_success() {
            return Ok(response.body);
        }
        // RFC 6749, section 5.2.
        let answer: Option<serde_json::Value> = serde_json::from_slice(&response.body).ok();
        let error = answer.as_ref().and_then(|answer| answer.get("error")?.as_str());
        let status = response.status;
        match error {
            Some(error) if (400..500).contains(&status) => {
                Err(IdentityError::OidcRefused(format!("the provider answers {status}: {}", quoted(error))))
            }
            _ => Err(failed(&format!("the answer has status {status}"))),
        }
    }
}
