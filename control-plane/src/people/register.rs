//! All that is kept of people, in memory: what the store held at one revision.

use std::collections::{BTreeMap, HashMap};

use serde::de::DeserializeOwned;

use super::{Moment, Token, User, session::Session};
use crate::kinds;
use crate::{
    error::Error,
    store::{Commit, Document, Expected, Kind, Listing, StoreError, Write},
};

/// The kinds that are read.
pub(super) const KINDS: [Kind; 5] = [kinds::USER, kinds::TOKEN, kinds::TOKEN_USE, kinds::SESSION, Kind::FACT];
/// The fact that every change of users and tokens writes, so that of two control planes that change something at once one has to
/// look again.
const TURN: &str = "people";

/// A value, and the store's revision that wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kept<T> {
    pub(super) revision: u64,
    pub(super) value: T,
}

/// Users, tokens and sessions, as they were at one revision of the store.
#[derive(Debug, Default)]
pub(super) struct Register {
    /// The store's revision.
    pub(super) revision: u64,
    /// The revision of the [`TURN`]; 0 where there is none.
    pub(super) turn: u64,
    pub(super) users: BTreeMap<String, Kept<User>>,
    pub(super) tokens: BTreeMap<String, Kept<Token>>,
    /// The name of a token by the hash of its secret.
    by_hash: HashMap<String, String>,
    /// When tokens were used last.
    pub(super) uses: HashMap<String, Moment>,
    /// By the hash of their id.
    pub(super) sessions: HashMap<String, Kept<Session>>,
}

impl Register {
    /// What a listing of all [`KINDS`] holds.
    pub(super) fn of(listing: Listing) -> Result<Self, Error> {
        let mut register = Self { revision: listing.revision, ..Self::default() };
        for Document { kind, key, revision, value } in listing.documents {
            register.take(kind, key, revision, Some(&value))?;
        }
        Ok(register)
    }

    /// The write that goes with every change of users and tokens.
    pub(super) fn turn_write(&self) -> Write {
        Write::put(Kind::FACT, TURN, "{}", Expected::seen(self.turn))
    }

    /// Takes a commit in; one that is in already changes nothing.
    pub(super) fn apply(&mut self, commit: &Commit) -> Result<(), Error> {
        if commit.revision <= self.revision {
            return Ok(());
        }
        for change in &commit.changes {
            self.take(change.kind, change.key.clone(), commit.revision, change.value.as_deref())?;
        }
        self.revision = commit.revision;
        Ok(())
    }

    /// The token with this secret's hash. What is looked up is a hash of what was sent: how long that takes tells nothing of the secret.
    pub(super) fn token_of(&self, secret_hash: &str) -> Option<(&str, &Token)> {
        let name = self.by_hash.get(secret_hash)?;
        self.tokens.get(name).map(|token| (name.as_str(), &token.value))
    }

    /// The sessions of a person.
    pub(super) fn sessions_of<'a>(
        &'a self,
        user: &'a str,
    ) -> impl Iterator<Item = (&'a String, &'a Session)> {
        let all = self.sessions.iter().map(|(key, session)| (key, &session.value));
        all.filter(move |(_, session)| session.user == user)
    }

    /// Whether a session goes on at this time: its user is there, may come in, and is as they were when it began.
    pub(super) fn goes_on(&self, session: &Session, now: Moment) -> bool {
        let user = self.users.get(&session.user).map(|user| &user.value);
        now < session.ends_at() && user.is_some_and(|user| !user.disabled && user.epoch == session.epoch)
    }

    fn take(&mut self, kind: Kind, key: String, revision: u64, value: Option<&str>) -> Result<(), Error> {
        match kind {
            kinds::USER => put(&mut self.users, kind, key, revision, value),
            kinds::TOKEN => {
                if let Some(before) = self.tokens.get(&key) {
                    self.by_hash.remove(&before.value.secret_hash);
                }
                put(&mut self.tokens, kind, key.clone(), revision, value)?;
                if let Some(token) = self.tokens.get(&key) {
                    self.by_hash.insert(token.value.secret_hash.clone(), key);
                }
                Ok(())
            }
            kinds::TOKEN_USE => {
                match value {
                    Some(value) => drop(self.uses.insert(key.clone(), meaning(kind, &key, value)?)),
                    None => drop(self.uses.remove(&key)),
                }
                Ok(())
            }
            kinds::SESSION => {
                match value {
                    Some(value) => {
                        let value = meaning(kind, &key, value)?;
                        self.sessions.insert(key, Kept { revision, value });
                    }
                    None => drop(self.sessions.remove(&key)),
                }
                Ok(())
            }
            Kind::FACT if key == TURN => {
                self.turn = if value.is_some() { revision } else { 0 };
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// The write that goes with every change of the users and tokens of a listing.
///
/// # Errors
/// [`Error::Store`] for a document that cannot be read.
pub(crate) fn turn_write(listing: Listing) -> Result<Write, Error> {
    Register::of(listing).map(|register| register.turn_write())
}

fn put<T: DeserializeOwned>(
    all: &mut BTreeMap<String, Kept<T>>,
    kind: Kind,
    key: String,
    revision: u64,
    value: Option<&str>,
) -> Result<(), Error> {
    match value {
        Some(value) => {
            let value = meaning(kind, &key, value)?;
            all.insert(key, Kept { revision, value });
        }
        None => drop(all.remove(&key)),
    }
    Ok(())
}

fn meaning<T: DeserializeOwned>(kind: Kind, key: &str, value: &str) -> Result<T, Error> {
    serde_json::from_str(value).map_err(|error| {
        let (kind, key, reason) = (kind.as_str(), key.to_owned(), error.to_string());
        StoreError::Document { kind, key, reason }.into()
    })
}
