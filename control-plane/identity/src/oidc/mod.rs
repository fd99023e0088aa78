//! Signs users in with an OpenID Connect provider: the authorization code flow of OpenID Connect Core 1.0 (section 3.1) with PKCE
//! (RFC 7636).
//!
//! The control plane keeps no state of a sign-in in progress. The browser keeps it in a cookie that no script can read. So any control
//! plane can finish a sign-in, and unfinished sign-ins use no memory.

mod authorization_flow;
mod client;
mod id_token;
mod provider;
mod ring_provider;
mod settings;

use serde_json::{Map, Value};
use slotway_runtime::Moment;
use subtle::ConstantTimeEq;

pub use self::settings::ProviderSettings;
use self::{
    authorization_flow::AuthorizationFlow,
    client::ProviderClient,
    id_token::ExpectedClaims,
    provider::{Provider, form_encoded},
};
use crate::{
    error::IdentityError,
    name::Name,
    user::{ProviderSubject, Role},
};

/// Longest quotation of a provider's text, in characters.
const QUOTED_CHARS_MAX: usize = 200;

/// The client of an OIDC provider.
pub struct Oidc {
    settings: ProviderSettings,
    provider: Provider,
}

impl std::fmt::Debug for Oidc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Oidc").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// The values with which the provider sends a browser back (RFC 6749, section 4.1.2; RFC 9207).
#[derive(Debug, Default)]
pub struct AuthorizationResponse {
    /// The authorization code.
    pub code: Option<String>,
    /// The `state` of the request.
    pub state: Option<String>,
    /// The provider's error code.
    pub error: Option<String>,
    /// The provider's description of the error.
    pub error_description: Option<String>,
    /// The issuer.
    pub iss: Option<String>,
}

/// A user whom the provider has authenticated.
pub(crate) struct AuthenticatedUser {
    pub(crate) subject: ProviderSubject,
    pub(crate) name: Name,
    pub(crate) role: Role,
    /// The path that the browser returns to.
    pub(crate) return_to: String,
}

impl Oidc {
    /// Reads the certificate authorities. Contacts the provider only at the first sign-in, so that an unavailable provider does not
    /// keep the control plane from starting.
    ///
    /// # Errors
    /// [`slotway_runtime::RuntimeError::File`].
    pub fn new(settings: ProviderSettings) -> Result<Self, IdentityError> {
        ring_provider::install();
        let client = ProviderClient::new(settings.ca_file.as_deref())?;
        Ok(Self { provider: Provider::new(settings.issuer.clone(), client), settings })
    }

    /// Returns the URL of the provider's sign-in page and the flow for the browser's cookie.
    pub(crate) async fn begin(&self, return_to: &str) -> Result<(String, String), IdentityError> {
        let flow = AuthorizationFlow::begin(return_to)?;
        let metadata = self.provider.metadata().await?;
        let mut scopes = vec!["openid".to_owned()];
        scopes.extend(self.settings.scopes.iter().filter(|scope| *scope != "openid").cloned());
        let request = form_encoded(&[
            ("response_type", "code"),
            ("client_id", &self.settings.client_id),
            ("redirect_uri", &self.settings.redirect_url),
            ("scope", &scopes.join(" ")),
            ("state", &flow.state),
            ("nonce", &flow.nonce),
            ("code_challenge", &flow.code_challenge()),
            ("code_challenge_method", "S256"),
        ]);
        let separator = if metadata.authorization_endpoint.contains('?') { '&' } else { '?' };
        Ok((format!("{}{separator}{request}", metadata.authorization_endpoint), flow.encode()))
    }

