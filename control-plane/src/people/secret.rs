//! Secrets that are made up here, and what of them is kept.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use crate::error::Error;

/// How many random bytes a secret has: 256 bits, which nobody guesses.
const RANDOM_BYTES: usize = 32;

/// A new secret: 43 characters that may stand in a header, a cookie and a URL.
pub(super) fn made_up() -> Result<String, Error> {
    let mut bytes = [0_u8; RANDOM_BYTES];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::System { doing: "making up a secret", reason: error.to_string() })?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// What is kept of a secret. Its 256 bits are random, so a fast hash is enough: there is nothing to guess from a list of
/// likely ones, as there is with a password.
pub(super) fn hashed(secret: &str) -> String {
    Sha256::digest(secret.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Another secret that follows from one, for another use; the one does not follow from it.
pub(super) fn derived(secret: &str, of: &str) -> String {
    let hash = Sha256::new().chain_update(of.as_bytes()).chain_update([0]).chain_update(secret.as_bytes());
    URL_SAFE_NO_PAD.encode(hash.finalize())
}

/// RFC 7636, section 4.2: `S256`.
pub(super) fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_long_and_its_own_and_what_follows_from_it_differs_by_use() {
        let (one, other) = (made_up().unwrap(), made_up().unwrap());
        assert_eq!((one.len(), other.len()), (43, 43));
        assert_ne!(one, other);
        assert_ne!(derived(&one, "a"), derived(&one, "b"));
        assert_ne!(hashed(&one), hashed(&other));
    }

    /// RFC 7636, appendix B.
    #[test]
    fn a_challenge_is_as_the_rfc_has_it() {
        assert_eq!(
            challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
    }
}
