//! People who come from a provider: OpenID Connect Core 1.0, the authorization code flow (section 3.1), with PKCE (RFC 7636).
//!
//! Nothing is kept here between a browser's leaving and its coming back: what has to be the same then goes with the browser, in a cookie
//! that no script can read. So any control plane may take it back in, and nobody can fill the memory by leaving again and again.

mod http;
mod id_token;
mod journey;
mod provider;
mod ring_provider;

use axum::http::request::Parts;
use serde::Deserialize;
use serde_json::{Map, Value};
use subtle::ConstantTimeEq;

use self::{
    http::Http,
    id_token::Expectation,
    journey::Journey,
    provider::{Provider, query},
};
use super::{Name, People, Role, Signed, session, user::AtProvider};
use crate::{
    config::{OIDC_CALLBACK, OidcSettings},
    error::Error,
};

/// Longest word of a provider that is repeated, in characters.
const WORD_MAX: usize = 200;

/// A provider, and what this control plane is to it.
pub struct Oidc {
    settings: OidcSettings,
    client_secret: Option<String>,
    provider: Provider,
}

impl std::fmt::Debug for Oidc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Oidc").field("issuer", &self.settings.issuer).finish_non_exhaustive()
    }
}

/// Where a browser is to go, and the cookie that it takes along.
#[derive(Debug, PartialEq, Eq)]
pub struct Departure {
    /// The provider's page.
    pub location: String,
    /// A `Set-Cookie`.
    pub cookie: String,
}

/// A browser that has come back with somebody.
#[derive(Debug)]
pub struct Arrival {
    /// Who, with a session.
    pub signed: Signed,
    /// Where they wanted to go: a path of ours.
    pub return_to: String,
    /// A `Set-Cookie` that ends the journey.
    pub cookie: String,
}

/// With what a browser comes back (RFC 6749, section 4.1.2; RFC 9207).
#[derive(Debug, Default, Deserialize)]
pub struct Returned {
    /// What the provider gives for tokens.
    pub code: Option<String>,
    /// What went with the browser.
    pub state: Option<String>,
    /// Why the provider gives nothing.
    pub error: Option<String>,
    /// In its words.
    pub error_description: Option<String>,
    /// Which provider it was.
    pub iss: Option<String>,
}

