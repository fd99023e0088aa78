use std::{
    net::{IpAddr, Ipv4Addr},
    time::Instant,
};

use slotway_runtime::Moment;
use slotway_store::{Batch, Expected, Who, Write, to_json};
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
    state::IdentityState,
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
            let state = self.replica.current();
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
            let state = self.replica.current();
            // Another control plane may have deleted the user since.
            let user = &state.users.get(name).ok_or(IdentityError::WrongPassword)?.value;
            let session =
                Session { user: name.to_owned(), epoch: user.epoch.clone(), began_at: now, seen_at: now };
            let surplus = surplus_sessions(&state, name).into_iter();
            let mut writes: Vec<_> =
                surplus.map(|key| Write::delete(SESSION, key, Expected::Anything)).collect();
            let key = id.key();
            let value = to_json(SESSION, &key, &session)?;
            writes.push(Write::put(SESSION, key, value, Expected::Absent));
            (writes, user.role, session.ends_at())
        };
        self.replica.commit(Batch { who: Who::named(name), writes }).await?;
        Ok(ActiveSession { user: name.to_owned(), role, id, ends_at })
    }

    /// Returns the session of an identity.
    #[must_use]
    pub fn session_of(&self, identity: &Identity) -> Option<ActiveSession> {
        let (name, id) = identity.require_session().ok()?;
        let state = self.replica.current();
        let (session, user) = (state.session(&id.key())?, state.users.get(name)?);
        let ends_at = session.ends_at();
        Some(ActiveSession { user: name.to_owned(), role: user.value.role, id: id.clone(), ends_at })
    }

    /// Ends the session of an identity.
    ///
    /// # Errors
    /// [`IdentityError::NeedsSession`], [`IdentityError::Store`].
    pub async fn sign_out(&self, identity: &Identity) -> Result<(), IdentityError> {
        let (_, id) = identity.require_session()?;
        let writes = vec![Write::delete(SESSION, id.key(), Expected::Anything)];
        self.replica.commit(Batch { who: identity.who.clone(), writes }).await?;
        Ok(())
    }

    /// Authenticates a request with a session. A request that may change something needs the CSRF token, too: a page of another site can
    /// make a browser send the cookie, but cannot read the token.
    pub(crate) async fn authenticate_session(
        &self,
        id: &SessionId,
        credentials: Credentials<'_>,
    ) -> Result<Identity, IdentityError> {
        let key = id.key();
        if !self.replica.current().sessions.contains(&key) {
            self.catch_up().await?;
        }
        let now = self.clock.now();
        let (user, scope, is_use_outdated) = {
            let state = self.replica.current();
            let session = state.session(&key).filter(|session| state.is_valid(session, now));
            let session = session.ok_or(IdentityError::SessionEnded)?;
            let scope = state.user_scope(&session.user).ok_or(IdentityError::SessionEnded)?;
            (session.user, scope, now.since(session.seen_at) >= USE_RESOLUTION)
        };
        if credentials.may_change {
            let given = credentials.csrf_token.unwrap_or_default();
            if !bool::from(given.ct_eq(id.csrf_token().as_bytes())) {
                return Err(IdentityError::CsrfTokenMissing);
            }
        }
        if is_use_outdated {
            self.replica.amend(|state| state.use_session(&key, now));
            self.last_uses.record(UsedCredential::Session(key));
        }
        let method = AuthenticationMethod::Session { user: user.clone(), id: id.clone() };
        Ok(Identity { who: Who::named(&user), scope, method })
    }
}

/// Returns the keys of the least recently used sessions that one more session of this user ends. Two control planes that create a session
/// at the same time may exceed the bound by one, until the next sign-in.
fn surplus_sessions(state: &IdentityState, name: &str) -> Vec<String> {
    let mut sessions: Vec<_> =
        state.sessions().map(|(key, session)| (session.seen_at, key, session.user == name)).collect();
    sessions.sort();
    let number_of_user = sessions.iter().filter(|(.., is_of_user)| *is_of_user).count();
    let mut surplus_of_user = (number_of_user + 1).saturating_sub(SESSIONS_PER_USER_MAX);
    let surplus = (sessions.len() + 1).saturating_sub(SESSIONS_MAX);
    let mut ended = Vec::new();
    for (position, (_, key, is_of_user)) in sessions.into_iter().enumerate() {
        let is_surplus_of_user = is_of_user && surplus_of_user > 0;
        surplus_of_user -= usize::from(is_surplus_of_user);
        if position < surplus || is_surplus_of_user {
            ended.push(key.to_owned());
        }
    }
    ended
}
