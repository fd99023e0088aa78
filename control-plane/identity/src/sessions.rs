use std::{
    net::{IpAddr, Ipv4Addr},
    time::Instant,
};

use slotway_runtime::Moment;
use slotway_store::{Batch, Expected, Who, Write};
use subtle::ConstantTimeEq;

use crate::{
    credentials::Credentials,
    error::IdentityError,
    identity::{AuthenticationMethod, Identity},
    kinds::SESSION,
    last_use::UsedCredential,
    name::Name,
    password::Password,
    service::IdentityService,
    session::{SESSIONS_MAX, SESSIONS_PER_USER_MAX, Session, SessionId, USE_RESOLUTION},
    state::{IdentityState, put},
    user::Role,
};

/// A session, for its user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveSession {
    /// The name of the user.
    pub user: String,
    /// The user's role.
    pub role: Role,
    /// The secret of the session.
    pub id: SessionId,
    /// The time at which the session ends without further use.
    pub ends_at: Moment,
}

impl IdentityService {
    /// Signs a user in by name and password. `peer` is the address of the client.
    ///
    /// # Errors
    /// [`IdentityError::WrongPassword`] whether the name or the password is wrong, [`IdentityError::TooManyFailures`],
    /// [`IdentityError::SignInsBusy`], [`IdentityError::Store`].
    pub async fn sign_in(
        &self,
        peer: Option<IpAddr>,
        name: &str,
        password: Password,
    ) -> Result<ActiveSession, IdentityError> {
        // An invalid name belongs to no user. Its check takes as long as any other.
        let name = name.parse::<Name>().map_or_else(|_| String::new(), |name| name.to_string());
        self.ensure_user_is_read(&name).await?;
        self.check_password(&name, password, peer).await?;
        self.begin_session(&name).await
    }

    /// Checks the password of a user, and counts a failure.
    pub(crate) async fn check_password(
        &self,
        name: &str,
        password: Password,
        peer: Option<IpAddr>,
    ) -> Result<(), IdentityError> {
        let peer = peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let attempt = self.lockout.begin(name, peer, Instant::now())?;
        let hash = {
            let state = self.replica.read();
            let user = state.users.get(name).map(|user| &user.value).filter(|user| !user.disabled);
            user.and_then(|user| user.password_hash.clone())
        };
        match self.hasher.verify(password, hash).await {
            Ok(true) => {
                attempt.succeeded();
                Ok(())
            }
            Ok(false) => Err(IdentityError::WrongPassword),
            Err(error) => {
                attempt.undecided();
                Err(error)
            }
        }
    }

    /// Creates a session of a user who has been authenticated.
    pub(crate) async fn begin_session(&self, name: &str) -> Result<ActiveSession, IdentityError> {
        let (id, now) = (SessionId::generate()?, self.clock.now());
        let (writes, role, ends_at) = {
            let state = self.replica.read();
            // Another control plane may have deleted the user since.
            let user = &state.users.get(name).ok_or(IdentityError::WrongPassword)?.value;
            let session =
                Session { user: name.to_owned(), epoch: user.epoch.clone(), began_at: now, seen_at: now };
            let surplus = surplus_sessions(&state, name).into_iter();
            let mut writes: Vec<_> =
                surplus.map(|key| Write::delete(SESSION, key, Expected::Anything)).collect();
            writes.push(put(SESSION, id.key(), &session, Expected::Absent)?);
            (writes, user.role, session.ends_at())
        };
        self.replica.commit(Batch { who: Who::named(name), writes }).await?;
        Ok(ActiveSession { user: name.to_owned(), role, id, ends_at })
    }

    /// Returns the session of an identity.
    #[must_use]
    pub fn session_of(&self, identity: &Identity) -> Option<ActiveSession> {
        let (name, id) = identity.require_session().ok()?;
        let state = self.replica.read();
        let (session, user) = (state.sessions.get(&id.key())?, state.users.get(name)?);
        let ends_at = session.value.ends_at();
        Some(ActiveSession { user: name.to_owned(), role: user.value.role, id: id.clone(), ends_at })
    }

