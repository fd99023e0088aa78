use std::path::Path;

use axum::http::HeaderValue;

use crate::commands::CliError;

/// The longest token that the control plane accepts, in bytes.
const TOKEN_BYTES_MAX: usize = 1_024;

/// The value of the `authorization` header. `Debug` does not show it.
#[derive(Clone)]
pub(super) struct Credential(HeaderValue);

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credential(..)")
    }
}

impl Credential {
    /// Reads a token from a file.
    ///
    /// # Errors
    /// [`CliError::Setting`] if the file cannot be read or holds no token.
    pub(super) fn load(file: &Path) -> Result<Self, CliError> {
        let bad = |reason: String| CliError::Setting { setting: "--token-file", reason };
        let text = std::fs::read_to_string(file)
            .map_err(|error| bad(format!("{} cannot be read: {error}", file.display())))?;
        Self::new(&text).ok_or_else(|| bad(format!("{} holds no token", file.display())))
    }

    /// Returns the credential of a token, or none if the text is not a token.
    pub(super) fn new(token: &str) -> Option<Self> {
        let token = token.trim();
        let right =
            (1..=TOKEN_BYTES_MAX).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_graphic());
        let mut value =
            right.then(|| HeaderValue::from_str(&format!("Bearer {token}"))).and_then(Result::ok)?;
        value.set_sensitive(true);
        Some(Self(value))
    }

    /// Returns the value of the header `authorization`.
    pub(super) fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_taken_without_the_line_end_of_its_file_and_is_never_shown() {
        let credential = Credential::new("secret-token\n").unwrap();
        assert_eq!(credential.header(), "Bearer secret-token");
        assert!(!format!("{credential:?} {:?}", credential.header()).contains("secret"));
        for wrong in ["", " \n", "two words", "zwö", &"x".repeat(1_025)] {
            assert!(Credential::new(wrong).is_none(), "{wrong:?}");
        }
    }
}
