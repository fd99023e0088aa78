use std::{io::ErrorKind, path::Path};

use slotway_runtime::{
    RuntimeError,
    file::{self, IfExists},
};
use subtle::ConstantTimeEq;

use crate::error::IdentityError;

const TOKEN_BYTES: usize = 32;

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
    pub fn load_or_create(path: &Path) -> Result<Self, IdentityError> {
        let mut bytes = [0_u8; TOKEN_BYTES];
        getrandom::fill(&mut bytes).map_err(|error| RuntimeError::file(path, error))?;
        let token: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        match file::write(path, token.as_bytes(), IfExists::Fail) {
            Ok(()) => Ok(Self(token)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Self::load(path),
            Err(error) => Err(RuntimeError::file(path, error).into()),
        }
    }

    /// Reads the token from its file.
    ///
    /// # Errors
    /// [`RuntimeError::File`] if the file cannot be read or holds no token.
    pub fn load(path: &Path) -> Result<Self, IdentityError> {
        let text = std::fs::read_to_string(path).map_err(|error| RuntimeError::file(path, error))?;
        let token = text.trim();
        let is_valid =
            (16..=1_024).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_graphic());
        if is_valid {
            return Ok(Self(token.to_owned()));
        }
        let reason = "it holds no admin token; delete the file, and the next start generates a new token";
        Err(RuntimeError::file(path, reason).into())
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
