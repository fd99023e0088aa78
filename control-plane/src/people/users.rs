use std::collections::BTreeMap;

use super::{
    Identity, Means, Moment, Name, Password, People, Role, Scope, User, UserWanted,
    identity::peer,
    ledger::put,
    register::{Kept, Register},
    secret,
    user::AtProvider,
};
use crate::kinds;
use crate::{
    error::Error,
    store::{Expected, Write},
};

/// Most users.
pub const USERS_MAX: usize = 1_000;

/// A user, for whoever looks.
#[derive(Debug, Clone)]
pub struct ShownUser {
    /// The name.
    pub name: String,
    /// The store's revision that wrote them.
    pub revision: u64,
    /// What is kept of them.
    pub user: User,
    /// How many sessions they have.
    pub sessions: usize,
}

/// Looks whether a user's version (none where there is no such user) is the one that a change expects.
pub(crate) type Check<'a> = &'a (dyn Fn(Option<u64>) -> Result<(), Error> + Sync);

impl People {
    /// The users, by name, and the store's revision.
    #[must_use]
    pub fn users(&self) -> (u64, Vec<ShownUser>) {
        let (now, register) = (self.clock.now(), self.ledger.read());
        let mut sessions = BTreeMap::<&str, usize>::new();
        for session in register.sessions.values().map(|session| &session.value) {
            if register.goes_on(session, now) {
                *sessions.entry(session.user.as_str()).or_default() += 1;
            }
        }
        let shown = register.users.iter().map(|(name, kept)| ShownUser {
            name: name.clone(),
            revision: kept.revision,
            user: kept.value.clone(),
            sessions: sessions.get(name.as_str()).copied().unwrap_or(0),
        });
        (register.revision, shown.collect())
    }

    /// A user.
    ///
    /// # Errors
    /// [`Error::UnknownUser`].
    pub fn user(&self, name: &str) -> Result<ShownUser, Error> {
        let (now, register) = (self.clock.now(), self.ledger.read());
        let kept = register.users.get(name).ok_or_else(|| Error::UnknownUser { name: shortened(name) })?;
        let sessions =
            register.sessions_of(name).filter(|(_, session)| register.goes_on(session, now)).count();
        Ok(ShownUser { name: name.to_owned(), revision: kept.revision, user: kept.value.clone(), sessions })
    }

    /// Adds a user, or makes the one of this name so. Another password, another role, and to be kept out end their sessions. Says
    /// whether they are new, and what they are now; with `dry_run` what they would be.
    ///
    /// # Errors
    /// [`Error::BadBody`], [`Error::Conflict`], [`Error::LastAdmin`], what `check` says, [`Error::Busy`], [`Error::Store`],
    /// [`Error::SignInsBusy`].
    pub async fn put_user(
        &self,
        by: &Identity,
        name: &Name,
        wanted: &UserWanted,
        check: Check<'_>,
        dry_run: bool,
    ) -> Result<(bool, ShownUser), Error> {
        let hash = match &wanted.password {
            None => None,
            Some(password) => {
                check_password(password, name.as_str(), "spec.password")?;
                // What a dry run answers has no hash in it.
                Some(if dry_run { String::new() } else { self.hasher.hash(password.clone()).await? })
            }
        };
        let (epoch, now) = (secret::made_up()?, self.clock.now());
        let planned = self.ledger.change(by.who.clone(), |register| {
            let before = register.users.get(name.as_str());
            check(before.map(|kept| kept.revision))?;
            let after = match before {
                None => new_user(register, wanted, hash.as_ref(), now, &epoch)?,
                Some(kept) => changed_user(&kept.value, wanted, hash.as_ref(), now, &epoch)?,
            };
            keep_an_admin(register, name.as_str(), Some(&after), by)?;
            let unchanged = before.is_some_and(|kept| kept.value == after);
            let writes = match (dry_run, unchanged) {
                (false, false) => vec![put(kinds::USER, name.as_str(), &after, expected(before))?],
                _ => Vec::new(),
            };
            Ok((writes, (before.is_none(), after)))
        });
        let (is_new, user) = planned.await?;
        if dry_run {
            let kept = self.user(name.as_str()).ok();
            let (revision, sessions) = kept.map_or((0, 0), |kept| (kept.revision, kept.sessions));
            return Ok((is_new, ShownUser { name: name.to_string(), revision, user, sessions }));
        }
        Ok((is_new, self.user(name.as_str())?))
    }

