use std::{collections::BTreeMap, net::IpAddr};

use slotway_runtime::Moment;
use slotway_store::{Expected, Who, Write};

use crate::{
    error::{Field, IdentityError},
    identity::{AuthenticationMethod, Identity},
    kinds::{SESSION, TOKEN, TOKEN_USE, USER},
    name::{Name, truncated},
    password::Password,
    secret,
    service::IdentityService,
    sessions::ActiveSession,
    state::{IdentityState, Versioned, put},
    user::{ProviderSubject, Role, User, UserUpdate},
};

/// Most users.
pub const USERS_MAX: usize = 1_000;

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
        let (now, state) = (self.clock.now(), self.replica.read());
        let mut sessions = BTreeMap::<&str, usize>::new();
        for session in state.sessions.values().map(|session| &session.value) {
            if state.is_valid(session, now) {
                *sessions.entry(session.user.as_str()).or_default() += 1;
            }
        }
        let views = state.users.iter().map(|(name, user)| UserView {
            name: name.clone(),
            revision: user.revision,
            user: user.value.clone(),
            sessions: sessions.get(name.as_str()).copied().unwrap_or(0),
        });
        (state.revision, views.collect())
    }

    /// Returns a user.
    ///
    /// # Errors
    /// [`IdentityError::UnknownUser`].
    pub fn user(&self, name: &str) -> Result<UserView, IdentityError> {
        let (now, state) = (self.clock.now(), self.replica.read());
        let user = existing(&state, name)?;
        let sessions = state.sessions_of(name).filter(|(_, session)| state.is_valid(session, now)).count();
        Ok(UserView { name: name.to_owned(), revision: user.revision, user: user.value.clone(), sessions })
    }

    /// Creates or replaces a user. A new password, a new role and `disabled` end the user's sessions. Returns whether the user is new,
    /// and the user. `check` gets the user's revision, `None` for a new user. `dry_run` changes nothing.
    ///
    /// # Errors
    /// The error of `check`, [`IdentityError::Invalid`], [`IdentityError::Conflict`], [`IdentityError::LastAdmin`],
    /// [`IdentityError::Busy`], [`IdentityError::Store`], [`IdentityError::SignInsBusy`].
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
        let change = self.replica.change(by.who.clone(), |state| {
            let before = state.users.get(name.as_str());
            check(before.map(|user| user.revision))?;
            let after = match before {
                None => new_user(state, update, hash.as_ref(), now, &epoch)?,
                Some(user) => changed_user(&user.value, update, hash.as_ref(), now, &epoch)?,
            };
            require_remaining_admin(state, name.as_str(), Some(&after), by)?;
            let is_unchanged = before.is_some_and(|user| user.value == after);
            let expected = before.map_or(Expected::Absent, |user| Expected::Revision(user.revision));
            let writes = match (dry_run, is_unchanged) {
                (false, false) => vec![put(USER, name.as_str(), &after, expected)?],
                _ => Vec::new(),
            };
            Ok::<_, E>((writes, (before.is_none(), after)))
        });
        let (is_new, user) = change.await?;
        if dry_run {
            let present = self.user(name.as_str()).ok();
            let (revision, sessions) = present.map_or((0, 0), |user| (user.revision, user.sessions));
            return Ok((is_new, UserView { name: name.to_string(), revision, user, sessions }));
        }
        Ok((is_new, self.user(name.as_str())?))
    }

    /// Deletes a user with their sessions and tokens, and returns what the user was. `check` gets the user's revision. `dry_run` changes
    /// nothing.
    ///
    /// # Errors
    /// The error of `check`, [`IdentityError::UnknownUser`], [`IdentityError::LastAdmin`], [`IdentityError::Busy`],
    /// [`IdentityError::Store`].
    pub async fn delete_user<E: From<IdentityError>>(
        &self,
        by: &Identity,
        name: &str,
        check: impl Fn(Option<u64>) -> Result<(), E>,
        dry_run: bool,
    ) -> Result<UserView, E> {
        self.ensure_user_is_read(name).await?;
        let view = self.user(name)?;
        let delete = self.replica.change(by.who.clone(), |state| {
            let user = existing(state, name)?;
            check(Some(user.revision))?;
            require_remaining_admin(state, name, None, by)?;
            let mut writes = vec![Write::delete(USER, name, Expected::Revision(user.revision))];
            let owned = state.tokens.iter().filter(|(_, token)| token.value.owner.as_deref() == Some(name));
            for (token, _) in owned {
                writes.push(Write::delete(TOKEN, token, Expected::Anything));
                writes.push(Write::delete(TOKEN_USE, token, Expected::Anything));
            }
            for (session, _) in state.sessions_of(name) {
                writes.push(Write::delete(SESSION, session, Expected::Anything));
            }
            Ok::<_, E>((if dry_run { Vec::new() } else { writes }, ()))
        });
        delete.await?;
        Ok(view)
    }

    /// Changes the password of the user who asks. All their sessions end; returns a new session.
    ///
    /// # Errors
    /// [`IdentityError::NeedsSession`], [`IdentityError::WrongPassword`], [`IdentityError::TooManyFailures`],
    /// [`IdentityError::Invalid`], [`IdentityError::Conflict`], [`IdentityError::SignInsBusy`], [`IdentityError::Busy`],
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
        let change = self.replica.change(by.who.clone(), |state| {
            let before = existing(state, user)?;
            let after = User {
                password_hash: Some(hash.clone()),
                password_changed_at: Some(now),
                epoch: epoch.clone(),
                ..before.value.clone()
            };
            let write = put(USER, user, &after, Expected::Revision(before.revision))?;
            Ok::<_, IdentityError>((vec![write], ()))
        });
        change.await?;
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
        let change = self.replica.change(Who::named(name.as_str()), |state| {
            let known = state.users.iter().find(|(_, user)| user.value.provider.as_ref() == Some(&subject));
            if let Some((name, user)) = known {
                return update_provider_user(name, user, role, &epoch);
            }
            if state.users.contains_key(name.as_str()) {
                return Err(IdentityError::OidcRefused(format!(
                    "the name {name} belongs to another user; an admin can delete that user, or the provider can give another name"
                )));
            }
            require_room(state)?;
            let user = User {
                role,
                disabled: false,
                password_hash: None,
                provider: Some(subject.clone()),
                created_at: now,
                password_changed_at: None,
                epoch: epoch.clone(),
            };
            Ok((vec![put(USER, name.as_str(), &user, Expected::Absent)?], name.to_string()))
        });
        change.await
    }

    /// Reads the store's news if the state does not contain a user: another control plane may have just created it.
    ///
    /// # Errors
    /// [`IdentityError::Store`].
    pub async fn ensure_user_is_read(&self, name: &str) -> Result<(), IdentityError> {
        let is_known = self.replica.read().users.contains_key(name);
        if is_known { Ok(()) } else { self.replica.catch_up_throttled().await }
    }
}

