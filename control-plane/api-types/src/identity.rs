use serde::{Deserialize, Serialize};

use crate::Resource;

/// The scope of a token or a session, in JSON. Each scope includes the scopes before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = Scope)]
#[serde(rename_all = "lowercase")]
pub enum ScopeName {
    /// Reads everything but users and tokens.
    Read,
    /// Also changes workers: the scope of an autoscaler or of a worker's start script.
    Workers,
    /// Reads and changes everything.
    Admin,
}

/// The role of a user, in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = Role)]
#[serde(rename_all = "lowercase")]
pub enum RoleName {
    /// Reads and changes everything.
    Admin,
    /// Reads everything but users and tokens.
    Viewer,
}

/// The sender of the request and their permissions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SessionView {
    /// The author in audit entries: a user's name, `token NAME`, `admin token`.
    pub who: String,
    /// The user, by a session or by one of their tokens.
    pub user: Option<String>,
    /// The role of the user; of a session only.
    pub role: Option<RoleName>,
    /// The permissions.
    pub scope: ScopeName,
    /// The value of `x-csrf-token` for changes with the session's cookie; none without a session.
    pub csrf_token: Option<String>,
    /// The end of the session if it is not used again (RFC 3339, UTC). Each use extends it, up to 12 hours after its start.
    pub expires_at: Option<String>,
}

/// The desired state of a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TokenSpec {
    /// Its scope.
    pub scope: ScopeName,
    /// The time from which it is refused (RFC 3339, UTC); `null` for never.
    pub expires_at: Option<String>,
}

/// The observed state of a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TokenState {
    /// The owner; `null` if it was created with the admin token.
    pub owner: Option<String>,
    /// The author.
    pub created_by: String,
    /// The time (RFC 3339, UTC).
    pub created_at: String,
    /// The last use, to within a minute.
    pub last_used_at: Option<String>,
    /// Whether it is refused: it has expired, or its owner is disabled.
    pub refused: bool,
}

/// A new token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct MadeToken {
    /// The token.
    #[serde(flatten)]
    pub token: Resource<TokenSpec, TokenState>,
    /// The value of `Authorization: Bearer`. It is shown only once; absent in a dry run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

/// The desired state of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct UserSpec {
    /// The permissions.
    pub role: RoleName,
    /// Whether the user may not sign in.
    pub disabled: bool,
}

/// The observed state of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct UserState {
    /// How the user signs in: `password`, or `oidc` for the provider.
    pub signs_in_by: String,
    /// The number of sessions.
    pub sessions: usize,
    /// The time of creation (RFC 3339, UTC).
    pub created_at: String,
    /// The last change of the password (RFC 3339, UTC).
    pub password_changed_at: Option<String>,
}
