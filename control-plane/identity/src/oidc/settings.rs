use std::path::PathBuf;

/// The OIDC provider and this control plane's registration there.
#[derive(Clone, PartialEq, Eq)]
pub struct ProviderSettings {
    /// The provider's issuer URL, as in `iss` of its tokens.
    pub issuer: String,
    /// The client id of this control plane.
    pub client_id: String,
    /// The client secret; `None` for a public client.
    pub client_secret: Option<String>,
    /// The URL that the provider sends browsers back to.
    pub redirect_url: String,
    /// The scopes to request beside `openid`.
    pub scopes: Vec<String>,
    /// The claim with the name of the user.
    pub name_claim: String,
    /// The claim with the role: a string or a list of strings. Dots lead into objects (`realm_access.roles`).
    pub role_claim: String,
    /// The values of the role claim that mean an admin.
    pub admin_values: Vec<String>,
    /// The values of the role claim that mean a viewer.
    pub viewer_values: Vec<String>,
    /// A PEM file with the certificate authorities of the provider; `None` for those of the operating system.
    pub ca_file: Option<PathBuf>,
}

impl std::fmt::Debug for ProviderSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProviderSettings").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}
