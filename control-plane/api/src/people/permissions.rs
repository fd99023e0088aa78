use serde::{Deserialize, Serialize};
use slotway_identity::{Role, Scope};

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

impl From<Scope> for ScopeName {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::Read => Self::Read,
            Scope::Workers => Self::Workers,
            Scope::Admin => Self::Admin,
        }
    }
}

impl From<ScopeName> for Scope {
    fn from(scope: ScopeName) -> Self {
        match scope {
            ScopeName::Read => Self::Read,
            ScopeName::Workers => Self::Workers,
            ScopeName::Admin => Self::Admin,
        }
    }
}

impl From<Role> for RoleName {
    fn from(role: Role) -> Self {
        match role {
            Role::Admin => Self::Admin,
            Role::Viewer => Self::Viewer,
        }
    }
}

impl From<RoleName> for Role {
    fn from(role: RoleName) -> Self {
        match role {
            RoleName::Admin => Self::Admin,
            RoleName::Viewer => Self::Viewer,
        }
    }
}
