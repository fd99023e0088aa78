//! The in-memory copy of users, tokens and sessions at one revision of the store.

use std::collections::{BTreeMap, HashMap};

use serde::{Serialize, de::DeserializeOwned};
use slotway_runtime::{Moment, RuntimeError};
use slotway_store::{Commit, Document, Expected, Kind, Listing, StoreError, Write};

use crate::{
    error::IdentityError,
    kinds::{SESSION, TOKEN, TOKEN_USE, USER},
    scope::Scope,
    session::Session,
    token::Token,
    user::User,
};

/// The kinds to read.
pub(crate) const READ_KINDS: [Kind; 5] = [USER, TOKEN, TOKEN_USE, SESSION, Kind::FACT];
/// The key of the fact that every change of users and tokens writes with its last seen revision. Two control planes that change users
/// or tokens at the same time so conflict, and one retries.
const GUARD: &str = "people";

/// A value with the store's revision that wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Versioned<T> {
    pub(crate) revision: u64,
    pub(crate) value: T,
}

/// Users, tokens and sessions at one revision of the store.
#[derive(Debug, Default)]
pub(crate) struct IdentityState {
    /// The store's revision.
    pub(crate) revision: u64,
    /// The revision of the [`GUARD`] fact; 0 if it does not exist.
    pub(crate) guard: u64,
    pub(crate) users: BTreeMap<String, Versioned<User>>,
    pub(crate) tokens: BTreeMap<String, Versioned<Token>>,
    /// Names of tokens by the hash of their secret.
    token_names: HashMap<String, String>,
    /// Times of the last use of tokens, by token name.
    pub(crate) token_uses: HashMap<String, Moment>,
    /// By the hash of the session id.
    pub(crate) sessions: HashMap<String, Versioned<Session>>,
}

impl IdentityState {
    /// Builds the state from a listing of [`READ_KINDS`].
    pub(crate) fn of(listing: Listing) -> Result<Self, StoreError> {
        let mut state = Self { revision: listing.revision, ..Self::default() };
        for Document { kind, key, revision, value } in listing.documents {
            state.set(kind, key, revision, Some(&value))?;
        }
        Ok(state)
    }

    /// Returns the write of the guard that belongs to every change of users and tokens.
    pub(crate) fn guard_write(&self) -> Write {
        Write::put(Kind::FACT, GUARD, "{}", Expected::seen(self.guard))
    }

    /// Applies a commit. A commit that is already applied changes nothing.
    pub(crate) fn apply(&mut self, commit: &Commit) -> Result<(), StoreError> {
        if commit.revision <= self.revision {
            return Ok(());
        }
        for change in &commit.changes {
            self.set(change.kind, change.key.clone(), commit.revision, change.value.as_deref())?;
        }
        self.revision = commit.revision;
        Ok(())
    }

    /// Returns the token with this hash of its secret. The key is the hash of the sent value, so the time of the lookup reveals nothing
    /// about the secret.
    pub(crate) fn token_by_hash(&self, secret_hash: &str) -> Option<(&str, &Token)> {
        let name = self.token_names.get(secret_hash)?;
        self.tokens.get(name).map(|token| (name.as_str(), &token.value))
    }

    /// Returns the sessions of a user, by key.
    pub(crate) fn sessions_of<'a>(
        &'a self,
        user: &'a str,
    ) -> impl Iterator<Item = (&'a String, &'a Session)> {
        let all = self.sessions.iter().map(|(key, session)| (key, &session.value));
        all.filter(move |(_, session)| session.user == user)
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

    fn set(&mut self, kind: Kind, key: String, revision: u64, value: Option<&str>) -> Result<(), StoreError> {
        match kind {
            USER => set_versioned(&mut self.users, kind, key, revision, value),
            TOKEN => {
                if let Some(before) = self.tokens.get(&key) {
                    self.token_names.remove(&before.value.secret_hash);
                }
                set_versioned(&mut self.tokens, kind, key.clone(), revision, value)?;
                if let Some(token) = self.tokens.get(&key) {
                    self.token_names.insert(token.value.secret_hash.clone(), key);
                }
                Ok(())
            }
            TOKEN_USE => {
                match value {
                    Some(value) => drop(self.token_uses.insert(key.clone(), parse(kind, &key, value)?)),
                    None => drop(self.token_uses.remove(&key)),
                }
                Ok(())
            }
            SESSION => {
                match value {
                    Some(value) => {
                        let value = parse(kind, &key, value)?;
                        self.sessions.insert(key, Versioned { revision, value });
                    }
                    None => drop(self.sessions.remove(&key)),
                }
                Ok(())
            }
            Kind::FACT if key == GUARD => {
                self.guard = if value.is_some() { revision } else { 0 };
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// Returns the write of the guard that belongs to every change of the users and tokens of a listing.
///
/// # Errors
/// [`StoreError::Document`] if a document cannot be parsed.
pub fn guard_write(listing: Listing) -> Result<Write, StoreError> {
    IdentityState::of(listing).map(|state| state.guard_write())
}

/// Returns the write that creates or replaces a document.
pub(crate) fn put(
    kind: Kind,
    key: impl Into<String>,
    value: &impl Serialize,
    expected: Expected,
) -> Result<Write, IdentityError> {
    let value = serde_json::to_string(value)
        .map_err(|error| RuntimeError::system("serializing a document", error))?;
    Ok(Write::put(kind, key, value, expected))
}

fn set_versioned<T: DeserializeOwned>(
    all: &mut BTreeMap<String, Versioned<T>>,
    kind: Kind,
    key: String,
    revision: u64,
    value: Option<&str>,
) -> Result<(), StoreError> {
    match value {
        Some(value) => {
            let value = parse(kind, &key, value)?;
            all.insert(key, Versioned { revision, value });
        }
        None => drop(all.remove(&key)),
    }
    Ok(())
}

fn parse<T: DeserializeOwned>(kind: Kind, key: &str, value: &str) -> Result<T, StoreError> {
    serde_json::from_str(value).map_err(|error| {
        let (kind, key, reason) = (kind.as_str(), key.to_owned(), error.to_string());
        StoreError::Document { kind, key, reason }
    })
}
