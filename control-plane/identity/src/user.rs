use serde::{Deserialize, Serialize};
use slotway_runtime::Moment;

use crate::{password::Password, scope::Scope};

/// Most users.
pub const USERS_MAX: usize = 1_000;

/// The permissions of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads and changes everything.
    Admin,
    /// Reads everything but users and tokens.
    Viewer,
}

impl Role {
    /// Returns the scope of a user with this role.
    #[must_use]
    pub fn scope(self) -> Scope {
        match self {
            Self::Admin => Scope::Admin,
            Self::Viewer => Scope::Read,
        }
    }
}

/// A user, as stored. `Debug` hides secrets.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The permissions.
    pub role: Role,
    /// Whether sign-ins, sessions and tokens of the user are refused.
    #[serde(default)]
    pub disabled: bool,
    /// PHC string of the password; `None` for a user of the OIDC provider.
    pub(crate) password_hash: Option<String>,
    /// Identifies a user of the OIDC provider; `None` for a user with a password.
    pub(crate) provider: Option<ProviderSubject>,
    /// The time of creation.
    pub created_at: Moment,
    /// The time of the last change of the password.
    pub(crate) password_changed_at: Option<Moment>,
    /// A random value, stored with each session. A change of the password, the role or `disabled` replaces it and so ends all sessions.
    pub(crate) epoch: String,
}

/// A user of the OIDC provider. Issuer and subject together are unique (OpenID Connect Core 1.0, section 5.7).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProviderSubject {
    pub(crate) issuer: String,
    pub(crate) subject: String,
}

/// The requested properties of a user.
#[derive(Debug, Clone)]
pub struct UserUpdate {
    /// The permissions.
    pub role: Role,
    /// Whether sign-ins, sessions and tokens of the user are refused.
    pub disabled: bool,
    /// A new password; `None` keeps the present one.
    pub password: Option<Password>,
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User")
            .field("role", &self.role)
            .field("disabled", &self.disabled)
            .finish_non_exhaustive()
    }
}

impl User {
    /// Returns whether the user signs in with the OIDC provider and has no password.
    #[must_use]
    pub fn is_from_provider(&self) -> bool {
        self.provider.is_some()
    }

    /// Returns the time of the last change of the password; `None` without a password.
    #[must_use]
    pub fn password_changed_at(&self) -> Option<Moment> {
        self.password_changed_at
    }

    /// Returns whether the user is an admin who can sign in.
    pub(crate) fn is_enabled_admin(&self) -> bool {
        self.role == Role::Admin && !self.disabled
    }
}
