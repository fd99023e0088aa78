use std::{
    net::{IpAddr, Ipv4Addr},
    time::{Duration, Instant},
};

use axum::http::{header, request::Parts};
use subtle::ConstantTimeEq;

use super::{
    CSRF_HEADER, Identity, Means, Moment, Name, Password, People, Role, SESSION_COOKIE, SESSIONS_MAX,
    SESSIONS_PER_USER_MAX, SessionId,
    identity::peer,
    ledger::put,
    register::Register,
    session::{SEEN_EVERY, Session},
    users::scope_of,
};
use crate::kinds;
use crate::{
    error::Error,
    store::{Batch, Expected, StoreError, Who, Write},
};

/// How often what is over is looked for.
const PRUNE_EVERY: Duration = Duration::from_secs(60);
/// Most of it that goes in one commit.
const PRUNED_AT_ONCE_MAX: usize = 1_000;
/// Longest id of a session that is looked at, in bytes.
const ID_BYTES_MAX: usize = 128;

/// Somebody who has signed in just now, or who has a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// Who.
    pub user: String,
    /// Their role.
    pub role: Role,
    /// Their session.
    pub id: SessionId,
    /// When it ends if it is not used again.
    pub ends_at: Moment,
}

/// What was used just now.
#[derive(Debug)]
pub(super) enum Used {
    /// A session, by its key.
    Session(String),
    /// A token, by its name.
    Token(String),
}

impl People {
    /// Lets a person in by name and password.
    ///
    /// # Errors
    /// [`Error::WrongPassword`] whatever of the two is wrong, [`Error::TooManyFailures`], [`Error::SignInsBusy`], [`Error::Store`].
    pub async fn sign_in(&self, parts: &Parts, name: &str, password: Password) -> Result<Signed, Error> {
        // What is no name is nobody's, and takes as long.
        let name = name.parse::<Name>().map_or_else(|_| String::new(), |name| name.to_string());
        self.user_that_may_be_new(&name).await?;
        self.has_password(&name, password, peer(parts)).await?;
        self.begin_session(&name).await
    }

    /// Looks whether this is a person's password, and counts it if not.
    pub(super) async fn has_password(
        &self,
        name: &str,
        password: Password,
        peer: Option<IpAddr>,
    ) -> Result<(), Error> {
        let peer = peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let attempt = self.lockout.begin(name, peer, Instant::now())?;
        let hash = {
            let register = self.ledger.read();
            let user = register.users.get(name).map(|kept| &kept.value).filter(|user| !user.disabled);
            user.and_then(|user| user.password_hash.clone())
        };
        match self.hasher.is(password, hash).await {
            Ok(true) => {
                attempt.succeeded();
                Ok(())
            }
            Ok(false) => Err(Error::WrongPassword),
            Err(error) => {
                attempt.undecided();
                Err(error)
            }
        }
    }

    /// Begins a session of a person who has shown that it is them.
    pub(super) async fn begin_session(&self, name: &str) -> Result<Signed, Error> {
        let (id, now) = (SessionId::made_up()?, self.clock.now());
        let (write, surplus, role, ends_at) = {
            let register = self.ledger.read();
            // Another control plane may have taken them away just now.
            let user = register.users.get(name).ok_or(Error::WrongPassword)?;
            let (user, epoch) = (name.to_owned(), user.value.epoch.clone());
            let session = Session { user, epoch, began_at: now, seen_at: now };
            let role = register.users.get(name).map_or(Role::Viewer, |user| user.value.role);
            let write = put(kinds::SESSION, id.key(), &session, Expected::Absent)?;
            (write, surplus(&register, name), role, session.ends_at())
        };
        let gone = surplus.into_iter().map(|key| Write::delete(kinds::SESSION, key, Expected::Anything));
        let writes = gone.chain([write]).collect();
        self.ledger.commit(Batch { who: Who::named(name), writes }).await?;
        Ok(Signed { user: name.to_owned(), role, id, ends_at })
    }

    /// The session of whoever asks with one.
    #[must_use]
    pub fn session_of(&self, identity: &Identity) -> Option<Signed> {
        let Means::Session { user, id } = &identity.means else { return None };
        let register = self.ledger.read();
        let (session, user) = (register.sessions.get(&id.key())?, register.users.get_key_value(user)?);
        let ends_at = session.value.ends_at();
        Some(Signed { user: user.0.clone(), role: user.1.value.role, id: id.clone(), ends_at })
    }

    /// Ends the session of whoever asks with one.
    ///
    /// # Errors
    /// [`Error::NeedsSession`], [`Error::Store`].
    pub async fn sign_out(&self, identity: &Identity) -> Result<(), Error> {
        let Means::Session { id, .. } = &identity.means else {
            return Err(Error::NeedsSession { who: identity.who.as_str().to_owned() });
        };
        let writes = vec![Write::delete(kinds::SESSION, id.key(), Expected::Anything)];
        self.ledger.commit(Batch { who: identity.who.clone(), writes }).await
    }

