use std::path::PathBuf;

use axum::http::Uri;
use serde::Deserialize;
use slotway_api::OIDC_CALLBACK;
use slotway_identity::oidc::ProviderSettings;
use slotway_runtime::{
    RuntimeError,
    bounded_read::{self, SECRET_BYTES_MAX},
    http::is_confidential_url,
};

/// The longest text of a setting, in bytes.
const TEXT_BYTES_MAX: usize = 2_048;
/// The largest number of values of the role claim that map to one role.
const VALUES_MAX: usize = 64;

/// An identity provider (OpenID Connect Core 1.0, authorization code flow).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OidcSettings {
    /// The provider's URL, as in the claim `iss` of its tokens; the rest comes from its `/.well-known/openid-configuration`.
    pub issuer: String,
    /// The client id of this control plane at the provider.
    pub client_id: String,
    /// A file with the client secret; none for a public client.
    #[serde(default)]
    pub client_secret_file: Option<PathBuf>,
    /// The redirect URL: the address of this API as browsers reach it, with the path
    /// `/api/v1/oidc/callback`.
    pub redirect_url: String,
    /// The requested scopes beside `openid`.
    #[serde(default = "default_scopes")]
    pub scopes: Vec<String>,
    /// The claim with the user's name.
    #[serde(default = "default_name_claim")]
    pub name_claim: String,
    /// The claim with the roles: a text or a list of texts; dots lead into objects (`realm_access.roles`).
    pub role_claim: String,
    /// The values of the role claim that map to the role `admin`.
    #[serde(default)]
    pub admin_values: Vec<String>,
    /// The values of the role claim that map to the role `viewer`.
    #[serde(default)]
    pub viewer_values: Vec<String>,
    /// The trusted authorities of the provider's certificate, a PEM file; the system's by default.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
}

fn default_scopes() -> Vec<String> {
    vec!["profile".to_owned(), "email".to_owned()]
}

fn default_name_claim() -> String {
    "preferred_username".to_owned()
}

impl OidcSettings {
    /// Checks the settings.
    ///
    /// # Errors
    /// The path of the setting, and what is wrong with it.
    pub(super) fn check(&self) -> Result<(), (String, String)> {
        let refuse = |field: &str, reason: &str| Err((format!("oidc.{field}"), reason.to_owned()));
        for (field, text) in [
            ("issuer", &self.issuer),
            ("client_id", &self.client_id),
            ("redirect_url", &self.redirect_url),
            ("name_claim", &self.name_claim),
            ("role_claim", &self.role_claim),
        ] {
            if text.is_empty() || text.len() > TEXT_BYTES_MAX {
                return refuse(field, "must have 1 to 2048 bytes");
            }
        }
        if !is_confidential_url(&self.issuer) || self.issuer.contains(['?', '#']) {
            return refuse(
                "issuer",
                "must be an https:// URL (http:// only for this machine) without query and fragment",
            );
        }
        let path = self.redirect_url.parse::<Uri>().map(|url| url.path().to_owned()).unwrap_or_default();
        if !is_confidential_url(&self.redirect_url)
            || path != OIDC_CALLBACK
            || self.redirect_url.contains(['?', '#'])
        {
            return refuse(
                "redirect_url",
                "must be an https:// URL (http:// only for this machine) that ends with /api/v1/oidc/callback",
            );
        }
        if self.admin_values.is_empty() && self.viewer_values.is_empty() {
            return refuse("role_claim", "`admin_values` or `viewer_values` must map its values to a role");
        }
        for (field, values) in [
            ("admin_values", &self.admin_values),
            ("viewer_values", &self.viewer_values),
            ("scopes", &self.scopes),
        ] {
            let right = |value: &String| !value.is_empty() && value.len() <= TEXT_BYTES_MAX;
            if values.len() > VALUES_MAX || !values.iter().all(right) {
                return refuse(field, "at most 64 values of 1 to 2048 bytes are allowed");
            }
        }
        if self.scopes.iter().any(|scope| !scope.bytes().all(|byte| byte.is_ascii_graphic())) {
            return refuse("scopes", "a scope has only visible ASCII characters");
        }
        Ok(())
    }

    /// Reads the client secret and returns the settings of the OIDC client.
    ///
    /// # Errors
    /// [`RuntimeError::File`] if the file with the secret cannot be read or holds none.
    pub(crate) fn provider(&self) -> Result<ProviderSettings, RuntimeError> {
        Ok(ProviderSettings {
            issuer: self.issuer.clone(),
            client_id: self.client_id.clone(),
            client_secret: self.client_secret()?,
            redirect_url: self.redirect_url.clone(),
            scopes: self.scopes.clone(),
            name_claim: self.name_claim.clone(),
            role_claim: self.role_claim.clone(),
            admin_values: self.admin_values.clone(),
            viewer_values: self.viewer_values.clone(),
            ca_file: self.ca_file.clone(),
        })
    }

    fn client_secret(&self) -> Result<Option<String>, RuntimeError> {
        let Some(file) = &self.client_secret_file else { return Ok(None) };
        let text = bounded_read::read_text(file, SECRET_BYTES_MAX)
            .map_err(|error| RuntimeError::file(file, error))?;
        let secret = text.trim();
        if secret.is_empty() || secret.len() > TEXT_BYTES_MAX {
            return Err(RuntimeError::file(file, "it holds no secret: a secret has from 1 to 2048 bytes"));
        }
        Ok(Some(secret.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn right() -> OidcSettings {
        serde_json::from_value(serde_json::json!({
            "issuer": "https://id.example/realm", "client_id": "slotway",
            "redirect_url": "https://slotway.example/api/v1/oidc/callback",
            "role_claim": "groups", "admin_values": ["slotway-admins"],
        }))
        .unwrap()
    }

    #[test]
    fn settings_that_cannot_be_are_named() {
        right().check().unwrap();
        type Break = fn(&mut OidcSettings);
        let wrong: [(&str, Break); 9] = [
            ("oidc.issuer", |oidc| oidc.issuer = "http://id.example".to_owned()),
            ("oidc.issuer", |oidc| oidc.issuer = "https://id.example/?a=b".to_owned()),
            ("oidc.issuer", |oidc| oidc.issuer = "https://u:p@id.example".to_owned()),
            ("oidc.client_id", |oidc| oidc.client_id.clear()),
            ("oidc.redirect_url", |oidc| oidc.redirect_url = "https://slotway.example/".to_owned()),
            ("oidc.redirect_url", |oidc| {
                oidc.redirect_url = "http://slotway.example/api/v1/oidc/callback".to_owned();
            }),
            ("oidc.role_claim", |oidc| oidc.admin_values.clear()),
            ("oidc.admin_values", |oidc| oidc.admin_values = vec![String::new()]),
            ("oidc.scopes", |oidc| oidc.scopes = vec!["a b".to_owned()]),
        ];
        for (at, change) in wrong {
            let mut oidc = right();
            change(&mut oidc);
            assert_eq!(oidc.check().unwrap_err().0, at, "{oidc:?}");
        }
        let mut here = right();
        here.issuer = "http://127.0.0.1:9000".to_owned();
        here.redirect_url = "http://localhost:8080/api/v1/oidc/callback".to_owned();
        here.check().unwrap();
    }
}
