//! Verifies signatures for jsonwebtoken with ring, which TLS uses already.

use jsonwebtoken::{
    Algorithm, DecodingKey, DecodingKeyKind,
    crypto::{CryptoProvider, JwtVerifier, KeyUtils},
    errors::{Error, ErrorKind},
    signature::{Error as WrongSignature, Verifier},
};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};

static RING: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| Err(unsupported()),
    verifier_factory: |algorithm, key| match algorithm {
        Algorithm::RS256 => Ok(Box::new(Rs256(key.clone()))),
        Algorithm::ES256 => Ok(Box::new(Es256(key.clone()))),
        _ => Err(unsupported()),
    },
    // For private keys and thumbprints, which are not used.
    key_utils: KeyUtils::new_unimplemented(),
};

/// Installs ring as the verifier of the process. A repeated call changes nothing.
pub(super) fn install() {
    let _ = RING.install_default();
}

fn unsupported() -> Error {
    ErrorKind::UnsupportedAlgorithm.into()
}

/// Verifies RSASSA-PKCS1-v1_5 with SHA-256, keys from 2,048 bits.
struct Rs256(DecodingKey);

impl Verifier<Vec<u8>> for Rs256 {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), WrongSignature> {
        let DecodingKeyKind::RsaModulusExponent { n, e } = self.0.kind() else {
            return Err(WrongSignature::new());
        };
        // ring accepts numbers without leading zeros only.
        let number = |bytes: &[u8]| bytes.iter().copied().skip_while(|byte| *byte == 0).collect::<Vec<_>>();
        let key = RsaPublicKeyComponents { n: number(n), e: number(e) };
        key.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature).map_err(|_| WrongSignature::new())
    }
}

impl JwtVerifier for Rs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::RS256
    }
}

/// Verifies ECDSA with P-256 and SHA-256 as in JWS (RFC 7518, section 3.4).
struct Es256(DecodingKey);

impl Verifier<Vec<u8>> for Es256 {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), WrongSignature> {
        let point = self.0.try_get_as_bytes().map_err(|_| WrongSignature::new())?;
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
        key.verify(message, signature).map_err(|_| WrongSignature::new())
    }
}

impl JwtVerifier for Es256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::ES256
    }
}