    /// Ends the session of an identity.
    ///
    /// # Errors
    /// [`IdentityError::NeedsSession`], [`IdentityError::Store`].
    pub async fn sign_out(&self, identity: &Identity) -> Result<(), IdentityError> {
        let (_, id) = identity.require_session()?;
        let writes = vec![Write::delete(SESSION, id.key(), Expected::Anything)];
        self.replica.commit(Batch { who: identity.who.clone(), writes }).await
    }

    /// Authenticates a request with a session. A request that may change something needs the CSRF token, too: a page of another site can
    /// make a browser send the cookie, but cannot read the token.
    pub(crate) async fn authenticate_session(
        &self,
        id: &SessionId,
        credentials: Credentials<'_>,
    ) -> Result<Identity, IdentityError> {
        let key = id.key();
        if !self.replica.read().sessions.contains_key(&key) {
            self.replica.catch_up_throttled().await?;
        }
        let now = self.clock.now();
        let (user, scope, is_use_outdated) = {
            let state = self.replica.read();
            let session = state.sessions.get(&key).map(|session| &session.value);
            let session =
                session.filter(|session| state.is_valid(session, now)).ok_or(IdentityError::SessionEnded)?;
            let scope = state.user_scope(&session.user).ok_or(IdentityError::SessionEnded)?;
            (session.user.clone(), scope, now.since(session.seen_at) >= USE_RESOLUTION)
        };
        if credentials.may_change {
            let given = credentials.csrf_token.unwrap_or_default();
            if !bool::from(given.ct_eq(id.csrf_token().as_bytes())) {
                return Err(IdentityError::CsrfTokenMissing);
            }
        }
        if is_use_outdated {
            if let Some(session) = self.replica.write().sessions.get_mut(&key) {
                session.value.seen_at = now;
            }
            self.last_uses.record(UsedCredential::Session(key));
        }
        let method = AuthenticationMethod::Session { user: user.clone(), id: id.clone() };
        Ok(Identity { who: Who::named(&user), scope, method })
    }

    /// Returns whether an identity still has its scope: a session or token may have ended since, or a user may have another role.
    #[must_use]
    pub fn is_still_valid(&self, identity: &Identity) -> bool {
        let (state, now) = (self.replica.read(), self.clock.now());
        match &identity.method {
            AuthenticationMethod::Local | AuthenticationMethod::AdminToken => true,
            AuthenticationMethod::Session { user, id } => {
                let session = state.sessions.get(&id.key());
                session.is_some_and(|session| state.is_valid(&session.value, now))
                    && state.user_scope(user) == Some(identity.scope)
            }
            AuthenticationMethod::Token { name, .. } => {
                let token = state.tokens.get(name).map(|token| &token.value);
                token.and_then(|token| state.token_scope(token, now)) >= Some(identity.scope)
            }
        }
    }
}

/// Returns the keys of the least recently used sessions that one more session of this user ends. Two control planes that create a session
/// at the same time may exceed the bound by one, until the next sign-in.
fn surplus_sessions(state: &IdentityState, name: &str) -> Vec<String> {
    let oldest = |sessions: Vec<(&String, &Session)>, max: usize| {
        let mut sessions: Vec<_> =
            sessions.into_iter().map(|(key, session)| (session.seen_at, key)).collect();
        sessions.sort();
        let surplus = (sessions.len() + 1).saturating_sub(max);
        sessions.into_iter().take(surplus).map(|(_, key)| key.clone()).collect::<Vec<_>>()
    };
    let of_all = state.sessions.iter().map(|(key, session)| (key, &session.value)).collect();
    let mut surplus = oldest(state.sessions_of(name).collect(), SESSIONS_PER_USER_MAX);
    surplus.extend(oldest(of_all, SESSIONS_MAX));
    surplus.sort();
    surplus.dedup();
    surplus
}
