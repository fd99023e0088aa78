use std::{
    io::{ErrorKind, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use subtle::ConstantTimeEq;

use crate::error::Error;

const TOKEN_BYTES: usize = 32;

/// The secret in the state directory, with which everything may be done: what there is before there are people. It shows itself
/// nowhere.
pub struct AdminToken(String);

impl std::fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AdminToken(..)")
    }
}

impl AdminToken {
    /// Reads the token from its file, or makes one up and writes it there, readable by its owner alone.
    ///
    /// # Errors
    /// [`Error::File`] where the file cannot be read or written, or holds no token.
    pub fn load_or_create(file: &Path) -> Result<Self, Error> {
        let mut bytes = [0_u8; TOKEN_BYTES];
        getrandom::fill(&mut bytes).map_err(|error| Error::file(file, error))?;
        let token: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let created = std::fs::File::options().write(true).create_new(true).mode(0o600).open(file);
        match created.and_then(|mut open| open.write_all(token.as_bytes()).and_then(|()| open.sync_all())) {
            Ok(()) => Ok(Self(token)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Self::load(file),
            Err(error) => Err(Error::file(file, error)),
        }
    }

    /// Reads the token from its file.
    ///
    /// # Errors
    /// [`Error::File`] where the file cannot be read or holds no token.
    pub fn load(file: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(file).map_err(|error| Error::file(file, error))?;
        let token = text.trim();
        let right = (16..=1_024).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_graphic());
        if right {
            return Ok(Self(token.to_owned()));
        }
        Err(Error::file(file, "it holds no admin token; remove it, and the next start makes a new one"))
    }

    /// The value of the `Authorization` header of a request that may change things.
    #[must_use]
    pub fn authorization(&self) -> String {
        format!("Bearer {}", self.0)
    }

    /// Whether this is the token. Takes as long for a wrong one as for the right one.
    #[must_use]
    pub fn is(&self, given: &[u8]) -> bool {
        bool::from(given.ct_eq(self.0.as_bytes()))
    }
}
