//! Generates secrets and derives the values that are stored or sent in their place.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use slotway_runtime::RuntimeError;

use crate::error::IdentityError;

/// Random bytes of a secret: 256 bits.
const RANDOM_BYTES: usize = 32;

/// Generates a secret: 43 characters that are valid in a header, a cookie and a URL.
pub(crate) fn generate() -> Result<String, IdentityError> {
    let mut bytes = [0_u8; RANDOM_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| RuntimeError::system("generating a secret", error))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// Returns the hash that is stored of a secret. A secret has 256 random bits, so a fast hash is enough: there is no list of likely
/// secrets to try, as there is for passwords.
pub(crate) fn hash(secret: &str) -> String {
    Sha256::digest(secret.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Derives a secret for another purpose. The original secret cannot be computed from it.
pub(crate) fn derive(secret: &str, purpose: &str) -> String {
    let hash =
        Sha256::new().chain_update(purpose.as_bytes()).chain_update([0]).chain_update(secret.as_bytes());
    URL_SAFE_NO_PAD.encode(hash.finalize())
}

/// Returns the PKCE code challenge of a verifier, method `S256` (RFC 7636, section 4.2).
pub(crate) fn pkce_challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_long_and_unique_and_derived_secrets_differ_by_purpose() {
        let (one, other) = (generate().unwrap(), generate().unwrap());
        assert_eq!((one.len(), other.len()), (43, 43));
        assert_ne!(one, other);
        assert_ne!(derive(&one, "a"), derive(&one, "b"));
        assert_ne!(hash(&one), hash(&other));
    }

    /// RFC 7636, appendix B.
    #[test]
    fn a_pkce_challenge_is_as_in_the_example_of_the_rfc() {
        assert_eq!(
            pkce_challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
    }
}
