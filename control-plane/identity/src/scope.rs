use serde::{Deserialize, Serialize};

/// The permissions of an identity. Each scope includes the scopes before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Reads everything but users and tokens.
    Read,
    /// Also changes workers: the scope of an autoscaler or of a worker's start script.
    Workers,
    /// Reads and changes everything.
    Admin,
}

impl Scope {
    /// Returns the scope as in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Workers => "workers",
            Self::Admin => "admin",
        }
    }
}