    /// Whose session a request comes with. One that may change something needs the token against forged requests, too: a page of another
    /// site can make a browser send the cookie, and cannot read the token.
    pub(super) async fn by_session(&self, id: &SessionId, parts: &Parts) -> Result<Identity, Error> {
        let key = id.key();
        if !self.ledger.read().sessions.contains_key(&key) {
            self.ledger.catch_up().await?;
        }
        let now = self.clock.now();
        let (user, scope, is_old) = {
            let register = self.ledger.read();
            let session = register.sessions.get(&key).map(|kept| &kept.value);
            let session =
                session.filter(|session| register.goes_on(session, now)).ok_or(Error::SessionEnded)?;
            let scope = scope_of(&register, &session.user).ok_or(Error::SessionEnded)?;
            (session.user.clone(), scope, now.since(session.seen_at) >= SEEN_EVERY)
        };
        if !parts.method.is_safe() {
            let given = parts.headers.get(CSRF_HEADER).map(|token| token.as_bytes()).unwrap_or_default();
            if !bool::from(given.ct_eq(id.csrf_token().as_bytes())) {
                return Err(Error::CsrfTokenMissing);
            }
        }
        if is_old {
            if let Some(session) = self.ledger.write().sessions.get_mut(&key) {
                session.value.seen_at = now;
            }
            // Where too many wait already, a use is kept with the next one.
            let _ = self.used.try_send(Used::Session(key));
        }
        let means = Means::Session { user: user.clone(), id: id.clone() };
        Ok(Identity { who: Who::named(&user), scope, means })
    }

    /// Whether who asked so may still: a session or a token may have ended since, or a person's role may be another one.
    #[must_use]
    pub fn still(&self, identity: &Identity) -> bool {
        let (register, now) = (self.ledger.read(), self.clock.now());
        match &identity.means {
            Means::Local | Means::AdminToken => true,
            Means::Session { user, id } => {
                let session = register.sessions.get(&id.key());
                session.is_some_and(|session| register.goes_on(&session.value, now))
                    && scope_of(&register, user) == Some(identity.scope)
            }
            Means::Token { .. } => {
                let name = identity.who.as_str().strip_prefix("token ").unwrap_or_default();
                let token = register.tokens.get(name).map(|kept| &kept.value);
                token.and_then(|token| super::tokens::scope_at(&register, token, now)) >= Some(identity.scope)
            }
        }
    }

    /// Keeps what was used when.
    pub(super) async fn keep_uses(&self) {
        let mut uses = self.uses.lock().await;
        while let Some(used) = uses.recv().await {
            let now = self.clock.now();
            let write = match &used {
                Used::Session(key) => {
                    let kept = self.ledger.read().sessions.get(key).cloned();
                    let Some(kept) = kept else { continue };
                    let session = Session { seen_at: now, ..kept.value };
                    // One that has ended meanwhile stays so.
                    put(kinds::SESSION, key, &session, Expected::Revision(kept.revision))
                }
                Used::Token(name) => put(kinds::TOKEN_USE, name, &now, Expected::Anything),
            };
            let Ok(write) = write else { continue };
            match self.ledger.commit(Batch { who: Who::SYSTEM, writes: vec![write] }).await {
                // Another control plane has kept a use of its own.
                Ok(()) | Err(Error::Store(StoreError::Conflict { .. })) => {}
                Err(error) => tracing::debug!("when a session or token was used last is not kept: {error}"),
            }
        }
    }

    /// Lets go of what is over. Every control plane does: to remove what another has removed changes nothing.
    pub(super) async fn prune(&self) {
        let mut tick = tokio::time::interval(PRUNE_EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            if let Err(error) = self.prune_now().await {
                tracing::debug!("sessions that have ended are not let go of: {error}");
            }
        }
    }

    pub(super) async fn prune_now(&self) -> Result<(), Error> {
        let writes: Vec<_> = {
            let (register, now) = (self.ledger.read(), self.clock.now());
            let over = register.sessions.iter().filter(|(_, kept)| !register.goes_on(&kept.value, now));
            let sessions = over.map(|(key, _)| (kinds::SESSION, key));
            let uses = register.uses.keys().filter(|name| !register.tokens.contains_key(*name));
            let all = sessions.chain(uses.map(|name| (kinds::TOKEN_USE, name))).take(PRUNED_AT_ONCE_MAX);
            all.map(|(kind, key)| Write::delete(kind, key, Expected::Anything)).collect()
        };
        if writes.is_empty() {
            return Ok(());
        }
        self.ledger.commit(Batch { who: Who::SYSTEM, writes }).await
    }
}

/// The sessions that end because this person begins one more: those that were not used for longest. Two control planes that begin one at
/// the same moment may leave one too many, until the next.
fn surplus(register: &Register, name: &str) -> Vec<String> {
    let oldest = |sessions: Vec<(&String, &Session)>, most: usize| {
        let mut sessions: Vec<_> =
            sessions.into_iter().map(|(key, session)| (session.seen_at, key)).collect();
        sessions.sort();
        let surplus = (sessions.len() + 1).saturating_sub(most);
        sessions.into_iter().take(surplus).map(|(_, key)| key.clone()).collect::<Vec<_>>()
    };
    let of_all = register.sessions.iter().map(|(key, kept)| (key, &kept.value)).collect();
    let mut gone = oldest(register.sessions_of(name).collect(), SESSIONS_PER_USER_MAX);
    gone.extend(oldest(of_all, SESSIONS_MAX));
    gone.sort();
    gone.dedup();
    gone
}

/// The id that a request's cookies have (RFC 6265).
pub(super) fn in_cookie(parts: &Parts) -> Option<SessionId> {
    cookie_of(parts, SESSION_COOKIE).filter(|id| id.len() <= ID_BYTES_MAX).map(|id| SessionId::given(&id))
}

/// The value of a request's cookie; the first one of that name, an empty one is none.
pub(super) fn cookie_of(parts: &Parts, wanted: &str) -> Option<String> {
    let headers = parts.headers.get_all(header::COOKIE).iter().filter_map(|header| header.to_str().ok());
    let mut pairs =
        headers.flat_map(|header| header.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let (_, value) = pairs.find(|(name, _)| *name == wanted)?;
    (!value.is_empty()).then(|| value.to_owned())
}
