use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Moment, secret};
use crate::error::Error;

/// A session that nobody uses ends after so long.
pub const SESSION_IDLE: Duration = Duration::from_secs(60 * 60);
/// A session ends after so long in any case.
pub const SESSION_WHOLE: Duration = Duration::from_secs(12 * 60 * 60);
/// How exactly it is kept when a session was used last.
pub(super) const SEEN_EVERY: Duration = Duration::from_secs(5 * 60);
/// Most sessions of one person; with one more, the one that was not used for longest ends.
pub const SESSIONS_PER_USER_MAX: usize = 16;
/// Most sessions of all; with one more, the one that was not used for longest ends.
pub const SESSIONS_MAX: usize = 4_096;

/// The name of the cookie.
pub const SESSION_COOKIE: &str = "slotway_session";
/// The header with the token against forged requests.
pub const CSRF_HEADER: &str = "x-csrf-token";

/// A session, as kept: under the hash of its id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Session {
    /// Whose.
    pub(super) user: String,
    /// The user's epoch when it began.
    pub(super) epoch: String,
    pub(super) began_at: Moment,
    /// When it was used last, to within [`SEEN_EVERY`].
    pub(super) seen_at: Moment,
}

impl Session {
    /// When it ends if it is not used again.
    pub(super) fn ends_at(&self) -> Moment {
        self.began_at.after(SESSION_WHOLE).min(self.seen_at.after(SESSION_IDLE))
    }
}

/// What only the browser has. It shows itself nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionId(String);

impl std::fmt::Debug for SessionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionId(..)")
    }
}

impl SessionId {
    pub(super) fn made_up() -> Result<Self, Error> {
        secret::made_up().map(Self)
    }

    /// What somebody sends as one.
    pub(super) fn given(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The key under which the session is kept.
    pub(super) fn key(&self) -> String {
        secret::hashed(&self.0)
    }

    /// What a page that may read our answers knows and another site's does not.
    #[must_use]
    pub fn csrf_token(&self) -> String {
        secret::derived(&self.0, "slotway csrf token")
    }

    /// The `Set-Cookie` that brings it to the browser. No `Max-Age`: it goes with the browser, or when the session ends here.
    #[must_use]
    pub fn cookie(&self, secure: bool) -> String {
        cookie(SESSION_COOKIE, &self.0, "/", "Strict", None, secure)
    }
}

/// The `Set-Cookie` that takes the session from the browser.
#[must_use]
pub fn no_session_cookie(secure: bool) -> String {
    cookie(SESSION_COOKIE, "", "/", "Strict", Some(Duration::ZERO), secure)
}

/// A `Set-Cookie` (RFC 6265) that no script can read.
pub(super) fn cookie(
    name: &str,
    value: &str,
    path: &str,
    same_site: &str,
    for_: Option<Duration>,
    secure: bool,
) -> String {
    let age = for_.map(|age| format!("; Max-Age={}", age.as_secs())).unwrap_or_default();
    let secure = if secure { "; Secure" } else { "" };
    format!("{name}={value}; HttpOnly; SameSite={same_site}; Path={path}{age}{secure}")
}
