use std::path::Path;

use slotway_runtime::SecretFile;
use subtle::ConstantTimeEq;

use crate::error::IdentityError;

const FILE: SecretFile = SecretFile {
    length: &(16..=1_024),
    invalid: "it holds no admin token; delete the file, and the next start generates a new token",
};

/// The secret in the state directory that gives the scope `admin`. It works before the first user exists. `Debug` hides it.
pub struct AdminToken(String);

impl std::fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AdminToken(..)")
    }
}

impl AdminToken {
    /// Reads the token from its file, or generates one and writes it with mode 0600.
    ///
    /// # Errors
    /// [`RuntimeError::File`] if the file cannot be read or written, or holds no token.
    ///
    /// [`RuntimeError::File`]: slotway_runtime::RuntimeError::File
    pub fn load_or_create(path: &Path) -> Result<Self, IdentityError> {
        Ok(Self(FILE.load_or_create(path)?))
    }

    /// Reads the token from its file.
    ///
    /// # Errors
    /// [`RuntimeError::File`] if the file cannot be read or holds no token.
    ///
    /// [`RuntimeError::File`]: slotway_runtime::RuntimeError::File
    pub fn load(path: &Path) -> Result<Self, IdentityError> {
        Ok(Self(FILE.load(path)?))
    }

    /// Returns the value of the `Authorization` header that carries the token.
    #[must_use]
    pub fn authorization(&self) -> String {
        format!("Bearer {}", self.0)
    }

    /// Compares a given token with this one, in constant time.
    #[must_use]
    pub fn matches(&self, given: &[u8]) -> bool {
        bool::from(given.ct_eq(self.0.as_bytes()))
    }
}
