use jsonwebtoken::{
    Algorithm, DecodingKey, Validation, decode, decode_header,
    errors::ErrorKind,
    jwk::{Jwk, JwkSet, KeyAlgorithm, PublicKeyUse},
};
use serde_json::{Map, Value};
use slotway_runtime::Moment;
use subtle::ConstantTimeEq;

use super::provider::{KEYS_MAX, Provider};
use crate::error::IdentityError;

/// Accepted signature algorithms: asymmetric ones alone, never `none`.
const ALGORITHMS: [Algorithm; 2] = [Algorithm::RS256, Algorithm::ES256];
/// Largest token, in bytes.
const TOKEN_BYTES_MAX: usize = 64 * 1024;
/// Accepted difference of the provider's clock, in seconds.
const LEEWAY_S: u64 = 60;

/// The required content of an ID token.
pub(super) struct ExpectedClaims<'a> {
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    pub(super) nonce: &'a str,
    pub(super) now: Moment,
}

/// Returns the claims of an ID token that the provider has signed for this client and this sign-in, and that is valid now (OpenID
/// Connect Core 1.0, section 3.1.3.7).
pub(super) async fn claims(
    provider: &Provider,
    token: &str,
    expected: &ExpectedClaims<'_>,
) -> Result<Map<String, Value>, IdentityError> {
    let refused =
        |reason: &str| IdentityError::OidcRefused(format!("the provider's ID token is refused: {reason}"));
    if token.len() > TOKEN_BYTES_MAX {
        return Err(refused("it is too large"));
    }
    let header = decode_header(token).map_err(|_| refused("it is not a signed token"))?;
    if !ALGORITHMS.contains(&header.alg) {
        return Err(refused("its algorithm is neither RS256 nor ES256"));
    }
    let key_id = header.kid.as_deref();
    let mut keys = matching_keys(&*provider.keys(false).await?, key_id, header.alg);
    let mut verified = verify(token, &keys, header.alg, expected);
    if matches!(verified, Err(Refusal::Signature)) {
        // The provider may have rotated its keys.
        keys = matching_keys(&*provider.keys(true).await?, key_id, header.alg);
        verified = verify(token, &keys, header.alg, expected);
    }
    let claims = verified.map_err(|refusal| refused(refusal.as_str()))?;
    let nonce = claims.get("nonce").and_then(Value::as_str).unwrap_or_default();
    if !bool::from(nonce.as_bytes().ct_eq(expected.nonce.as_bytes())) {
        return Err(refused("`nonce` is not the nonce of this sign-in"));
    }
    // Steps 4 and 5: a token with several audiences must name this client as the authorized party.
    let has_audiences = claims.get("aud").and_then(Value::as_array).is_some_and(|all| all.len() > 1);
    match claims.get("azp").and_then(Value::as_str) {
        Some(party) if party == expected.client_id => {}
        None if !has_audiences => {}
        _ => return Err(refused("`azp` is not this client")),
    }
    if claims.get("sub").and_then(Value::as_str).is_none_or(str::is_empty) {
        return Err(refused("`sub` is empty"));
    }
    Ok(claims)
}

/// The reason why a token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    Signature,
    Issuer,
    Audience,
    Expired,
    NotYetValid,
    Incomplete,
}

impl Refusal {
    fn as_str(self) -> &'static str {
        match self {
            Self::Signature => "none of the provider's keys has signed it",
            Self::Issuer => "`iss` is another provider",
            Self::Audience => "`aud` is not this client",
            Self::Expired => "it has expired",
            Self::NotYetValid => "it is not valid yet",
            Self::Incomplete => "`exp`, `iss`, `aud` or `sub` is missing or has a wrong type",
        }
    }
}

