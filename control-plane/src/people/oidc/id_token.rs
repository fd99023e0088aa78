use jsonwebtoken::{
    Algorithm, DecodingKey, Validation, decode, decode_header,
    errors::ErrorKind,
    jwk::{Jwk, JwkSet, KeyAlgorithm, PublicKeyUse},
};
use serde_json::{Map, Value};
use subtle::ConstantTimeEq;

use super::provider::{KEYS_MAX, Provider};
use crate::error::Error;

/// The algorithms of signatures that are taken. `none` is not one, nor is any whose key a client has, too.
const ALGORITHMS: [Algorithm; 2] = [Algorithm::RS256, Algorithm::ES256];
/// Largest token, in bytes.
const TOKEN_BYTES_MAX: usize = 64 * 1024;

/// What an ID token has to say.
pub(super) struct Expectation<'a> {
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    pub(super) nonce: &'a str,
}

/// What a token says, if the provider has signed it, for us, for this journey, and it holds now (OpenID Connect Core 1.0, section 3.1.3.7).
pub(super) async fn claims(
    provider: &Provider,
    token: &str,
    expected: &Expectation<'_>,
) -> Result<Map<String, Value>, Error> {
    let refused = |reason: &str| Error::OidcRefused(format!("the provider's ID token is refused: {reason}"));
    if token.len() > TOKEN_BYTES_MAX {
        return Err(refused("it is too large"));
    }
    let header = decode_header(token).map_err(|_| refused("it is no signed token"))?;
    if !ALGORITHMS.contains(&header.alg) {
        return Err(refused("its algorithm is neither RS256 nor ES256"));
    }
    let kid = header.kid.as_deref();
    let mut keys = candidates(&*provider.keys(false).await?, kid, header.alg);
    let mut outcome = verified(token, &keys, header.alg, expected);
    if matches!(outcome, Err(Refused::Signature)) {
        // The provider may have other keys by now.
        keys = candidates(&*provider.keys(true).await?, kid, header.alg);
        outcome = verified(token, &keys, header.alg, expected);
    }
    let claims = outcome.map_err(|why| refused(why.as_str()))?;
    let nonce = claims.get("nonce").and_then(Value::as_str).unwrap_or_default();
    if !bool::from(nonce.as_bytes().ct_eq(expected.nonce.as_bytes())) {
        return Err(refused("`nonce` is not what went with this browser"));
    }
    // 4 and 5: a token for several must say whom it was given to, and that is us.
    let several = claims.get("aud").and_then(Value::as_array).is_some_and(|all| all.len() > 1);
    match claims.get("azp").and_then(Value::as_str) {
        Some(party) if party == expected.client_id => {}
        None if !several => {}
        _ => return Err(refused("`azp` says that it was given to somebody else")),
    }
    if claims.get("sub").and_then(Value::as_str).is_none_or(str::is_empty) {
        return Err(refused("`sub` does not say who it is"));
    }
    Ok(claims)
}

/// Why a token is refused.
#[derive(Clone, Copy)]
enum Refused {
    Signature,
    Issuer,
    Audience,
    Expired,
    NotYet,
    Incomplete,
}

impl Refused {
    fn as_str(self) -> &'static str {
        match self {
            Self::Signature => "none of the provider's keys has signed it",
            Self::Issuer => "`iss` is another provider",
            Self::Audience => "`aud` is not this client",
            Self::Expired => "it has expired",
            Self::NotYet => "it does not hold yet",
            Self::Incomplete => {
                "it lacks `exp`, `iss`, `aud` or `sub`, or one of them is not what it should be"
            }
        }
    }
}

fn verified(
    token: &str,
    keys: &[DecodingKey],
    algorithm: Algorithm,
    expected: &Expectation<'_>,
) -> Result<Map<String, Value>, Refused> {
    let mut validation = Validation::new(algorithm);
    validation.set_issuer(&[expected.issuer]);
    validation.set_audience(&[expected.client_id]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    validation.validate_nbf = true;
    for key in keys {
        match decode::<Map<String, Value>>(token, key, &validation) {
            Ok(token) => return Ok(token.claims),
            Err(error) => match error.kind() {
                ErrorKind::InvalidIssuer => return Err(Refused::Issuer),
                ErrorKind::InvalidAudience => return Err(Refused::Audience),
                ErrorKind::ExpiredSignature => return Err(Refused::Expired),
                ErrorKind::ImmatureSignature => return Err(Refused::NotYet),
                ErrorKind::MissingRequiredClaim(_)
                | ErrorKind::InvalidClaimFormat(_)
                | ErrorKind::Json(_) => {
                    return Err(Refused::Incomplete);
                }
                // Another key may be the right one.
                _ => {}
            },
        }
    }
    Err(Refused::Signature)
}

/// The keys that may have signed it: those with the id that the token names, or else all that go with its algorithm.
fn candidates(keys: &JwkSet, kid: Option<&str>, algorithm: Algorithm) -> Vec<DecodingKey> {
    let only = if algorithm == Algorithm::ES256 { KeyAlgorithm::ES256 } else { KeyAlgorithm::RS256 };
    let may = |key: &&Jwk| {
        let common = &key.common;
        let for_signatures =
            common.public_key_use.as_ref().is_none_or(|use_| *use_ == PublicKeyUse::Signature);
        let named = kid.is_none_or(|kid| common.key_id.as_deref() == Some(kid));
        let alike = common.key_algorithm.is_none_or(|of_key| of_key == only);
        for_signatures && named && alike
    };
    let decoding =
        keys.keys.iter().take(KEYS_MAX).filter(may).filter_map(|key| DecodingKey::from_jwk(key).ok());
    decoding.filter(|key| key.family() == algorithm.family()).collect()
}