    /// Removes a user, with their sessions and tokens. Says what they were.
    ///
    /// # Errors
    /// [`Error::UnknownUser`], [`Error::LastAdmin`], what `check` says, [`Error::Busy`], [`Error::Store`].
    pub async fn remove_user(
        &self,
        by: &Identity,
        name: &str,
        check: Check<'_>,
        dry_run: bool,
    ) -> Result<ShownUser, Error> {
        self.user_that_may_be_new(name).await?;
        let shown = self.user(name)?;
        let remove = self.ledger.change(by.who.clone(), |register| {
            let kept =
                register.users.get(name).ok_or_else(|| Error::UnknownUser { name: shortened(name) })?;
            check(Some(kept.revision))?;
            keep_an_admin(register, name, None, by)?;
            let mut writes = vec![Write::delete(kinds::USER, name, Expected::Revision(kept.revision))];
            for (token, _) in
                register.tokens.iter().filter(|(_, token)| token.value.owner.as_deref() == Some(name))
            {
                writes.push(Write::delete(kinds::TOKEN, token, Expected::Anything));
                writes.push(Write::delete(kinds::TOKEN_USE, token, Expected::Anything));
            }
            for (session, _) in register.sessions_of(name) {
                writes.push(Write::delete(kinds::SESSION, session, Expected::Anything));
            }
            Ok((if dry_run { Vec::new() } else { writes }, ()))
        });
        remove.await?;
        Ok(shown)
    }

    /// Changes a person's own password. Their sessions end, and the one that asks, too: the answer is a new one.
    ///
    /// # Errors
    /// [`Error::NeedsSession`], [`Error::WrongPassword`], [`Error::TooManyFailures`], [`Error::BadBody`], [`Error::Conflict`],
    /// [`Error::SignInsBusy`], [`Error::Busy`], [`Error::Store`].
    pub async fn change_password(
        &self,
        by: &Identity,
        parts: &axum::http::request::Parts,
        old: Password,
        new: Password,
    ) -> Result<super::Signed, Error> {
        let Means::Session { user, .. } = &by.means else {
            return Err(Error::NeedsSession { who: by.who.as_str().to_owned() });
        };
        check_password(&new, user, "new_password")?;
        if self.user(user)?.user.is_from_provider() {
            return Err(has_no_password("new_password"));
        }
        if old == new {
            let reason = "it is the password that there is already".to_owned();
            return Err(Error::BadBody { index: None, field: Some("new_password".to_owned()), reason });
        }
        self.has_password(user, old, peer(parts)).await?;
        let hash = self.hasher.hash(new).await?;
        let (epoch, now) = (secret::made_up()?, self.clock.now());
        let change = self.ledger.change(by.who.clone(), |register| {
            let kept =
                register.users.get(user).ok_or_else(|| Error::UnknownUser { name: user.to_owned() })?;
            let mut after = kept.value.clone();
            after.password_hash = Some(hash.clone());
            after.password_changed_at = Some(now);
            after.epoch.clone_from(&epoch);
            Ok((vec![put(kinds::USER, user, &after, Expected::Revision(kept.revision))?], ()))
        });
        change.await?;
        self.begin_session(user).await
    }

    /// Takes in who comes from the provider: by who they are to it, or else by the name that it gives them. Says their name here.
    pub(super) async fn take_in_from_provider(
        &self,
        at_provider: AtProvider,
        name: &Name,
        role: Role,
    ) -> Result<String, Error> {
        let (epoch, now) = (secret::made_up()?, self.clock.now());
        let who = crate::store::Who::named(name.as_str());
        self.ledger
            .change(who, |register| {
                let known = register.users.iter().find(|(_, kept)| kept.value.provider.as_ref() == Some(&at_provider));
                if let Some((name, kept)) = known {
                    if kept.value.disabled {
                        return Err(Error::OidcRefused(format!("{name} is kept out here; an admin can change that")));
                    }
                    if kept.value.role == role {
                        return Ok((Vec::new(), name.clone()));
                    }
                    let after = User { role, epoch: epoch.clone(), ..kept.value.clone() };
                    let write = put(kinds::USER, name, &after, Expected::Revision(kept.revision))?;
                    return Ok((vec![write], name.clone()));
                }
                if register.users.contains_key(name.as_str()) {
                    return Err(Error::OidcRefused(format!(
                        "there is a user {name} already who is somebody else; an admin can delete them, or the provider can give \
                         another name"
                    )));
                }
                room_for_one(register)?;
                let user = User {
                    role,
                    disabled: false,
                    password_hash: None,
                    provider: Some(at_provider.clone()),
                    created_at: now,
                    password_changed_at: None,
                    epoch: epoch.clone(),
                };
                Ok((vec![put(kinds::USER, name.as_str(), &user, Expected::Absent)?], name.to_string()))
            })
            .await
    }