fn verify(
    token: &str,
    keys: &[DecodingKey],
    algorithm: Algorithm,
    expected: &ExpectedClaims<'_>,
) -> Result<Map<String, Value>, Refusal> {
    let mut validation = Validation::new(algorithm);
    validation.set_issuer(&[expected.issuer]);
    validation.set_audience(&[expected.client_id]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    // `check_times` compares with the injected clock.
    validation.validate_exp = false;
    validation.validate_nbf = false;
    for key in keys {
        match decode::<Map<String, Value>>(token, key, &validation) {
            Ok(token) => return check_times(&token.claims, expected.now).map(|()| token.claims),
            Err(error) => match error.kind() {
                ErrorKind::InvalidIssuer => return Err(Refusal::Issuer),
                ErrorKind::InvalidAudience => return Err(Refusal::Audience),
                ErrorKind::MissingRequiredClaim(_)
                | ErrorKind::InvalidClaimFormat(_)
                | ErrorKind::Json(_) => {
                    return Err(Refusal::Incomplete);
                }
                // Another key may match.
                _ => {}
            },
        }
    }
    Err(Refusal::Signature)
}

/// Checks `exp` and, if present, `nbf`.
fn check_times(claims: &Map<String, Value>, now: Moment) -> Result<(), Refusal> {
    let expires_at = claims.get("exp").and_then(numeric_date).ok_or(Refusal::Incomplete)?;
    let valid_from = claims.get("nbf").map(|from| numeric_date(from).ok_or(Refusal::Incomplete));
    let now_s = now.unix_s();
    if expires_at.saturating_add(LEEWAY_S) < now_s {
        return Err(Refusal::Expired);
    }
    if valid_from.transpose()?.is_some_and(|from| from > now_s.saturating_add(LEEWAY_S)) {
        return Err(Refusal::NotYetValid);
    }
    Ok(())
}

/// Returns a `NumericDate` (RFC 7519, section 2) in whole seconds.
fn numeric_date(value: &Value) -> Option<u64> {
    if let Some(seconds) = value.as_u64() {
        return Some(seconds);
    }
    let seconds = value.as_f64().filter(|seconds| (0.0..u64::MAX as f64).contains(seconds))?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is within the range")]
    Some(seconds.round() as u64)
}

/// Returns the keys that may have signed a token: the key with the token's key id, or all keys of its algorithm without one.
fn matching_keys(keys: &JwkSet, key_id: Option<&str>, algorithm: Algorithm) -> Vec<DecodingKey> {
    let key_algorithm = if algorithm == Algorithm::ES256 { KeyAlgorithm::ES256 } else { KeyAlgorithm::RS256 };
    let is_match = |key: &&Jwk| {
        let common = &key.common;
        let is_for_signatures =
            common.public_key_use.as_ref().is_none_or(|usage| *usage == PublicKeyUse::Signature);
        let has_id = key_id.is_none_or(|id| common.key_id.as_deref() == Some(id));
        let has_algorithm = common.key_algorithm.is_none_or(|of_key| of_key == key_algorithm);
        is_for_signatures && has_id && has_algorithm
    };
    let keys = keys.keys.iter().take(KEYS_MAX).filter(is_match);
    let decoding = keys.filter_map(|key| DecodingKey::from_jwk(key).ok());
    decoding.filter(|key| key.family() == algorithm.family()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn times_are_compared_with_the_injected_clock_and_a_minute_of_leeway() {
        let now = Moment::from_unix_ms(1_000_000);
        for (claims, outcome) in [
            (json!({ "exp": 1_000 }), Ok(())),
            (json!({ "exp": 940 }), Ok(())),
            (json!({ "exp": 939.6 }), Ok(())),
            (json!({ "exp": 939 }), Err(Refusal::Expired)),
            (json!({ "exp": 2_000, "nbf": 1_060 }), Ok(())),
            (json!({ "exp": 2_000, "nbf": 1_061 }), Err(Refusal::NotYetValid)),
            (json!({ "exp": 2_000, "nbf": "soon" }), Err(Refusal::Incomplete)),
            (json!({ "exp": "2000" }), Err(Refusal::Incomplete)),
            (json!({ "exp": -1 }), Err(Refusal::Incomplete)),
            (json!({}), Err(Refusal::Incomplete)),
        ] {
            let Value::Object(claims) = claims else { unreachable!() };
            assert_eq!(check_times(&claims, now), outcome, "{claims:?}");
        }
    }
}
