//! The in-memory copy of users, tokens and sessions at one revision of the store.

use std::collections::HashMap;

use slotway_runtime::Moment;
use slotway_store::{
    Commit, Document, Documents, Kind, Listing, Replicated, StoreError, Turn, Versioned, Write,
};

use crate::{
    error::IdentityError,
    kinds::{SESSION, TOKEN, TOKEN_USE, USER},
    name::truncated,
    scope::Scope,
    session::Session,
    token::{TOKENS_MAX, Token},
    user::{USERS_MAX, User},
};

/// The key of the turn of users and tokens. It is part of the store's format.
const TURN: &str = "people";

/// Users, tokens and sessions at one revision of the store.
#[derive(Debug, Clone)]
pub(crate) struct IdentityState {
    revision: u64,
    turn: Turn,
    pub(crate) users: Documents<User>,
    tokens: Documents<Token>,
    /// Names of tokens by the hash of their secret. May have entries of deleted tokens until the next load.
    token_names: HashMap<String, String>,
    /// Times of the last use of tokens, by token name.
    pub(crate) token_uses: Documents<Moment>,
    /// By the hash of the session id.
    pub(crate) sessions: Documents<Session>,
    /// Times of uses in this process that are not stored yet.
    unstored_uses: UnstoredUses,
}

#[derive(Debug, Clone, Default)]
struct UnstoredUses {
    tokens: HashMap<String, Moment>,
    sessions: HashMap<String, Moment>,
}

impl IdentityState {
    /// Returns a state without users, tokens and sessions.
    pub(crate) fn empty() -> Self {
        Self {
            revision: 0,
            turn: Turn::new(TURN),
            users: Documents::new(USER),
            tokens: Documents::new(TOKEN),
            token_names: HashMap::new(),
            token_uses: Documents::new(TOKEN_USE),
            sessions: Documents::new(SESSION),
            unstored_uses: UnstoredUses::default(),
        }
    }

    /// Returns a user.
    ///
    /// # Errors
    /// [`IdentityError::UnknownUser`].
    pub(crate) fn user(&self, name: &str) -> Result<&Versioned<User>, IdentityError> {
        self.users.get(name).ok_or_else(|| IdentityError::UnknownUser { name: truncated(name) })
    }

    /// Returns whether any admin can sign in.
    pub(crate) fn has_enabled_admin(&self) -> bool {
        self.users.iter().any(|(_, user)| user.value.is_enabled_admin())
    }

    /// Deletes a user with their sessions and tokens.
    pub(crate) fn remove_user(&mut self, name: &str) {
        self.users.remove(name);
        self.sessions.retain(|_, session| session.value.user != name);
        let owned = self.tokens.iter().filter(|(_, token)| token.value.owner.as_deref() == Some(name));
        let owned: Vec<_> = owned.map(|(token, _)| token.to_owned()).collect();
        for token in owned {
            self.remove_token(&token);
        }
        self.unstored_uses.sessions.retain(|key, _| self.sessions.contains(key));
    }

    /// Returns the tokens.
    pub(crate) fn tokens(&self) -> &Documents<Token> {
        &self.tokens
    }

    /// Returns the token with this hash of its secret. The key is the hash of the sent value, so the time of the lookup reveals nothing
    /// about the secret.
    pub(crate) fn token_by_hash(&self, secret_hash: &str) -> Option<(&str, &Token)> {
        let name = self.token_names.get(secret_hash)?;
        let token = self.tokens.get(name).filter(|token| token.value.secret_hash == secret_hash)?;
        Some((name, &token.value))
    }

    /// Creates a token that has not been used.
    pub(crate) fn add_token(&mut self, name: &str, token: Token) {
        self.token_names.insert(token.secret_hash.clone(), name.to_owned());
        self.tokens.set(name, token);
        self.token_uses.remove(name);
        self.unstored_uses.tokens.remove(name);
    }

    /// Deletes a token.
    pub(crate) fn remove_token(&mut self, name: &str) {
        if let Some(token) = self.tokens.remove(name) {
            self.token_names.remove(&token.value.secret_hash);
        }
        self.token_uses.remove(name);
        self.unstored_uses.tokens.remove(name);
    }

    /// Returns the time of the last use of a token.
    pub(crate) fn token_used_at(&self, name: &str) -> Option<Moment> {
        let stored = self.token_uses.get(name).map(|used| used.value);
        stored.max(self.unstored_uses.tokens.get(name).copied())
    }

    /// Records a use of a token in memory.
    pub(crate) fn use_token(&mut self, name: &str, now: Moment) {
        self.unstored_uses.tokens.insert(name.to_owned(), now);
    }

    /// Returns a session with the time of its last use.
    pub(crate) fn session(&self, key: &str) -> Option<Session> {
        self.sessions.get(key).map(|session| self.with_last_use(key, &session.value))
    }