    /// Takes in what the store has of a user whom the register does not know: another control plane may have made them just now.
    pub(crate) async fn user_that_may_be_new(&self, name: &str) -> Result<(), Error> {
        let known = self.ledger.read().users.contains_key(name);
        if known { Ok(()) } else { self.ledger.catch_up().await }
    }
}

fn new_user(
    register: &Register,
    wanted: &UserWanted,
    hash: Option<&String>,
    now: Moment,
    epoch: &str,
) -> Result<User, Error> {
    let Some(hash) = hash else {
        let reason = "a new user needs a password".to_owned();
        return Err(Error::BadBody { index: None, field: Some("spec.password".to_owned()), reason });
    };
    room_for_one(register)?;
    Ok(User {
        role: wanted.role,
        disabled: wanted.disabled,
        password_hash: Some(hash.clone()),
        provider: None,
        created_at: now,
        password_changed_at: Some(now),
        epoch: epoch.to_owned(),
    })
}

fn changed_user(
    before: &User,
    wanted: &UserWanted,
    hash: Option<&String>,
    now: Moment,
    epoch: &str,
) -> Result<User, Error> {
    let mut after = User { role: wanted.role, disabled: wanted.disabled, ..before.clone() };
    if before.is_from_provider() {
        if hash.is_some() {
            return Err(has_no_password("spec.password"));
        }
        if after.role != before.role {
            let reason =
                "the role of who comes from the provider is what it says at each sign-in; change it there"
                    .to_owned();
            return Err(Error::Conflict { index: None, field: Some("spec.role"), reason });
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

/// Lets nobody but whoever has the admin token take the last admin away: they can make a new one.
fn keep_an_admin(register: &Register, name: &str, after: Option<&User>, by: &Identity) -> Result<(), Error> {
    let is_one = |user: &User| user.is_acting_admin();
    let was_one = register.users.get(name).is_some_and(|kept| is_one(&kept.value));
    let others = register.users.iter().any(|(other, kept)| other != name && is_one(&kept.value));
    if by.means == Means::AdminToken || !was_one || others || after.is_some_and(is_one) {
        return Ok(());
    }
    Err(Error::LastAdmin { name: name.to_owned() })
}

fn room_for_one(register: &Register) -> Result<(), Error> {
    if register.users.len() < USERS_MAX {
        return Ok(());
    }
    let reason = format!("there are {USERS_MAX} users already, and that is the most");
    Err(Error::Conflict { index: None, field: None, reason })
}

fn check_password(password: &Password, name: &str, field: &str) -> Result<(), Error> {
    let refused = |reason| Error::BadBody { index: None, field: Some(field.to_owned()), reason };
    password.check(name).map_err(refused)
}

fn has_no_password(field: &'static str) -> Error {
    let reason = "who comes from the provider has no password here; change it there".to_owned();
    Error::Conflict { index: None, field: Some(field), reason }
}

fn expected<T>(kept: Option<&Kept<T>>) -> Expected {
    kept.map_or(Expected::Absent, |kept| Expected::Revision(kept.revision))
}

/// What somebody asked for, for an answer.
pub(super) fn shortened(name: &str) -> String {
    name.chars().take(super::NAME_BYTES_MAX).collect()
}

/// The most that a person may do.
pub(super) fn scope_of(register: &Register, name: &str) -> Option<Scope> {
    let user = &register.users.get(name)?.value;
    (!user.disabled).then(|| user.role.scope())
}
