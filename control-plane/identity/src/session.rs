use std::time::Duration;

use serde::{Deserialize, Serialize};
use slotway_runtime::Moment;

use crate::{error::IdentityError, secret};

/// Time without use after which a session ends.
pub const SESSION_IDLE_MAX: Duration = Duration::from_secs(60 * 60);
/// Time after which a session ends in any case.
pub const SESSION_LIFETIME_MAX: Duration = Duration::from_secs(12 * 60 * 60);
/// Resolution of the stored time of the last use.
pub(crate) const USE_RESOLUTION: Duration = Duration::from_secs(5 * 60);
/// Most sessions of one user; a further sign-in ends the least recently used session.
pub const SESSIONS_PER_USER_MAX: usize = 16;
/// Most sessions of all users; a further sign-in ends the least recently used session.
pub const SESSIONS_MAX: usize = 4_096;
/// Longest accepted session id, in bytes.
const ID_BYTES_MAX: usize = 128;

/// A session, as stored under the hash of its id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Session {
    /// The name of the user.
    pub(crate) user: String,
    /// The user's epoch at the sign-in.
    pub(crate) epoch: String,
    pub(crate) began_at: Moment,
    /// The time of the last use, with [`USE_RESOLUTION`].
    pub(crate) seen_at: Moment,
}

impl Session {
    /// Returns the time at which the session ends without further use.
    pub(crate) fn ends_at(&self) -> Moment {
        self.began_at.after(SESSION_LIFETIME_MAX).min(self.seen_at.after(SESSION_IDLE_MAX))
    }
}

/// The secret of a session, which only the browser holds. `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionId(String);

impl std::fmt::Debug for SessionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionId(..)")
    }
}

impl SessionId {
    pub(crate) fn generate() -> Result<Self, IdentityError> {
        secret::generate().map(Self)
    }

    /// Returns the id that a request carries; `None` if it is too long for one.
    pub(crate) fn from_request(text: &str) -> Option<Self> {
        (text.len() <= ID_BYTES_MAX).then(|| Self(text.to_owned()))
    }

    /// Returns the key of the stored session.
    pub(crate) fn key(&self) -> String {
        secret::hash(&self.0)
    }

    /// Returns the secret itself, for the session cookie.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Returns the CSRF token of the session. Only a page that may read the API's answers can learn it.
    #[must_use]
    pub fn csrf_token(&self) -> String {
        secret::derive(&self.0, "slotway csrf token")
    }
}