    /// Checks the provider's response, exchanges its code and returns the authenticated user.
    pub(crate) async fn finish(
        &self,
        flow: Option<&str>,
        response: AuthorizationResponse,
        now: Moment,
    ) -> Result<AuthenticatedUser, IdentityError> {
        let flow = flow.and_then(AuthorizationFlow::decode).ok_or_else(|| {
            refused("this browser has no sign-in in progress, or it is older than ten minutes; begin again")
        })?;
        let code = self.code(&flow, response)?;
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", self.settings.redirect_url.as_str()),
            ("code_verifier", flow.code_verifier.as_str()),
        ];
        let client_secret = self.settings.client_secret.as_deref();
        if client_secret.is_none() {
            form.push(("client_id", &self.settings.client_id));
        }
        let token = self.provider.exchange(&form, (&self.settings.client_id, client_secret)).await?;
        let expected = ExpectedClaims {
            issuer: &self.settings.issuer,
            client_id: &self.settings.client_id,
            nonce: &flow.nonce,
            now,
        };
        let claims = id_token::claims(&self.provider, &token, &expected).await?;
        let (name, role) = (self.name(&claims)?, self.role(&claims)?);
        let subject = claims.get("sub").and_then(Value::as_str).unwrap_or_default().to_owned();
        let subject = ProviderSubject { issuer: self.settings.issuer.clone(), subject };
        Ok(AuthenticatedUser { subject, name, role, return_to: flow.return_to })
    }

    /// Returns the authorization code of a response that belongs to the flow.
    fn code(
        &self,
        flow: &AuthorizationFlow,
        response: AuthorizationResponse,
    ) -> Result<String, IdentityError> {
        let state = response.state.unwrap_or_default();
        if !bool::from(state.as_bytes().ct_eq(flow.state.as_bytes())) {
            return Err(refused("`state` does not belong to the sign-in of this browser; begin again"));
        }
        if response.iss.is_some_and(|issuer| issuer != self.settings.issuer) {
            return Err(refused("`iss` is another provider"));
        }
        if let Some(error) = response.error {
            let description = response.error_description.unwrap_or_default();
            let answer = quoted(&format!("{error} {description}"));
            return Err(IdentityError::OidcRefused(format!("the provider answers {answer}")));
        }
        response.code.ok_or_else(|| refused("the provider's answer has no `code`"))
    }

    fn role(&self, claims: &Map<String, Value>) -> Result<Role, IdentityError> {
        // The name of a claim may contain dots (`https://example.org/roles`), so the whole name comes first.
        let nested = || {
            let mut steps = self.settings.role_claim.split('.');
            let first = claims.get(steps.next()?)?;
            steps.try_fold(first, |value, step| value.get(step))
        };
        let value = claims.get(&self.settings.role_claim).or_else(nested);
        let values: Vec<&str> = match value {
            Some(Value::String(value)) => vec![value],
            Some(Value::Array(values)) => values.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let has_one_of = |wanted: &[String]| wanted.iter().any(|wanted| values.contains(&wanted.as_str()));
        if has_one_of(&self.settings.admin_values) {
            Ok(Role::Admin)
        } else if has_one_of(&self.settings.viewer_values) {
            Ok(Role::Viewer)
        } else {
            Err(IdentityError::OidcRefused(format!(
                "the provider gives this user no role: no value of `{}` is in `admin_values` or `viewer_values` of the configuration",
                self.settings.role_claim
            )))
        }
    }

    fn name(&self, claims: &Map<String, Value>) -> Result<Name, IdentityError> {
        let claim = &self.settings.name_claim;
        let given = claims.get(claim).and_then(Value::as_str).ok_or_else(|| {
            IdentityError::OidcRefused(format!(
                "the provider gives no name: the claim `{claim}` is missing; `name_claim` of the configuration names the claim"
            ))
        })?;
        let is_verified = claims.get("email_verified").is_none_or(|verified| *verified == Value::Bool(true));
        if claim == "email" && !is_verified {
            return Err(refused("the provider has not verified the e-mail address"));
        }
        let name = given.to_lowercase().parse();
        name.map_err(|reason| IdentityError::OidcRefused(format!("`{claim}` of the provider: {reason}")))
    }
}

fn refused(reason: &str) -> IdentityError {
    IdentityError::OidcRefused(reason.to_owned())
}

/// Quotes a text of the provider, shortened and without control characters.
fn quoted(text: &str) -> String {
    let text = text.trim().chars().filter(|character| !character.is_control()).take(QUOTED_CHARS_MAX);
    format!("{:?}", text.collect::<String>())
}
