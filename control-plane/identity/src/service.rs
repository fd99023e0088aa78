use std::sync::Arc;

use slotway_runtime::Clock;
use slotway_store::{Replica, Store, StoreError};

use crate::{
    admin_token::AdminToken, credentials::Credentials, error::IdentityError, identity::Identity,
    last_use::LastUses, lockout::Lockout, oidc::Oidc, password::PasswordHasher, session::SessionId,
    state::IdentityState, throttled_catch_up::ThrottledCatchUp, token::TOKEN_PREFIX,
};

/// Authenticates requests and manages users, sessions and tokens.
pub struct IdentityService {
    pub(crate) admin_token: Arc<AdminToken>,
    pub(crate) replica: Replica<IdentityState>,
    catch_up: ThrottledCatchUp,
    pub(crate) hasher: Arc<PasswordHasher>,
    pub(crate) lockout: Lockout,
    pub(crate) clock: Clock,
    pub(crate) oidc: Option<Oidc>,
    pub(crate) settings: IdentitySettings,
    pub(crate) last_uses: LastUses,
}

/// The settings of authentication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdentitySettings {
    /// Whether requests without credentials from this machine have the scope `read`.
    pub anonymous_reads: bool,
    /// Whether browsers reach the API over TLS alone, so that its cookies can be restricted to TLS.
    pub secure_cookies: bool,
}

impl Default for IdentitySettings {
    fn default() -> Self {
        Self { anonymous_reads: true, secure_cookies: false }
    }
}

impl std::fmt::Debug for IdentityService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IdentityService").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl IdentityService {
    /// Loads users, tokens and sessions from the store.
    ///
    /// # Errors
    /// [`IdentityError::Store`].
    pub async fn open(
        store: Arc<dyn Store>,
        admin_token: Arc<AdminToken>,
        settings: IdentitySettings,
        oidc: Option<Oidc>,
        clock: Clock,
    ) -> Result<Self, IdentityError> {
        Ok(Self {
            admin_token,
            replica: Replica::open(store, IdentityState::empty()).await?,
            catch_up: ThrottledCatchUp::default(),
            hasher: Arc::new(PasswordHasher::new()?),
            lockout: Lockout::default(),
            clock,
            oidc,
            settings,
            last_uses: LastUses::default(),
        })
    }

    /// Follows the store, stores times of last use and deletes ended sessions, for as long as it is polled.
    pub async fn run(&self) {
        tokio::join!(self.replica.follow(), self.store_last_uses(), self.prune());
    }

    /// Returns the settings.
    #[must_use]
    pub fn settings(&self) -> IdentitySettings {
        self.settings
    }

    /// Authenticates the sender of a request. Without credentials the answer is [`Identity::LOCAL`] for a local request, if the settings
    /// allow it, and `None` otherwise.
    ///
    /// # Errors
    /// [`IdentityError::InvalidCredentials`], [`IdentityError::SessionEnded`], [`IdentityError::CsrfTokenMissing`] for invalid
    /// credentials, even if the request needs none.
    pub async fn authenticate(
        &self,
        credentials: Credentials<'_>,
    ) -> Result<Option<Identity>, IdentityError> {
        if let Some(authorization) = credentials.authorization {
            return self.authenticate_bearer(authorization).await.map(Some);
        }
        if let Some(id) = credentials.session_id.and_then(SessionId::from_request) {
            return self.authenticate_session(&id, credentials).await.map(Some);
        }
        Ok((self.settings.anonymous_reads && credentials.is_local).then_some(Identity::LOCAL))
    }

    /// Changes users and tokens, or only checks the change, and returns the result of `make` and the state with the change.
    pub(crate) async fn change<R, E: From<IdentityError>>(
        &self,
        by: &Identity,
        dry_run: bool,
        make: impl Fn(&mut IdentityState) -> Result<R, E>,
    ) -> Result<(R, Arc<IdentityState>), E> {
        if dry_run {
            self.replica.try_out(make).await
        } else {
            self.replica.change(by.who.clone(), make).await
        }
    }

    /// Takes over the commits of other control planes, for a name that the state does not contain.
    pub(crate) async fn catch_up(&self) -> Result<(), StoreError> {
        self.catch_up.run(&self.replica).await
    }

    async fn authenticate_bearer(&self, authorization: &[u8]) -> Result<Identity, IdentityError> {
        let bearer =
            authorization.split_at_checked(7).filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"bearer "));
        match bearer {
            Some((_, given)) if self.admin_token.matches(given) => Ok(Identity::ADMIN_TOKEN),
            Some((_, given)) if given.starts_with(TOKEN_PREFIX.as_bytes()) => {
                self.authenticate_token(given).await
            }
            _ => Err(IdentityError::InvalidCredentials(
                "the token is wrong; the admin token is in `admin-token` in the state directory, all other tokens begin with \
                 `slotway_`",
            )),
        }
    }
}
