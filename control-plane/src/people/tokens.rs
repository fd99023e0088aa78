use super::{
    Identity, Means, Moment, Name, People, Scope, TOKEN_PREFIX, TOKENS_MAX, Token, TokenWanted,
    ledger::put,
    register::{Kept, Register},
    secret,
    sessions::Used,
    token::USED_EVERY,
    users::{Check, scope_of, shortened},
};
use crate::kinds;
use crate::{
    error::Error,
    store::{Expected, Who, Write},
};

/// A token, for whoever looks.
#[derive(Debug, Clone)]
pub struct ShownToken {
    /// The name.
    pub name: String,
    /// The store's revision that wrote it.
    pub revision: u64,
    /// What is kept of it.
    pub token: Token,
    /// When it was used last, to within a minute.
    pub last_used_at: Option<Moment>,
    /// Whether it is refused: it has expired, or whose it is may not come in.
    pub refused: bool,
}

/// A token that was just made.
#[derive(Clone)]
pub struct NewToken {
    /// What everybody may see of it.
    pub shown: ShownToken,
    /// What is sent as `Authorization: Bearer`; it is told this once.
    pub secret: String,
}

impl std::fmt::Debug for NewToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewToken").field("shown", &self.shown).finish_non_exhaustive()
    }
}

impl People {
    /// The tokens that somebody may see, by name, and the store's revision: an admin sees all, a person their own.
    #[must_use]
    pub fn tokens(&self, by: &Identity) -> (u64, Vec<ShownToken>) {
        let (now, register) = (self.clock.now(), self.ledger.read());
        let may_see = register.tokens.iter().filter(|(_, kept)| may_see(by, &kept.value));
        let shown = may_see.map(|(name, kept)| shown(&register, name, kept, now)).collect();
        (register.revision, shown)
    }

    /// A token that somebody may see.
    ///
    /// # Errors
    /// [`Error::UnknownToken`].
    pub fn token(&self, by: &Identity, name: &str) -> Result<ShownToken, Error> {
        let (now, register) = (self.clock.now(), self.ledger.read());
        let kept = register.tokens.get_key_value(name).filter(|(_, kept)| may_see(by, &kept.value));
        let (name, kept) = kept.ok_or_else(|| Error::UnknownToken { name: shortened(name) })?;
        Ok(shown(&register, name, kept, now))
    }

    /// Makes a token of somebody's, which may no more than they.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for more than that, [`Error::Conflict`] where there is one of that name or too many, [`Error::Busy`],
    /// [`Error::Store`].
    pub async fn make_token(
        &self,
        by: &Identity,
        name: &Name,
        wanted: &TokenWanted,
        dry_run: bool,
    ) -> Result<NewToken, Error> {
        if wanted.scope > by.scope {
            let (who, has) = (by.who.as_str().to_owned(), by.scope.as_str());
            return Err(Error::Forbidden { who, has, needs: wanted.scope.as_str() });
        }
        let secret = format!("{TOKEN_PREFIX}{}", secret::made_up()?);
        let now = self.clock.now();
        let mut expires_at = wanted.expires_in.map(|lifetime| now.after(lifetime));
        if matches!(by.means, Means::Token { .. }) {
            // A token that makes others must not outlive itself in them.
            let maker = self.token(by, by.who.as_str().strip_prefix("token ").unwrap_or_default())?;
            expires_at = match (expires_at, maker.token.expires_at) {
                (Some(wanted), Some(makers)) => Some(wanted.min(makers)),
                (wanted, makers) => wanted.or(makers),
            };
        }
        let token = Token {
            scope: wanted.scope,
            secret_hash: secret::hashed(&secret),
            created_at: now,
            created_by: by.who.as_str().to_owned(),
            owner: by.user().map(str::to_owned),
            expires_at,
        };
        let make = self.ledger.change(by.who.clone(), |register| {
            let conflict = |field, reason| Err(Error::Conflict { index: None, field, reason });
            if register.tokens.contains_key(name.as_str()) {
                let reason =
                    format!("there is a token {name} already; delete it first, or choose another name");
                return conflict(Some("metadata.name"), reason);
            }
            if register.tokens.len() >= TOKENS_MAX {
                let reason = format!("there are {TOKENS_MAX} tokens already, and that is the most");
                return conflict(None, reason);
            }
            let writes = vec![
                put(kinds::TOKEN, name.as_str(), &token, Expected::Absent)?,
                Write::delete(kinds::TOKEN_USE, name.as_str(), Expected::Anything),
            ];
            Ok((if dry_run { Vec::new() } else { writes }, ()))
        });
        make.await?;
        let name = name.to_string();
        let would_be =
            || ShownToken { name: name.clone(), revision: 0, token, last_used_at: None, refused: false };
        let shown = if dry_run { would_be() } else { self.token(by, &name)? };
        Ok(NewToken { shown, secret })
    }

