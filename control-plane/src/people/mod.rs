//! Who asks, and what they may do.
//!
//! * [`AdminToken`]: whoever can read the state directory has it, and may do everything.
//! * [`User`]s have a [`Role`] and a [`Password`], or come from a provider ([`oidc`]). They sign in and get a session.
//! * [`Token`]s are for programs.
//! * Without any credentials, whoever asks from this machine may read, unless the configuration says otherwise.
//!
//! All but the admin token is kept in the store, which several control planes may share. Each has it in memory, too, and follows
//! what the others change: a request costs the store nothing.

mod admin_token;
mod identity;
mod ledger;
mod lockout;
mod name;
pub mod oidc;
mod password;
mod register;
mod secret;
mod session;
mod sessions;
mod token;
mod tokens;
mod user;
mod users;

use std::sync::Arc;

use axum::http::{header, request::Parts};
use tokio::sync::mpsc;

pub use admin_token::AdminToken;
pub(crate) use identity::peer;
pub use identity::{Identity, Means, Scope};
pub(crate) use lockout::network;
pub use lockout::{FAILURES_OF_A_NAME, FAILURES_OF_AN_ADDRESS, FIRST_WAIT, LONGEST_WAIT};
pub use name::{NAME_BYTES_MAX, Name};
pub use password::{PASSWORD_BYTES, Password};
pub(crate) use register::turn_write;
pub use session::{
    CSRF_HEADER, SESSION_COOKIE, SESSION_IDLE, SESSION_WHOLE, SESSIONS_MAX, SESSIONS_PER_USER_MAX, SessionId,
    no_session_cookie,
};
pub use sessions::Signed;
pub use slotway_runtime::{Clock, Moment};
pub use token::{TOKEN_PREFIX, TOKENS_MAX, Token, TokenWanted, lifetime};
pub use tokens::{NewToken, ShownToken};
pub use user::{Role, User, UserWanted};
pub use users::{ShownUser, USERS_MAX};

use self::{ledger::Ledger, lockout::Lockout, oidc::Oidc, password::Hasher, sessions::Used};
use crate::{config::Config, error::Error, store::Store};

/// Uses of sessions and tokens that wait to be kept; one beyond that is kept with the next one.
const USES_WAITING_MAX: usize = 1_024;

/// Who may ask, and how they show that it is them.
pub struct People {
    admin_token: Arc<AdminToken>,
    ledger: Ledger,
    hasher: Arc<Hasher>,
    lockout: Lockout,
    clock: Clock,
    oidc: Option<Oidc>,
    settings: PeopleSettings,
    /// What was used just now, for whoever keeps that.
    used: mpsc::Sender<Used>,
    uses: tokio::sync::Mutex<mpsc::Receiver<Used>>,
}

/// What the configuration says of people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeopleSettings {
    /// Whether whoever asks from this machine may read without credentials.
    pub anonymous_reads: bool,
    /// Whether browsers reach the API over TLS alone.
    pub secure_cookies: bool,
}

impl Default for PeopleSettings {
    fn default() -> Self {
        Self { anonymous_reads: true, secure_cookies: false }
    }
}

impl PeopleSettings {
    /// As a configuration has it.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let provider_by_tls =
            config.oidc.as_ref().is_some_and(|oidc| oidc.redirect_url.starts_with("https://"));
        Self {
            anonymous_reads: config.anonymous_reads,
            secure_cookies: config.api_tls.is_some() || provider_by_tls,
        }
    }
}

impl std::fmt::Debug for People {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("People").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl People {
    /// Loads those whom the store has.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn open(
        store: Arc<dyn Store>,
        admin_token: Arc<AdminToken>,
        settings: PeopleSettings,
        oidc: Option<Oidc>,
        clock: Clock,
    ) -> Result<Self, Error> {
        let (used, uses) = mpsc::channel(USES_WAITING_MAX);
        Ok(Self {
            admin_token,
            ledger: Ledger::open(store).await?,
            hasher: Arc::new(Hasher::new()?),
            lockout: Lockout::default(),
            clock,
            oidc,
            settings,
            used,
            uses: tokio::sync::Mutex::new(uses),
        })
    }

    /// Keeps up with the store, keeps what is used when, and lets go of what is over, for as long as it is polled.
    pub async fn keep(&self) {
        tokio::join!(self.ledger.follow(), self.keep_uses(), self.prune());
    }

    /// What the configuration says.
    #[must_use]
    pub fn settings(&self) -> PeopleSettings {
        self.settings
    }

    /// Who sends a request: by its credentials; without any, somebody on this machine, or nobody that is known.
    ///
    /// # Errors
    /// [`Error::Unauthorized`], [`Error::SessionEnded`], [`Error::CsrfTokenMissing`] for credentials that are wrong, whatever the
    /// request may do without.
    pub async fn identify(&self, parts: &Parts) -> Result<Option<Identity>, Error> {
        if let Some(given) = parts.headers.get(header::AUTHORIZATION) {
            return self.by_authorization(given.as_bytes()).await.map(Some);
        }
        if let Some(id) = sessions::in_cookie(parts) {
            return self.by_session(&id, parts).await.map(Some);
        }
        Ok((self.settings.anonymous_reads && identity::is_local(parts)).then_some(Identity::LOCAL))
    }

    async fn by_authorization(&self, authorization: &[u8]) -> Result<Identity, Error> {
        let bearer =
            authorization.split_at_checked(7).filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"bearer "));
        match bearer {
            Some((_, given)) if self.admin_token.is(given) => Ok(Identity::ADMIN_TOKEN),
            Some((_, given)) if given.starts_with(TOKEN_PREFIX.as_bytes()) => self.by_token(given).await,
            _ => Err(Error::Unauthorized(
                "the token is wrong; the admin token is in `admin-token` in the state directory, and others begin with `slotway_`",
            )),
        }
    }
}

#[cfg(test)]
mod tests;
