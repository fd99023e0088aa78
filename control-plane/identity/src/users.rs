use std::{collections::HashMap, net::IpAddr};

use slotway_runtime::Moment;
use slotway_store::{Replicated, Versioned, Who};

use crate::{
    error::{Field, IdentityError},
    identity::{AuthenticationMethod, Identity},
    name::Name,
    password::Password,
    secret,
    service::IdentityService,
    sessions::ActiveSession,
    state::IdentityState,
    user::{ProviderSubject, Role, User, UserUpdate},
};

/// A user, for display.
#[derive(Debug, Clone)]
pub struct UserView {
    /// The name.
    pub name: String,
    /// The store's revision that wrote the user.
    pub revision: u64,
    /// The user.
    pub user: User,
    /// The number of valid sessions.
    pub sessions: usize,
}

impl IdentityService {
    /// Returns the store's revision and all users, by name.
    #[must_use]
    pub fn users(&self) -> (u64, Vec<UserView>) {
        let (now, state) = (self.clock.now(), self.replica.current());
        let mut sessions = HashMap::<String, usize>::new();
        for (_, session) in state.sessions().filter(|(_, session)| state.is_valid(session, now)) {
            *sessions.entry(session.user).or_default() += 1;
        }
        let views = state.users.iter().map(|(name, user)| UserView {
            name: name.to_owned(),
            revision: user.revision,
            user: user.value.clone(),
            sessions: sessions.get(name).copied().unwrap_or(0),
        });
        (state.revision(), views.collect())
    }

    /// Returns a user.
    ///
    /// # Errors
    /// [`IdentityError::UnknownUser`].
    pub fn user(&self, name: &str) -> Result<UserView, IdentityError> {
        view(&self.replica.current(), name, self.clock.now())
    }

    /// Creates or replaces a user. A new password, a new role and `disabled` end the user's sessions. Returns whether the user is new,
    /// and the user. `check` gets the user's revision, `None` for a new user. `dry_run` changes nothing.
    ///
    /// # Errors
    /// The error of `check`, [`IdentityError::Invalid`], [`IdentityError::Conflict`], [`IdentityError::LastAdmin`],
    /// [`IdentityError::Store`], [`IdentityError::SignInsBusy`].
    pub async fn put_user<E: From<IdentityError>>(
        &self,
        by: &Identity,
        name: &Name,
        update: &UserUpdate,
        check: impl Fn(Option<u64>) -> Result<(), E>,
        dry_run: bool,
    ) -> Result<(bool, UserView), E> {
        let hash = match &update.password {
            None => None,
            Some(password) => {
                check_new_password(password, name.as_str(), Field::Password)?;
                // The answer to a dry run contains no hash, so none is computed.
                Some(if dry_run { String::new() } else { self.hasher.hash(password.clone()).await? })
            }
        };
        let (epoch, now) = (secret::generate()?, self.clock.now());
        let make = |state: &mut IdentityState| {
            let before = state.users.get(name.as_str());
            check(before.map(|user| user.revision))?;
            let after = match before {
                None => new_user(update, hash.as_ref(), now, &epoch)?,
                Some(user) => changed_user(&user.value, update, hash.as_ref(), now, &epoch)?,
            };
            let revision = before.map(|user| user.revision);
            let had_admin = state.has_enabled_admin();
            state.users.set(name.as_str(), after);
            require_remaining_admin(had_admin, state, name.as_str(), by)?;
            Ok::<_, E>(revision)
        };
        let (revision, state) = self.change(by, dry_run, make).await?;
        let mut view = view(&state, name.as_str(), now)?;
        if dry_run {
            // Nothing is stored, and no session has ended.
            view.revision = revision.unwrap_or(0);
            view.sessions = self.user(name.as_str()).map_or(0, |user| user.sessions);
        }
        Ok((revision.is_none(), view))
    }

    /// Deletes a user with their sessions and tokens, and returns what the user was. `check` gets the user's revision. `dry_run` changes
    /// nothing.
    ///
    /// # Errors
    /// The error of `check`, [`IdentityError::UnknownUser`], [`IdentityError::LastAdmin`], [`IdentityError::Store`].
    pub async fn delete_user<E: From<IdentityError>>(
        &self,
        by: &Identity,
        name: &str,
        check: impl Fn(Option<u64>) -> Result<(), E>,
        dry_run: bool,
    ) -> Result<UserView, E> {
        let now = self.clock.now();
        let make = |state: &mut IdentityState| {
            let deleted = view(state, name, now)?;
            check(Some(deleted.revision))?;
            let had_admin = state.has_enabled_admin();
            state.remove_user(name);
            require_remaining_admin(had_admin, state, name, by)?;
            Ok(deleted)
        };
        self.change(by, dry_run, make).await.map(|(deleted, _)| deleted)
    }

