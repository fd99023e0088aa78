use std::sync::{Arc, OnceLock};

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher as _, PasswordVerifier as _},
};
use serde::Deserialize;
use slotway_runtime::RuntimeError;
use tokio::sync::Semaphore;

use crate::{error::IdentityError, secret};

/// Valid lengths of a password, in bytes.
pub const PASSWORD_BYTES: std::ops::RangeInclusive<usize> = 12..=256;

/// OWASP's Password Storage Cheat Sheet for argon2id: 19 MiB, 2 passes, 1 lane.
const MEMORY_KIB: u32 = 19 * 1_024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
const SALT_BYTES: usize = 16;

/// Concurrent hashes; each takes 19 MiB and a processor for tens of milliseconds.
const CONCURRENT_MAX: usize = 2;
/// Waiting hashes; further ones fail with [`IdentityError::SignInsBusy`].
const WAITING_MAX: usize = 32;

/// A password. `Debug` hides it.
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
    /// Checks that this is an acceptable password for a user. The length counts, not the kinds of characters (NIST SP 800-63B, section
    /// 5.1.1.2).
    ///
    /// # Errors
    /// The reason.
    pub fn check(&self, name: &str) -> Result<(), String> {
        let (min, max) = (PASSWORD_BYTES.start(), PASSWORD_BYTES.end());
        if !PASSWORD_BYTES.contains(&self.0.len()) {
            return Err(format!("a password has from {min} to {max} bytes, this one has {}", self.0.len()));
        }
        if self.0.eq_ignore_ascii_case(name) {
            return Err("the password must not be the name of the user".to_owned());
        }
        let first = self.0.chars().next();
        if self.0.chars().all(|character| Some(character) == first) {
            return Err("the password must not repeat a single character".to_owned());
        }
        Ok(())
    }
}

/// Hashes passwords, with a bound on the memory.
pub(crate) struct PasswordHasher {
    argon2: Argon2<'static>,
    running: Arc<Semaphore>,
    /// Permits for running and waiting hashes.
    admitted: Arc<Semaphore>,
    /// The hash of a random password. The check of a name without a password uses it, so that it takes as long as any other.
    dummy_hash: OnceLock<String>,
}

impl PasswordHasher {
    pub(crate) fn new() -> Result<Self, IdentityError> {
        let params = Params::new(MEMORY_KIB, PASSES, LANES, None)
            .map_err(|error| RuntimeError::system("choosing how to hash passwords", error))?;
        Ok(Self {
            argon2: Argon2::new(Algorithm::Argon2id, Version::V0x13, params),
            running: Arc::new(Semaphore::new(CONCURRENT_MAX)),
            admitted: Arc::new(Semaphore::new(CONCURRENT_MAX + WAITING_MAX)),
            dummy_hash: OnceLock::new(),
        })
    }

    /// Returns the PHC string of a password.
    ///
    /// # Errors
    /// [`IdentityError::SignInsBusy`].
    pub(crate) async fn hash(self: &Arc<Self>, password: Password) -> Result<String, IdentityError> {
        self.run(move |hasher| hasher.hash_now(&password)).await?
    }

    /// Returns whether a password has this hash. Without a hash the answer is `false`, after the same time.
    ///
    /// # Errors
    /// [`IdentityError::SignInsBusy`].
    pub(crate) async fn verify(
        self: &Arc<Self>,
        password: Password,
        hash: Option<String>,
    ) -> Result<bool, IdentityError> {
        self.run(move |hasher| {
            let has_password = hash.is_some();
            let hash = match hash {
                Some(hash) => hash,
                None => hasher.dummy_hash()?,
            };
            // A password that is too long takes no more time than a valid one.
            let given = &password.0.as_bytes()[..password.0.len().min(*PASSWORD_BYTES.end())];
            let is_match = hasher.argon2.verify_password(given, hash.as_str()).is_ok();
            Ok(is_match && has_password && password.0.len() == given.len())
        })
        .await?
    }

    fn dummy_hash(&self) -> Result<String, IdentityError> {
        if let Some(hash) = self.dummy_hash.get() {
            return Ok(hash.clone());
        }
        let hash = self.hash_now(&Password(secret::generate()?))?;
        Ok(self.dummy_hash.get_or_init(|| hash).clone())
    }

    fn hash_now(&self, password: &Password) -> Result<String, IdentityError> {
        let mut salt = [0_u8; SALT_BYTES];
        getrandom::fill(&mut salt).map_err(failed)?;
        let hash = self.argon2.hash_password_with_salt(password.0.as_bytes(), &salt).map_err(failed)?;
        Ok(hash.to_string())
    }

    /// Runs blocking work on its own thread once a permit is free.
    async fn run<R: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> R + Send + 'static,
    ) -> Result<R, IdentityError> {
        let admitted = self.admitted.clone().try_acquire_owned().map_err(|_| IdentityError::SignInsBusy)?;
        let running = self.running.clone().acquire_owned().await.map_err(|_| IdentityError::SignInsBusy)?;
        let hasher = Arc::clone(self);
        // The work owns the permits, not the request: a client that disconnects frees none while the work runs.
        let task = tokio::task::spawn_blocking(move || {
            let result = work(&hasher);
            drop((running, admitted));
            result
        });
        Ok(task.await.map_err(failed)?)
    }
}

fn failed(error: impl ToString) -> RuntimeError {
    RuntimeError::system("hashing a password", error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_long_and_not_the_name() {
        for (password, reason) in [
            ("eleven bytes"[..11].to_owned(), "from 12 to 256 bytes"),
            ("x".repeat(257), "from 12 to 256 bytes"),
            ("Ada@example.org".to_owned(), "must not be the name"),
            ("x".repeat(20), "single character"),
        ] {
            let refused = Password(password).check("ada@example.org").unwrap_err();
            assert!(refused.contains(reason), "{refused}");
        }
        Password("correct horse".to_owned()).check("ada@example.org").unwrap();
        assert!(!format!("{:?}", Password("correct horse".to_owned())).contains("horse"));
    }

    #[tokio::test]
    async fn only_the_exact_password_matches_and_the_hash_names_its_parameters() {
        let hasher = Arc::new(PasswordHasher::new().unwrap());
        let hash = hasher.hash("correct horse".into()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(hasher.verify("correct horse".into(), Some(hash.clone())).await.unwrap());
        for wrong in ["", "correct horsf", "correct horse ", &"x".repeat(100_000)] {
            assert!(!hasher.verify(wrong.into(), Some(hash.clone())).await.unwrap(), "{wrong}");
        }
        assert!(!hasher.verify("correct horse".into(), None).await.unwrap());
        assert_ne!(hasher.hash("correct horse".into()).await.unwrap(), hash, "each hash has its own salt");
        // Bytes beyond the longest valid password count.
        let long = hasher.hash("x".repeat(256).as_str().into()).await.unwrap();
        assert!(!hasher.verify("x".repeat(257).as_str().into(), Some(long)).await.unwrap());
    }

    #[tokio::test]
    async fn a_hash_beyond_the_queue_is_refused() {
        let hasher = Arc::new(PasswordHasher::new().unwrap());
        let permits = u32::try_from(CONCURRENT_MAX + WAITING_MAX).unwrap();
        let all = hasher.admitted.clone().acquire_many_owned(permits).await.unwrap();
        assert!(matches!(hasher.hash("correct horse".into()).await, Err(IdentityError::SignInsBusy)));
        drop(all);
        hasher.hash("correct horse".into()).await.unwrap();
    }
}
