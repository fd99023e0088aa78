use slotway_runtime::Moment;
use slotway_store::{Replicated, Versioned, Who};

use crate::{
    error::{Field, IdentityError},
    identity::{AuthenticationMethod, Identity},
    last_use::UsedCredential,
    name::{Name, truncated},
    scope::Scope,
    secret,
    service::IdentityService,
    state::IdentityState,
    token::{TOKEN_PREFIX, Token, TokenRequest, USE_RESOLUTION},
};

/// A token, for display.
#[derive(Debug, Clone)]
pub struct TokenView {
    /// The name.
    pub name: String,
    /// The store's revision that wrote it.
    pub revision: u64,
    /// The token.
    pub token: Token,
    /// The time of its last use, with a resolution of a minute.
    pub last_used_at: Option<Moment>,
    /// Whether it is refused: it has expired, or its owner is disabled.
    pub is_refused: bool,
}

/// A new token with its secret.
#[derive(Clone)]
pub struct IssuedToken {
    /// The token.
    pub view: TokenView,
    /// The secret, for `Authorization: Bearer`. It cannot be read again.
    pub secret: String,
}

impl std::fmt::Debug for IssuedToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IssuedToken").field("view", &self.view).finish_non_exhaustive()
    }
}

impl IdentityService {
    /// Returns the store's revision and the tokens that an identity may see, by name. An admin sees all, a user their own.
    #[must_use]
    pub fn tokens(&self, by: &Identity) -> (u64, Vec<TokenView>) {
        let (now, state) = (self.clock.now(), self.replica.current());
        let visible = state.tokens().iter().filter(|(_, token)| may_see(by, &token.value));
        let views = visible.map(|(name, token)| view(&state, name, token, now)).collect();
        (state.revision(), views)
    }

    /// Returns a token that an identity may see.
    ///
    /// # Errors
    /// [`IdentityError::UnknownToken`].
    pub fn token(&self, by: &Identity, name: &str) -> Result<TokenView, IdentityError> {
        visible_token(&self.replica.current(), by, name, self.clock.now())
    }

    /// Creates a token that the identity owns, with at most the identity's scope. `dry_run` changes nothing.
    ///
    /// # Errors
    /// [`IdentityError::Forbidden`] for a wider scope, [`IdentityError::Conflict`] if the name is taken or there are too many tokens,
    /// [`IdentityError::Store`].
    pub async fn create_token(
        &self,
        by: &Identity,
        name: &Name,
        request: &TokenRequest,
        dry_run: bool,
    ) -> Result<IssuedToken, IdentityError> {
        by.require(request.scope)?;
        let secret = format!("{TOKEN_PREFIX}{}", secret::generate()?);
        let now = self.clock.now();
        let mut expires_at = request.expires_in.map(|lifetime| now.after(lifetime));
        if let AuthenticationMethod::Token { name: creator, .. } = &by.method {
            // A token must not extend its lifetime by creating another token.
            let creator_expires_at = self.token(by, creator)?.token.expires_at;
            expires_at = expires_at.into_iter().chain(creator_expires_at).min();
        }
        let token = Token {
            scope: request.scope,
            secret_hash: secret::hash(&secret),
            created_at: now,
            created_by: by.who.as_str().to_owned(),
            owner: by.user().map(str::to_owned),
            expires_at,
        };
        let make = |state: &mut IdentityState| {
            if state.tokens().contains(name.as_str()) {
                let reason =
                    format!("the token {name} exists already; delete it first, or choose another name");
                return Err(IdentityError::Conflict { field: Some(Field::TokenName), reason });
            }
            state.add_token(name.as_str(), token.clone());
            Ok(())
        };
        let ((), state) = self.change(by, dry_run, make).await?;
        Ok(IssuedToken { view: visible_token(&state, by, name.as_str(), now)?, secret })
    }

    /// Deletes a token that the identity may see, and returns what it was. `check` gets the token's revision. `dry_run` changes nothing.
    ///
    /// # Errors
    /// The error of `check`, [`IdentityError::UnknownToken`], [`IdentityError::Store`].
    pub async fn delete_token<E: From<IdentityError>>(
        &self,
        by: &Identity,
        name: &str,
        check: impl Fn(Option<u64>) -> Result<(), E>,
        dry_run: bool,
    ) -> Result<TokenView, E> {
        let now = self.clock.now();
        let make = |state: &mut IdentityState| {
            let deleted = visible_token(state, by, name, now)?;
            check(Some(deleted.revision))?;
            state.remove_token(name);
            Ok(deleted)
        };
        self.change(by, dry_run, make).await.map(|(deleted, _)| deleted)
    }

    /// Authenticates a request with a token.
    pub(crate) async fn authenticate_token(&self, given: &[u8]) -> Result<Identity, IdentityError> {
        const UNKNOWN: IdentityError = IdentityError::InvalidCredentials(
            "the token does not exist, or no longer; ask an admin for another",
        );
        let Ok(given) = std::str::from_utf8(given) else { return Err(UNKNOWN) };
        let hash = secret::hash(given);
        if self.replica.current().token_by_hash(&hash).is_none() {
            self.catch_up().await?;
        }
        let now = self.clock.now();
        let (name, token, scope, is_use_outdated) = {
            let state = self.replica.current();
            let (name, token) = state.token_by_hash(&hash).ok_or(UNKNOWN)?;
            let is_use_outdated =
                state.token_used_at(name).is_none_or(|last| now.since(last) >= USE_RESOLUTION);
            (name.to_owned(), token.clone(), state.token_scope(token, now), is_use_outdated)
        };
        let Some(scope) = scope else {
            return Err(IdentityError::InvalidCredentials(
                if token.expires_at.is_some_and(|end| end <= now) {
                    "the token has expired; ask an admin for another"
                } else {
                    "the owner of the token is disabled; ask an admin"
                },
            ));
        };
        if is_use_outdated {
            self.replica.amend(|state| state.use_token(&name, now));
            self.last_uses.record(UsedCredential::Token(name.clone()));
        }
        let who = Who::named(&format!("token {name}"));
        Ok(Identity { who, scope, method: AuthenticationMethod::Token { name, owner: token.owner } })
    }
}

fn may_see(by: &Identity, token: &Token) -> bool {
    by.scope == Scope::Admin
        || (by.has_session() && token.owner.is_some() && token.owner.as_deref() == by.user())
}

fn visible_token(
    state: &IdentityState,
    by: &Identity,
    name: &str,
    now: Moment,
) -> Result<TokenView, IdentityError> {
    let token = state.tokens().get(name).filter(|token| may_see(by, &token.value));
    let token = token.ok_or_else(|| IdentityError::UnknownToken { name: truncated(name) })?;
    Ok(view(state, name, token, now))
}

fn view(state: &IdentityState, name: &str, token: &Versioned<Token>, now: Moment) -> TokenView {
    TokenView {
        name: name.to_owned(),
        revision: token.revision,
        token: token.value.clone(),
        // A use before the creation belongs to an earlier token of this name.
        last_used_at: state.token_used_at(name).filter(|used| *used >= token.value.created_at),
        is_refused: state.token_scope(&token.value, now).is_none(),
    }
}
