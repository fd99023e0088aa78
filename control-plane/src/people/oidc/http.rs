use std::{path::Path, sync::Arc, time::Duration};

use axum::{
    body::Bytes,
    http::{Request, header},
};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::sync::Semaphore;
use tokio_rustls::rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
};

use super::words;
use crate::{config::is_safe, error::Error};

/// How long the provider may take for an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Largest answer, in bytes.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// Questions at once; the next ones wait.
const AT_ONCE_MAX: usize = 16;

/// Asks the provider. Redirections are not followed: what it says of itself names the right places.
pub(super) struct Http {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    at_once: Semaphore,
}

impl Http {
    /// With the authorities of a file, or those of the system.
    pub(super) fn new(ca_file: Option<&Path>) -> Result<Self, Error> {
        let system = |reason: String| Error::System { doing: "preparing TLS for the provider", reason };
        let connector = HttpsConnectorBuilder::new();
        let connector = match ca_file {
            None => {
                let provider = ring::default_provider();
                connector
                    .with_provider_and_native_roots(provider)
                    .map_err(|error| system(error.to_string()))?
            }
            Some(file) => {
                let mut roots = RootCertStore::empty();
                let read =
                    CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
                let certificates = read.map_err(|error| Error::file(file, error))?;
                if certificates.is_empty() {
                    return Err(Error::file(file, "it holds no certificate in PEM"));
                }
                for certificate in certificates {
                    roots.add(certificate).map_err(|error| Error::file(file, error))?;
                }
                let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
                    .with_safe_default_protocol_versions()
                    .map_err(|error| system(error.to_string()))?;
                connector.with_tls_config(config.with_root_certificates(roots).with_no_client_auth())
            }
        };
        // http:// is for this machine alone, which is looked at for each question.
        let connector = connector.https_or_http().enable_http1().build();
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { client, at_once: Semaphore::new(AT_ONCE_MAX) })
    }

    /// Gets what is there.
    pub(super) async fn get(&self, url: &str) -> Result<Bytes, Error> {
        self.ask(url, Request::get(url), String::new()).await
    }

    /// Posts a form, with an `Authorization` where there is one.
    pub(super) async fn post(
        &self,
        url: &str,
        form: String,
        authorization: Option<String>,
    ) -> Result<Bytes, Error> {
        let mut request =
            Request::post(url).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some(authorization) = authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        self.ask(url, request, form).await
    }

    async fn ask(
        &self,
        url: &str,
        request: axum::http::request::Builder,
        body: String,
    ) -> Result<Bytes, Error> {
        let failed = |reason: String| Error::OidcUnavailable(format!("{}: {reason}", words(url)));
        if !is_safe(url) {
            return Err(failed("it is no https:// address".to_owned()));
        }
        let request = request.header(header::ACCEPT, "application/json").body(Full::new(Bytes::from(body)));
        let request = request.map_err(|error| failed(error.to_string()))?;
        let ask = async {
            let _place = self.at_once.acquire().await.map_err(|error| failed(error.to_string()))?;
            let response = self.client.request(request).await.map_err(|error| failed(deepest(&error)))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
            let body = body.map_err(|error| failed(error.to_string()))?.to_bytes();
            if status.is_success() {
                return Ok(body);
            }
            // RFC 6749, section 5.2.
            let said: Option<serde_json::Value> = serde_json::from_slice(&body).ok();
            let said = said.as_ref().and_then(|said| said.get("error")?.as_str());
            match said {
                Some(said) if status.is_client_error() => {
                    Err(Error::OidcRefused(format!("the provider answers {status}: {}", words(said))))
                }
                _ => Err(failed(format!("it answers {status}"))),
            }
        };
        let late = |_| failed(format!("no answer within {} s", ANSWER_WITHIN.as_secs()));
        tokio::time::timeout(ANSWER_WITHIN, ask).await.map_err(late)?
    }
}

/// The words of what is at the bottom of an error: that it could not connect tells less than why.
fn deepest(error: &dyn std::error::Error) -> String {
    let mut at = error;
    while let Some(source) = at.source() {
        at = source;
    }
    at.to_string()
}