    /// Changes the password of the user who asks. All their sessions end; returns a new session.
    ///
    /// # Errors
    /// [`IdentityError::NeedsSession`], [`IdentityError::WrongPassword`], [`IdentityError::TooManyFailures`],
    /// [`IdentityError::Invalid`], [`IdentityError::Conflict`], [`IdentityError::SignInsBusy`],
    /// [`IdentityError::Store`].
    pub async fn change_password(
        &self,
        by: &Identity,
        peer: Option<IpAddr>,
        old: Password,
        new: Password,
    ) -> Result<ActiveSession, IdentityError> {
        let (user, _) = by.require_session()?;
        check_new_password(&new, user, Field::NewPassword)?;
        if self.user(user)?.user.is_from_provider() {
            return Err(has_no_password(Field::NewPassword));
        }
        if old == new {
            let reason = "the new password is the present password; choose another one".to_owned();
            return Err(IdentityError::Invalid { field: Field::NewPassword, reason });
        }
        self.check_password(user, old, peer).await?;
        let hash = self.hasher.hash(new).await?;
        let (epoch, now) = (secret::generate()?, self.clock.now());
        let make = |state: &mut IdentityState| {
            let before = state.user(user)?;
            let after = User {
                password_hash: Some(hash.clone()),
                password_changed_at: Some(now),
                epoch: epoch.clone(),
                ..before.value.clone()
            };
            state.users.set(user, after);
            Ok::<_, IdentityError>(())
        };
        self.change(by, false, make).await?;
        self.begin_session(user).await
    }

    /// Creates or updates a user of the OIDC provider and returns the user's name. A known user is found by issuer and subject; a new one
    /// gets the name that the provider gives.
    pub(crate) async fn put_provider_user(
        &self,
        subject: ProviderSubject,
        name: &Name,
        role: Role,
    ) -> Result<String, IdentityError> {
        let (epoch, now) = (secret::generate()?, self.clock.now());
        let make = |state: &mut IdentityState| {
            let known = state.users.iter().find(|(_, user)| user.value.provider.as_ref() == Some(&subject));
            if let Some((name, user)) = known {
                let name = name.to_owned();
                let after = changed_provider_user(&name, &user.value, role, &epoch)?;
                state.users.set(name.as_str(), after);
                return Ok(name);
            }
            if state.users.contains(name.as_str()) {
                return Err(IdentityError::OidcRefused(format!(
                    "the name {name} belongs to another user; an admin can delete that user, or the provider can give another name"
                )));
            }
            let user = User {
                role,
                disabled: false,
                password_hash: None,
                provider: Some(subject.clone()),
                created_at: now,
                password_changed_at: None,
                epoch: epoch.clone(),
            };
            state.users.set(name.as_str(), user);
            Ok(name.to_string())
        };
        self.replica.change(Who::named(name.as_str()), make).await.map(|(name, _)| name)
    }

    /// Reads the store's news if the state does not contain a user: another control plane may have just created it.
    ///
    /// # Errors
    /// [`IdentityError::Store`].
    pub async fn ensure_user_is_read(&self, name: &str) -> Result<(), IdentityError> {
        if !self.replica.current().users.contains(name) {
            self.catch_up().await?;
        }
        Ok(())
    }
}

fn view(state: &IdentityState, name: &str, now: Moment) -> Result<UserView, IdentityError> {
    let Versioned { revision, value } = state.user(name)?.clone();
    let sessions =
        state.sessions().filter(|(_, session)| session.user == name && state.is_valid(session, now));
    Ok(UserView { name: name.to_owned(), revision, user: value, sessions: sessions.count() })
}

fn new_user(
    update: &UserUpdate,
    hash: Option<&String>,
    now: Moment,
    epoch: &str,
) -> Result<User, IdentityError> {
    let Some(hash) = hash else {
        let reason = "a new user needs a password".to_owned();
        return Err(IdentityError::Invalid { field: Field::Password, reason });
    };
    Ok(User {
        role: update.role,
        disabled: update.disabled,
        password_hash: Some(hash.clone()),
        provider: None,
        created_at: now,
        password_changed_at: Some(now),
        epoch: epoch.to_owned(),
    })
}

fn changed_user(
    before: &User,
    update: &UserUpdate,
    hash: Option<&String>,
    now: Moment,
    epoch: &str,
) -> Result<User, IdentityError> {
    let mut after = User { role: update.role, disabled: update.disabled, ..before.clone() };
    if before.is_from_provider() {
        if hash.is_some() {
            return Err(has_no_password(Field::Password));
        }
        if after.role != before.role {
            let reason =
                "the OIDC provider sets the role of this user at each sign-in; change it there".to_owned();
            return Err(IdentityError::Conflict { field: Some(Field::Role), reason });
        }
    }
    if let Some(hash) = hash {
        after.password_hash = Some(hash.clone());
        after.password_changed_at = Some(now);
    }
    if hash.is_some() || after.role != before.role || after.disabled != before.disabled {
        epoch.clone_into(&mut after.epoch);
    }
    Ok(after)
}

fn changed_provider_user(name: &str, before: &User, role: Role, epoch: &str) -> Result<User, IdentityError> {
    if before.disabled {
        return Err(IdentityError::OidcRefused(format!("the user {name} is disabled; ask an admin")));
    }
    if before.role == role {
        return Ok(before.clone());
    }
    Ok(User { role, epoch: epoch.to_owned(), ..before.clone() })
}

/// Refuses a change of a user that leaves no enabled admin, unless the admin token makes it: its holder can create a new one.
fn require_remaining_admin(
    had_admin: bool,
    after: &IdentityState,
    name: &str,
    by: &Identity,
) -> Result<(), IdentityError> {
    if !had_admin || after.has_enabled_admin() || by.method == AuthenticationMethod::AdminToken {
        return Ok(());
    }
    Err(IdentityError::LastAdmin { name: name.to_owned() })
}

fn check_new_password(password: &Password, name: &str, field: Field) -> Result<(), IdentityError> {
    password.check(name).map_err(|reason| IdentityError::Invalid { field, reason })
}

fn has_no_password(field: Field) -> IdentityError {
    let reason = "this user signs in with the OIDC provider and has no password here".to_owned();
    IdentityError::Conflict { field: Some(field), reason }
}
