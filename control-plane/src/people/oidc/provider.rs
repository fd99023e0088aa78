use std::{sync::Arc, time::Duration};

use axum::body::Bytes;
use base64::{Engine, engine::general_purpose::STANDARD};
use jsonwebtoken::jwk::JwkSet;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, de::DeserializeOwned};
use tokio::{sync::Mutex, time::Instant};

use super::http::Http;
use crate::{config::is_safe, error::Error};

/// How long what a provider says of itself holds.
const KNOWN_FOR: Duration = Duration::from_secs(60 * 60);
/// Most keys that are looked at.
pub(super) const KEYS_MAX: usize = 64;
/// RFC 3986, section 2.3: what needs no encoding anywhere.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What a provider says of itself (OpenID Connect Discovery 1.0, section 3).
#[derive(Debug, Deserialize)]
pub(super) struct Metadata {
    issuer: String,
    pub(super) authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Vec<String>,
}

/// What it gives for a code (OpenID Connect Core 1.0, section 3.1.3.3). The other tokens are for its own services.
#[derive(Deserialize)]
struct Tokens {
    id_token: String,
}

/// The provider, and what is known of it.
pub(super) struct Provider {
    issuer: String,
    http: Http,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    metadata: Option<(Instant, Arc<Metadata>)>,
    keys: Option<Arc<JwkSet>>,
}

impl Provider {
    pub(super) fn new(issuer: String, http: Http) -> Self {
        Self { issuer, http, known: Mutex::new(Known::default()) }
    }

    /// What it says of itself, at most [`KNOWN_FOR`] ago.
    pub(super) async fn metadata(&self) -> Result<Arc<Metadata>, Error> {
        let mut known = self.known.lock().await;
        if let Some((at, metadata)) = &known.metadata
            && at.elapsed() < KNOWN_FOR
        {
            return Ok(Arc::clone(metadata));
        }
        let url = format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'));
        let metadata: Metadata = read(&url, &self.http.get(&url).await?)?;
        let wrong = |reason: &str| Err(Error::OidcUnavailable(format!("{url}: {reason}")));
        // Section 4.3: exactly, or another provider could speak for this one.
        if metadata.issuer != self.issuer {
            return wrong("it names another `issuer` than `oidc.issuer` of the configuration");
        }
        let all = [&metadata.authorization_endpoint, &metadata.token_endpoint, &metadata.jwks_uri];
        if !all.iter().all(|url| is_safe(url)) {
            return wrong("it names an endpoint that is not https://");
        }
        let metadata = Arc::new(metadata);
        known.metadata = Some((Instant::now(), Arc::clone(&metadata)));
        Ok(metadata)
    }

    /// Its keys. They are read anew where `anew` says that those which are known do not do: it may have others by now.
    pub(super) async fn keys(&self, anew: bool) -> Result<Arc<JwkSet>, Error> {
        let metadata = self.metadata().await?;
        let mut known = self.known.lock().await;
        if let Some(keys) = known.keys.as_ref().filter(|_| !anew) {
            return Ok(Arc::clone(keys));
        }
        let keys: JwkSet = read(&metadata.jwks_uri, &self.http.get(&metadata.jwks_uri).await?)?;
        let keys = Arc::new(keys);
        known.keys = Some(Arc::clone(&keys));
        Ok(keys)
    }

    /// Changes a code for an ID token.
    pub(super) async fn exchange(
        &self,
        form: &[(&str, &str)],
        (client_id, secret): (&str, Option<&str>),
    ) -> Result<String, Error> {
        let metadata = self.metadata().await?;
        let methods = &metadata.token_endpoint_auth_methods_supported;
        let by_post = !methods.is_empty() && methods.iter().all(|method| method != "client_secret_basic");
        let (body, authorization) = match secret {
            None => (query(form), None),
            Some(secret) if by_post => {
                let mut form = form.to_vec();
                form.extend([("client_id", client_id), ("client_secret", secret)]);
                (query(&form), None)
            }
            // RFC 6749, section 2.3.1: encoded as in a form first.
            Some(secret) => {
                let pair = format!("{}:{}", encoded(client_id), encoded(secret));
                (query(form), Some(format!("Basic {}", STANDARD.encode(pair))))
            }
        };
        let answer = self.http.post(&metadata.token_endpoint, body, authorization).await?;
        read::<Tokens>(&metadata.token_endpoint, &answer).map(|tokens| tokens.id_token)
    }
}

/// Pairs as a query or a form has them.
pub(super) fn query(pairs: &[(&str, &str)]) -> String {
    let pairs = pairs.iter().map(|(name, value)| format!("{name}={}", encoded(value)));
    pairs.collect::<Vec<_>>().join("&")
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// Reads an answer. What is wrong is said without the answer, which may hold tokens.
fn read<T: DeserializeOwned>(url: &str, answer: &Bytes) -> Result<T, Error> {
    serde_json::from_slice(answer).map_err(|error| {
        Error::OidcUnavailable(format!(
            "{url}: it answers something else than was asked for (line {}, column {})",
            error.line(),
            error.column()
        ))
    })
}