impl Oidc {
    /// Reads the secret and the authorities. The provider itself is asked when somebody wants to go there: that it is away keeps nobody
    /// else out.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn new(settings: &OidcSettings) -> Result<Self, Error> {
        ring_provider::install();
        let http = Http::new(settings.ca_file.as_deref())?;
        Ok(Self {
            client_secret: settings.client_secret()?,
            provider: Provider::new(settings.issuer.clone(), http),
            settings: settings.clone(),
        })
    }

    async fn depart(&self, return_to: &str, secure: bool) -> Result<Departure, Error> {
        let journey = Journey::begin(return_to)?;
        let metadata = self.provider.metadata().await?;
        let mut scopes = vec!["openid".to_owned()];
        scopes.extend(self.settings.scopes.iter().filter(|scope| *scope != "openid").cloned());
        let asked = query(&[
            ("response_type", "code"),
            ("client_id", &self.settings.client_id),
            ("redirect_uri", &self.settings.redirect_url),
            ("scope", &scopes.join(" ")),
            ("state", &journey.state),
            ("nonce", &journey.nonce),
            ("code_challenge", &journey.challenge()),
            ("code_challenge_method", "S256"),
        ]);
        let joint = if metadata.authorization_endpoint.contains('?') { '&' } else { '?' };
        let location = format!("{}{joint}{asked}", metadata.authorization_endpoint);
        Ok(Departure { location, cookie: journey.cookie(secure) })
    }

    /// Who comes back, to the provider, and what it says of them.
    async fn arrive(
        &self,
        parts: &Parts,
        returned: Returned,
    ) -> Result<(Journey, Map<String, Value>), Error> {
        let refused = |reason: &str| Error::OidcRefused(reason.to_owned());
        let journey = Journey::of(parts).ok_or_else(|| {
            refused("this browser has not left from here, or more than ten minutes ago; begin again at /api/v1/oidc/login")
        })?;
        let state = returned.state.unwrap_or_default();
        if !bool::from(state.as_bytes().ct_eq(journey.state.as_bytes())) {
            return Err(refused(
                "`state` is not what went with this browser; begin again at /api/v1/oidc/login",
            ));
        }
        if returned.iss.is_some_and(|issuer| issuer != self.settings.issuer) {
            return Err(refused("it is another provider that this browser comes back from"));
        }
        if let Some(error) = returned.error {
            let description = returned.error_description.unwrap_or_default();
            return Err(Error::OidcRefused(format!(
                "the provider says {}",
                words(&format!("{error} {description}"))
            )));
        }
        let code = returned.code.ok_or_else(|| refused("the provider gives no `code`"))?;
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", self.settings.redirect_url.as_str()),
            ("code_verifier", journey.verifier.as_str()),
        ];
        if self.client_secret.is_none() {
            form.push(("client_id", &self.settings.client_id));
        }
        let client = (self.settings.client_id.as_str(), self.client_secret.as_deref());
        let token = self.provider.exchange(&form, client).await?;
        let expected = Expectation {
            issuer: &self.settings.issuer,
            client_id: &self.settings.client_id,
            nonce: &journey.nonce,
        };
        let claims = id_token::claims(&self.provider, &token, &expected).await?;
        Ok((journey, claims))
    }

    fn role(&self, claims: &Map<String, Value>) -> Result<Role, Error> {
        // A claim may have dots in its name (`https://example.org/roles`): the whole name goes first.
        let within = || {
            let mut steps = self.settings.role_claim.split('.');
            let first = claims.get(steps.next()?)?;
            steps.try_fold(first, |at, step| at.get(step))
        };
        let at = claims.get(&self.settings.role_claim).or_else(within);
        let values: Vec<&str> = match at {
            Some(Value::String(value)) => vec![value],
            Some(Value::Array(values)) => values.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let has = |wanted: &[String]| wanted.iter().any(|wanted| values.contains(&wanted.as_str()));
        if has(&self.settings.admin_values) {
            Ok(Role::Admin)
        } else if has(&self.settings.viewer_values) {
            Ok(Role::Viewer)
        } else {
            let claim = &self.settings.role_claim;
            Err(Error::OidcRefused(format!(
                "the provider gives this person no role here: none of the values of `{claim}` is one of `admin_values` or \
                 `viewer_values` of the configuration"
            )))
        }
    }

    fn name(&self, claims: &Map<String, Value>) -> Result<Name, Error> {
        let claim = &self.settings.name_claim;
        let given = claims.get(claim).and_then(Value::as_str).ok_or_else(|| {
            Error::OidcRefused(format!("the provider gives no name: `{claim}` is not there; `name_claim` of the configuration says which"))
        })?;
        let verified = claims.get("email_verified").is_none_or(|verified| *verified == Value::Bool(true));
        if claim == "email" && !verified {
            return Err(Error::OidcRefused("the provider has not verified the e-mail address".to_owned()));
        }
        given
            .to_lowercase()
            .parse()
            .map_err(|reason| Error::OidcRefused(format!("`{claim}` of the provider: {reason}")))
    }
}

impl People {
    /// Sends a browser to the provider. `return_to` is where it wants to go afterwards: a path of ours.
    ///
    /// # Errors
    /// [`Error::OidcOff`], [`Error::OidcUnavailable`], [`Error::BadBody`] for a `return_to` that leads elsewhere.
    pub async fn depart(&self, return_to: &str) -> Result<Departure, Error> {
        self.oidc.as_ref().ok_or(Error::OidcOff)?.depart(return_to, self.settings.secure_cookies).await
    }

    /// Takes a browser in that comes back from the provider: whom it brings gets a session.
    ///
    /// # Errors
    /// [`Error::OidcOff`], [`Error::OidcUnavailable`], [`Error::OidcRefused`], [`Error::Store`].
    pub async fn arrive(&self, parts: &Parts, returned: Returned) -> Result<Arrival, Error> {
        let oidc = self.oidc.as_ref().ok_or(Error::OidcOff)?;
        let (journey, claims) = oidc.arrive(parts, returned).await?;
        let (name, role) = (oidc.name(&claims)?, oidc.role(&claims)?);
        let subject = claims.get("sub").and_then(Value::as_str).unwrap_or_default().to_owned();
        let at_provider = AtProvider { issuer: oidc.settings.issuer.clone(), subject };
        let name = self.take_in_from_provider(at_provider, &name, role).await?;
        let signed = self.begin_session(&name).await?;
        let secure = self.settings.secure_cookies;
        Ok(Arrival { signed, return_to: journey.return_to, cookie: journey::no_cookie(secure) })
    }
}

/// What the provider says, as far as it can be repeated.
fn words(text: &str) -> String {
    let shown = text.trim().chars().filter(|character| !character.is_control()).take(WORD_MAX);
    format!("{:?}", shown.collect::<String>())
}

/// The cookie of a journey.
fn journey_cookie(value: &str, for_: std::time::Duration, secure: bool) -> String {
    let path = OIDC_CALLBACK.rsplit_once('/').map_or("/", |(path, _)| path);
    // Lax: it is a page of the provider that sends the browser back.
    session::cookie(journey::COOKIE, value, path, "Lax", Some(for_), secure)
}
