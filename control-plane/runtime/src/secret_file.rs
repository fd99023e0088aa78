use std::{io::ErrorKind, ops::RangeInclusive, path::Path};

use crate::{
    RuntimeError,
    bounded_read::{self, SECRET_BYTES_MAX},
    file::{self, IfExists},
};

/// Random bytes of a generated secret: 256 bits.
const RANDOM_BYTES: usize = 32;

/// A kind of secret that is kept in a file of mode 0600: 256 random bits in hexadecimal, or a text of the operator.
#[derive(Debug, Clone, Copy)]
pub struct SecretFile {
    /// The permitted length, in bytes. A secret has only visible ASCII characters.
    pub length: &'static RangeInclusive<usize>,
    /// What is wrong with a file that holds no such secret, and what to do.
    pub invalid: &'static str,
}

impl SecretFile {
    /// Reads the secret from its file, or generates one and writes it with mode 0600.
    ///
    /// # Errors
    /// [`RuntimeError::File`] if the file cannot be read or written, or holds no secret.
    pub fn load_or_create(&self, path: &Path) -> Result<String, RuntimeError> {
        let mut bytes = [0_u8; RANDOM_BYTES];
        getrandom::fill(&mut bytes).map_err(|error| RuntimeError::file(path, error))?;
        let secret: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        match file::write(path, secret.as_bytes(), IfExists::Fail) {
            Ok(()) => Ok(secret),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => self.load(path),
            Err(error) => Err(RuntimeError::file(path, error)),
        }
    }

    /// Reads the secret from its file.
    ///
    /// # Errors
    /// [`RuntimeError::File`] if the file cannot be read or holds no secret.
    pub fn load(&self, path: &Path) -> Result<String, RuntimeError> {
        let text = bounded_read::read_text(path, SECRET_BYTES_MAX)
            .map_err(|error| RuntimeError::file(path, error))?;
        let secret = text.trim();
        let is_valid =
            self.length.contains(&secret.len()) && secret.bytes().all(|byte| byte.is_ascii_graphic());
        if is_valid { Ok(secret.to_owned()) } else { Err(RuntimeError::file(path, self.invalid)) }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const KIND: SecretFile = SecretFile { length: &(32..=64), invalid: "no secret is in it" };

    #[test]
    fn a_secret_is_generated_once_for_its_owner_alone_and_then_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        assert!(KIND.load(&path).is_err(), "reading creates nothing");
        let secret = KIND.load_or_create(&path).unwrap();
        assert_eq!(secret.len(), 2 * RANDOM_BYTES);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(KIND.load_or_create(&path).unwrap(), secret);
        assert_eq!(KIND.load(&path).unwrap(), secret);
        assert_ne!(KIND.load_or_create(&directory.path().join("other")).unwrap(), secret);
    }

    #[test]
    fn a_file_without_a_secret_is_refused_and_stays_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        for text in ["", "too short", &"x".repeat(65), &format!("{} {}", "x".repeat(20), "x".repeat(20))] {
            std::fs::write(&path, text).unwrap();
            let error = KIND.load_or_create(&path).unwrap_err().to_string();
            assert!(error.contains("no secret is in it") && error.contains("secret:"), "{error}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
        std::fs::write(&path, format!("{}\n", "x".repeat(32))).unwrap();
        assert_eq!(KIND.load(&path).unwrap(), "x".repeat(32), "a line feed at its end is not part of it");
    }
}