    /// Returns all sessions by key, with the times of their last use.
    pub(crate) fn sessions(&self) -> impl Iterator<Item = (&str, Session)> {
        self.sessions.iter().map(|(key, session)| (key, self.with_last_use(key, &session.value)))
    }

    /// Records a use of a session in memory.
    pub(crate) fn use_session(&mut self, key: &str, now: Moment) {
        self.unstored_uses.sessions.insert(key.to_owned(), now);
    }

    fn with_last_use(&self, key: &str, session: &Session) -> Session {
        let unstored = self.unstored_uses.sessions.get(key).copied();
        Session {
            seen_at: unstored.map_or(session.seen_at, |used| used.max(session.seen_at)),
            ..session.clone()
        }
    }

    /// Returns whether a session is valid at this time: it has not expired, and its user is enabled and has had no change that ends
    /// sessions.
    pub(crate) fn is_valid(&self, session: &Session, now: Moment) -> bool {
        let user = self.users.get(&session.user).map(|user| &user.value);
        now < session.ends_at() && user.is_some_and(|user| !user.disabled && user.epoch == session.epoch)
    }

    /// Returns the scope of a user; `None` if the user does not exist or is disabled.
    pub(crate) fn user_scope(&self, name: &str) -> Option<Scope> {
        let user = &self.users.get(name)?.value;
        (!user.disabled).then(|| user.role.scope())
    }

    /// Returns the scope of a token at this time, limited by the scope of its owner; `None` if the token is refused.
    pub(crate) fn token_scope(&self, token: &Token, now: Moment) -> Option<Scope> {
        if token.expires_at.is_some_and(|end| end <= now) {
            return None;
        }
        match &token.owner {
            None => Some(token.scope),
            Some(owner) => self.user_scope(owner).map(|owner_scope| owner_scope.min(token.scope)),
        }
    }

    fn take_over(
        &mut self,
        kind: Kind,
        key: &str,
        revision: u64,
        value: Option<&str>,
    ) -> Result<(), StoreError> {
        if self.tokens.take_over(kind, key, revision, value)? {
            if let Some(token) = self.tokens.get(key) {
                self.token_names.insert(token.value.secret_hash.clone(), key.to_owned());
            }
        } else if self.token_uses.take_over(kind, key, revision, value)? {
            self.unstored_uses.tokens.remove(key);
        } else if self.sessions.take_over(kind, key, revision, value)? {
            self.unstored_uses.sessions.remove(key);
        } else if !self.users.take_over(kind, key, revision, value)? {
            self.turn.take_over(kind, key, revision, value);
        }
        Ok(())
    }
}

impl Replicated for IdentityState {
    type Error = IdentityError;
    type Published = ();

    const NAME: &'static str = "users and tokens";
    const KINDS: &'static [Kind] = &[USER, TOKEN, TOKEN_USE, SESSION, Kind::FACT];

    fn revision(&self) -> u64 {
        self.revision
    }

    fn set_revision(&mut self, revision: u64) {
        self.revision = revision;
    }

    fn load(&mut self, listing: Listing) -> Result<(), StoreError> {
        *self = Self::empty();
        for Document { kind, key, revision, value } in listing.documents {
            self.take_over(kind, &key, revision, Some(&value))?;
        }
        Ok(())
    }

    fn apply(&mut self, commit: &Commit) -> Result<(), StoreError> {
        commit.changes.iter().try_for_each(|change| {
            self.take_over(change.kind, &change.key, commit.revision, change.value.as_deref())
        })
    }

    fn check(&self) -> Result<(), IdentityError> {
        for (number, max, what) in
            [(self.users.len(), USERS_MAX, "users"), (self.tokens.len(), TOKENS_MAX, "tokens")]
        {
            if number > max {
                let reason = format!("there are {max} {what}, which is the limit; delete one first");
                return Err(IdentityError::Conflict { field: None, reason });
            }
        }
        Ok(())
    }

    fn writes_to(&self, next: &Self) -> Result<Vec<Write>, IdentityError> {
        let mut writes = self.users.writes_to(&next.users)?;
        writes.extend(self.tokens.writes_to(&next.tokens)?);
        writes.extend(self.token_uses.writes_to(&next.token_uses)?);
        writes.extend(self.sessions.writes_to(&next.sessions)?);
        if !writes.is_empty() {
            writes.push(self.turn.write());
        }
        Ok(writes)
    }

    fn stamp(&mut self, before: &Self, revision: u64) {
        self.turn.stamp(revision);
        self.users.stamp(&before.users, revision);
        self.tokens.stamp(&before.tokens, revision);
        self.token_uses.stamp(&before.token_uses, revision);
        self.sessions.stamp(&before.sessions, revision);
    }

    fn publish(&self) {}
}

/// Returns the write of the turn that belongs to every change of the users and tokens of a listing.
///
/// # Errors
/// [`StoreError::Document`] if a document cannot be parsed.
pub fn guard_write(listing: Listing) -> Result<Write, StoreError> {
    let mut state = IdentityState::empty();
    state.load(listing)?;
    Ok(state.turn.write())
}