    /// Deletes a token that somebody may see: it is refused from now on. Says what it was.
    ///
    /// # Errors
    /// [`Error::UnknownToken`], what `check` says, [`Error::Busy`], [`Error::Store`].
    pub async fn remove_token(
        &self,
        by: &Identity,
        name: &str,
        check: Check<'_>,
        dry_run: bool,
    ) -> Result<ShownToken, Error> {
        let now = self.clock.now();
        let remove = self.ledger.change(by.who.clone(), |register| {
            let kept = register.tokens.get(name).filter(|kept| may_see(by, &kept.value));
            let kept = kept.ok_or_else(|| Error::UnknownToken { name: shortened(name) })?;
            check(Some(kept.revision))?;
            let writes = vec![
                Write::delete(kinds::TOKEN, name, Expected::Revision(kept.revision)),
                Write::delete(kinds::TOKEN_USE, name, Expected::Anything),
            ];
            let was = shown(register, name, kept, now);
            Ok((if dry_run { Vec::new() } else { writes }, was))
        });
        remove.await
    }

    /// Whose token a request comes with.
    pub(super) async fn by_token(&self, given: &[u8]) -> Result<Identity, Error> {
        const WRONG: Error = Error::Unauthorized(
            "the token is not known: it was deleted, or was never one; ask an admin for another",
        );
        let Ok(given) = std::str::from_utf8(given) else { return Err(WRONG) };
        let hash = secret::hashed(given);
        if self.ledger.read().token_of(&hash).is_none() {
            self.ledger.catch_up().await?;
        }
        let now = self.clock.now();
        let (name, token, scope, is_old) = {
            let register = self.ledger.read();
            let (name, token) = register.token_of(&hash).ok_or(WRONG)?;
            let is_old = register.uses.get(name).is_none_or(|last| now.since(*last) >= USED_EVERY);
            (name.to_owned(), token.clone(), scope_at(&register, token, now), is_old)
        };
        let Some(scope) = scope else {
            return Err(Error::Unauthorized(if token.expires_at.is_some_and(|end| end <= now) {
                "the token has expired; ask an admin for another"
            } else {
                "the token is that of a person who may not come in any longer; ask an admin"
            }));
        };
        if is_old {
            self.ledger.write().uses.insert(name.clone(), now);
            // Where too many wait already, a use is kept with the next one.
            let _ = self.used.try_send(Used::Token(name.clone()));
        }
        Ok(Identity {
            who: Who::named(&format!("token {name}")),
            scope,
            means: Means::Token { owner: token.owner },
        })
    }
}

/// What a token may at this time: no more than the person whose it is. None where it is refused.
pub(super) fn scope_at(register: &Register, token: &Token, now: Moment) -> Option<Scope> {
    if token.expires_at.is_some_and(|end| end <= now) {
        return None;
    }
    match &token.owner {
        None => Some(token.scope),
        Some(owner) => scope_of(register, owner).map(|owners| owners.min(token.scope)),
    }
}

fn may_see(by: &Identity, token: &Token) -> bool {
    by.scope == Scope::Admin
        || (by.has_session() && token.owner.is_some() && token.owner.as_deref() == by.user())
}

fn shown(register: &Register, name: &str, kept: &Kept<Token>, now: Moment) -> ShownToken {
    // A use that is older than the token was one of another of that name.
    let used = register.uses.get(name).copied().filter(|used| *used >= kept.value.created_at);
    ShownToken {
        name: name.to_owned(),
        revision: kept.revision,
        token: kept.value.clone(),
        last_used_at: used,
        refused: scope_at(register, &kept.value, now).is_none(),
    }
}
