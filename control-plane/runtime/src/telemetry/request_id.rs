use std::fmt;

use axum::http::{HeaderMap, HeaderName, HeaderValue};

/// The header with the id of a request, which correlates logs.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The longest id that a client may choose, in bytes.
const REQUEST_ID_BYTES_MAX: usize = 128;

/// The id of a request: the client's own if it has only safe characters, else 128 random bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(String);

impl RequestId {
    /// Returns the id that the request states, or a random one if it states none or one with unsafe characters.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let given = headers.get(REQUEST_ID).and_then(|given| given.to_str().ok());
        given.filter(|given| is_sane(given)).map_or_else(Self::made, |given| Self(given.to_owned()))
    }

    fn made() -> Self {
        let mut bytes = [0_u8; 16];
        // Without randomness it is all zeros; an id that is not unique is harmless.
        let _ = getrandom::fill(&mut bytes);
        Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Returns the id as a header's value.
    #[must_use]
    pub fn header(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(&self.0).ok()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Says whether the text has only letters, digits and separators, which no log or terminal interprets.
fn is_sane(given: &str) -> bool {
    (1..=REQUEST_ID_BYTES_MAX).contains(&given.len())
        && given.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sane_id_is_kept_and_another_one_is_made_anew() {
        let of = |given: &[u8]| {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID, HeaderValue::from_bytes(given).unwrap());
            RequestId::of(&headers).to_string()
        };
        for kept in ["7f3a", "a:b/c+d=.e_f-g", &"x".repeat(128)] {
            assert_eq!(of(kept.as_bytes()), kept);
        }
        for replaced in ["", "two words", "\"", "a\tb", &"x".repeat(129), "ü"] {
            let made = of(replaced.as_bytes());
            assert_eq!((made.len(), is_sane(&made)), (32, true), "{replaced:?}");
        }
        assert_ne!(RequestId::of(&HeaderMap::new()), RequestId::of(&HeaderMap::new()));
    }
}