fn existing<'a>(state: &'a IdentityState, name: &str) -> Result<&'a Versioned<User>, IdentityError> {
    state.users.get(name).ok_or_else(|| IdentityError::UnknownUser { name: truncated(name) })
}

fn new_user(
    state: &IdentityState,
    update: &UserUpdate,
    hash: Option<&String>,
    now: Moment,
    epoch: &str,
) -> Result<User, IdentityError> {
    let Some(hash) = hash else {
        let reason = "a new user needs a password".to_owned();
        return Err(IdentityError::Invalid { field: Field::Password, reason });
    };
    require_room(state)?;
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

fn update_provider_user(
    name: &str,
    before: &Versioned<User>,
    role: Role,
    epoch: &str,
) -> Result<(Vec<Write>, String), IdentityError> {
    if before.value.disabled {
        return Err(IdentityError::OidcRefused(format!("the user {name} is disabled; ask an admin")));
    }
    if before.value.role == role {
        return Ok((Vec::new(), name.to_owned()));
    }
    let after = User { role, epoch: epoch.to_owned(), ..before.value.clone() };
    Ok((vec![put(USER, name, &after, Expected::Revision(before.revision))?], name.to_owned()))
}

/// Refuses a change that leaves no enabled admin, unless the admin token makes it: its holder can create a new one.
fn require_remaining_admin(
    state: &IdentityState,
    name: &str,
    after: Option<&User>,
    by: &Identity,
) -> Result<(), IdentityError> {
    let was_admin = state.users.get(name).is_some_and(|user| user.value.is_enabled_admin());
    let others = state.users.iter().any(|(other, user)| other != name && user.value.is_enabled_admin());
    let is_by_admin_token = by.method == AuthenticationMethod::AdminToken;
    if is_by_admin_token || !was_admin || others || after.is_some_and(User::is_enabled_admin) {
        return Ok(());
    }
    Err(IdentityError::LastAdmin { name: name.to_owned() })
}

fn require_room(state: &IdentityState) -> Result<(), IdentityError> {
    if state.users.len() < USERS_MAX {
        return Ok(());
    }
    let reason = format!("there are {USERS_MAX} users, which is the limit; delete one first");
    Err(IdentityError::Conflict { field: None, reason })
}

fn check_new_password(password: &Password, name: &str, field: Field) -> Result<(), IdentityError> {
    password.check(name).map_err(|reason| IdentityError::Invalid { field, reason })
}

fn has_no_password(field: Field) -> IdentityError {
    let reason = "this user signs in with the OIDC provider and has no password here".to_owned();
    IdentityError::Conflict { field: Some(field), reason }
}
