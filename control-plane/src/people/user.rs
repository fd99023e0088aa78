use serde::{Deserialize, Serialize};

use super::{Moment, Password, Scope};

/// What a person may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Everything.
    Admin,
    /// Look at everything but people and their tokens.
    Viewer,
}

impl Role {
    /// What they may do.
    #[must_use]
    pub fn scope(self) -> Scope {
        match self {
            Self::Admin => Scope::Admin,
            Self::Viewer => Scope::Read,
        }
    }
}

/// A person, as kept.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// What they may do.
    pub role: Role,
    /// Whether they are kept out.
    #[serde(default)]
    pub disabled: bool,
    /// PHC string of the password; none for those who come from the provider.
    pub(super) password_hash: Option<String>,
    /// Who they are to the provider; none for those with a password.
    pub(super) provider: Option<AtProvider>,
    /// Since when there is such a user.
    pub created_at: Moment,
    /// When the password was changed last.
    pub(super) password_changed_at: Option<Moment>,
    /// Random. A session lives as long as this is what it was when it began: with another password, another role, or when a user is
    /// disabled, there is another one.
    pub(super) epoch: String,
}

/// A person, to the provider (OpenID Connect Core 1.0, section 5.7: only both together name somebody).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct AtProvider {
    pub(super) issuer: String,
    pub(super) subject: String,
}

/// What somebody wants of a user.
#[derive(Debug, Clone)]
pub struct UserWanted {
    /// What they may do.
    pub role: Role,
    /// Whether they are kept out.
    pub disabled: bool,
    /// A new password; none leaves the one that there is.
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
    /// Whether they come from the provider, and have no password here.
    #[must_use]
    pub fn is_from_provider(&self) -> bool {
        self.provider.is_some()
    }

    /// When the password was changed last; none for those who have none.
    #[must_use]
    pub fn password_changed_at(&self) -> Option<Moment> {
        self.password_changed_at
    }

    /// Whether they are an admin who can come in.
    pub(super) fn is_acting_admin(&self) -> bool {
        self.role == Role::Admin && !self.disabled
    }
}
