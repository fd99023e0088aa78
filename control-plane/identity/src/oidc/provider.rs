use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use jsonwebtoken::jwk::JwkSet;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, de::DeserializeOwned};
use slotway_runtime::http::is_confidential_url;
use tokio::{sync::Mutex, time::Instant};

use super::client::ProviderClient;
use crate::error::IdentityError;

/// Time for which the provider's metadata is cached.
const METADATA_AGE_MAX: Duration = Duration::from_secs(60 * 60);
/// Most keys of the provider that are read.
pub(super) const KEYS_MAX: usize = 64;
/// RFC 3986, section 2.3: characters that need no encoding in any part of a URL.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The provider's metadata (OpenID Connect Discovery 1.0, section 3).
#[derive(Debug, Deserialize)]
pub(super) struct ProviderMetadata {
    issuer: String,
    pub(super) authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Vec<String>,
}

/// The answer of the token endpoint (OpenID Connect Core 1.0, section 3.1.3.3). The other tokens are for the provider's own services.
#[derive(Deserialize)]
struct TokenAnswer {
    id_token: String,
}

/// The provider, with a cache of its metadata and keys.
pub(super) struct Provider {
    issuer: String,
    client: ProviderClient,
    cache: Mutex<ProviderCache>,
}

#[derive(Default)]
struct ProviderCache {
    metadata: Option<(Instant, Arc<ProviderMetadata>)>,
    keys: Option<Arc<JwkSet>>,
}

impl Provider {
    pub(super) fn new(issuer: String, client: ProviderClient) -> Self {
        Self { issuer, client, cache: Mutex::new(ProviderCache::default()) }
    }

    /// Returns the metadata, at most [`METADATA_AGE_MAX`] old.
    pub(super) async fn metadata(&self) -> Result<Arc<ProviderMetadata>, IdentityError> {
        let mut cache = self.cache.lock().await;
        if let Some((at, metadata)) = &cache.metadata
            && at.elapsed() < METADATA_AGE_MAX
        {
            return Ok(Arc::clone(metadata));
        }
        let url = format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'));
        let metadata: ProviderMetadata = parse(&url, &self.client.get(&url).await?)?;
        let invalid = |reason: &str| Err(IdentityError::OidcUnavailable(format!("{url}: {reason}")));
        // Section 4.3: an exact match, or one provider could speak for another.
        if metadata.issuer != self.issuer {
            return invalid("its `issuer` is not `oidc.issuer` of the configuration");
        }
        let endpoints = [&metadata.authorization_endpoint, &metadata.token_endpoint, &metadata.jwks_uri];
        if !endpoints.iter().all(|url| is_confidential_url(url)) {
            return invalid("it names an endpoint that is not https://");
        }
        let metadata = Arc::new(metadata);
        cache.metadata = Some((Instant::now(), Arc::clone(&metadata)));
        Ok(metadata)
    }

    /// Returns the keys. `refresh` reads them again, if none of the cached keys matches.
    pub(super) async fn keys(&self, refresh: bool) -> Result<Arc<JwkSet>, IdentityError> {
        let metadata = self.metadata().await?;
        let mut cache = self.cache.lock().await;
        if let Some(keys) = cache.keys.as_ref().filter(|_| !refresh) {
            return Ok(Arc::clone(keys));
        }
        let keys: JwkSet = parse(&metadata.jwks_uri, &self.client.get(&metadata.jwks_uri).await?)?;
        let keys = Arc::new(keys);
        cache.keys = Some(Arc::clone(&keys));
        Ok(keys)
    }

    /// Exchanges an authorization code for an ID token.
    pub(super) async fn exchange(
        &self,
        form: &[(&str, &str)],
        (client_id, secret): (&str, Option<&str>),
    ) -> Result<String, IdentityError> {
        let metadata = self.metadata().await?;
        let methods = &metadata.token_endpoint_auth_methods_supported;
        let is_by_post = !methods.is_empty() && methods.iter().all(|method| method != "client_secret_basic");
        let (body, authorization) = match secret {
            None => (form_encoded(form), None),
            Some(secret) if is_by_post => {
                let mut form = form.to_vec();
                form.extend([("client_id", client_id), ("client_secret", secret)]);
                (form_encoded(&form), None)
            }
            // RFC 6749, section 2.3.1: both are form-encoded first.
            Some(secret) => {
                let pair = format!("{}:{}", percent_encoded(client_id), percent_encoded(secret));
                (form_encoded(form), Some(format!("Basic {}", STANDARD.encode(pair))))
            }
        };
        let answer = self.client.post_form(&metadata.token_endpoint, body, authorization).await?;
        parse::<TokenAnswer>(&metadata.token_endpoint, &answer).map(|answer| answer.id_token)
    }
}

/// Encodes pairs for a query or a form.
pub(super) fn form_encoded(pairs: &[(&str, &str)]) -> String {
    let pairs = pairs.iter().map(|(name, value)| format!("{name}={}", percent_encoded(value)));
    pairs.collect::<Vec<_>>().join("&")
}

fn percent_encoded(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

/// Parses an answer. The error does not quote the answer, which may contain tokens.
fn parse<T: DeserializeOwned>(url: &str, answer: &[u8]) -> Result<T, IdentityError> {
    serde_json::from_slice(answer).map_err(|error| {
        IdentityError::OidcUnavailable(format!(
            "{url}: the answer is not as specified (line {}, column {})",
            error.line(),
            error.column()
        ))
    })
}
