use std::sync::{Arc, OnceLock};

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher, PasswordVerifier},
};
use serde::Deserialize;
use tokio::sync::Semaphore;

use super::secret;
use crate::error::Error;

/// How long a password is, in bytes.
pub const PASSWORD_BYTES: std::ops::RangeInclusive<usize> = 12..=256;

/// OWASP's Password Storage Cheat Sheet for argon2id: 19 MiB, 2 passes, 1 lane.
const MEMORY_KIB: u32 = 19 * 1_024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
const SALT_BYTES: usize = 16;

/// Hashes at once; each takes 19 MiB and a processor for tens of milliseconds.
const AT_ONCE: usize = 2;
/// Those who wait for a place; who comes beyond that is told to come again.
const WAITING_MAX: usize = 32;

/// A password. It shows itself nowhere.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Password(String);

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(..)")
    }
}

impl From<&str> for Password {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl Password {
    /// Looks whether it may be somebody's password. Long is what counts, not which characters (NIST SP 800-63B, section 5.1.1.2).
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self, name: &str) -> Result<(), String> {
        let (least, most) = (PASSWORD_BYTES.start(), PASSWORD_BYTES.end());
        if !PASSWORD_BYTES.contains(&self.0.len()) {
            return Err(format!(
                "a password has from {least} to {most} bytes, and this one has {}",
                self.0.len()
            ));
        }
        if self.0.eq_ignore_ascii_case(name) {
            return Err("a password must not be the name".to_owned());
        }
        let first = self.0.chars().next();
        if self.0.chars().all(|character| Some(character) == first) {
            return Err("one character again and again is no password".to_owned());
        }
        Ok(())
    }
}

/// Hashes passwords, so many at once that they cannot use up the memory.
pub(super) struct Hasher {
    argon2: Argon2<'static>,
    at_once: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    /// The hash of a password that nobody has, for those who are not there: to be refused takes them as long.
    nobody: OnceLock<String>,
}

impl Hasher {
    pub(super) fn new() -> Result<Self, Error> {
        let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|error| Error::System {
            doing: "choosing how to hash passwords",
            reason: error.to_string(),
        })?;
        Ok(Self {
            argon2: Argon2::new(Algorithm::Argon2id, Version::V0x13, params),
            at_once: Arc::new(Semaphore::new(AT_ONCE)),
            waiting: Arc::new(Semaphore::new(AT_ONCE + WAITING_MAX)),
            nobody: OnceLock::new(),
        })
    }

    /// The PHC string of a password.
    ///
    /// # Errors
    /// [`Error::SignInsBusy`].
    pub(super) async fn hash(self: &Arc<Self>, password: Password) -> Result<String, Error> {
        self.with_a_place(move |hasher| hasher.hash_now(&password)).await?
    }

    /// Whether this is the password with this hash; without one, the answer is no, after as long.
    ///
    /// # Errors
    /// [`Error::SignInsBusy`].
    pub(super) async fn is(
        self: &Arc<Self>,
        password: Password,
        hash: Option<String>,
    ) -> Result<bool, Error> {
        self.with_a_place(move |hasher| {
            let somebody = hash.is_some();
            let hash = match hash {
                Some(hash) => hash,
                None => hasher.nobody()?,
            };
            // One that is too long costs no more than one that is not.
            let given = &password.0.as_bytes()[..password.0.len().min(*PASSWORD_BYTES.end())];
            let right = hasher.argon2.verify_password(given, hash.as_str()).is_ok();
            Ok(right && somebody && password.0.len() == given.len())
        })
        .await?
    }

    fn nobody(&self) -> Result<String, Error> {
        if let Some(hash) = self.nobody.get() {
            return Ok(hash.clone());
        }
        let hash = self.hash_now(&Password(secret::made_up()?))?;
        Ok(self.nobody.get_or_init(|| hash).clone())
    }

    fn hash_now(&self, password: &Password) -> Result<String, Error> {
        let failed = |reason: String| Error::System { doing: "hashing a password", reason };
        let mut salt = [0_u8; SALT_BYTES];
        getrandom::fill(&mut salt).map_err(|error| failed(error.to_string()))?;
        let hash = self.argon2.hash_password_with_salt(password.0.as_bytes(), &salt);
        hash.map(|hash| hash.to_string()).map_err(|error| failed(error.to_string()))
    }

    /// Does it on a thread that may be busy for long, once there is a place.
    async fn with_a_place<R: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> R + Send + 'static,
    ) -> Result<R, Error> {
        let waits = self.waiting.clone().try_acquire_owned().map_err(|_| Error::SignInsBusy)?;
        let place = self.at_once.clone().acquire_owned().await.map_err(|_| Error::SignInsBusy)?;
        let hasher = Arc::clone(self);
        // The places go with the work and not with whoever asked: to hang up frees none while it goes on.
        let done = tokio::task::spawn_blocking(move || {
            let result = work(&hasher);
            drop((place, waits));
            result
        });
        done.await.map_err(|error| Error::System { doing: "hashing a password", reason: error.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_long_and_not_the_name() {
        for (password, says) in [
            ("eleven bytes"[..11].to_owned(), "from 12 to 256 bytes"),
            ("x".repeat(257), "from 12 to 256 bytes"),
            ("Ada@example.org".to_owned(), "must not be the name"),
            ("x".repeat(20), "again and again"),
        ] {
            let reason = Password(password).check("ada@example.org").unwrap_err();
            assert!(reason.contains(says), "{reason}");
        }
        Password("correct horse".to_owned()).check("ada@example.org").unwrap();
        assert!(!format!("{:?}", Password("correct horse".to_owned())).contains("horse"));
    }

    #[tokio::test]
    async fn only_the_password_itself_is_right_and_a_hash_shows_how_it_was_made() {
        let hasher = Arc::new(Hasher::new().unwrap());
        let hash = hasher.hash("correct horse".into()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(hasher.is("correct horse".into(), Some(hash.clone())).await.unwrap());
        for wrong in ["", "correct horsf", "correct horse ", &"x".repeat(100_000)] {
            assert!(!hasher.is(wrong.into(), Some(hash.clone())).await.unwrap(), "{wrong}");
        }
        assert!(!hasher.is("correct horse".into(), None).await.unwrap());
        assert_ne!(hasher.hash("correct horse".into()).await.unwrap(), hash, "each has a salt of its own");
        // What was cut off is not forgotten.
        let long = hasher.hash("x".repeat(256).as_str().into()).await.unwrap();
        assert!(!hasher.is("x".repeat(257).as_str().into(), Some(long)).await.unwrap());
    }

    #[tokio::test]
    async fn whoever_comes_when_all_places_are_taken_is_told_to_come_again() {
        let hasher = Arc::new(Hasher::new().unwrap());
        let all = hasher.waiting.clone().acquire_many_owned(u32::try_from(AT_ONCE + WAITING_MAX).unwrap());
        let all = all.await.unwrap();
        assert!(matches!(hasher.hash("correct horse".into()).await, Err(Error::SignInsBusy)));
        drop(all);
        hasher.hash("correct horse".into()).await.unwrap();
    }
}
