use std::time::Duration;

use axum::http::request::Parts;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::journey_cookie;
use crate::{
    error::Error,
    people::{secret, sessions::cookie_of},
};

/// The name of the cookie.
pub(super) const COOKIE: &str = "slotway_oidc";
/// How long a browser may be away.
const AWAY: Duration = Duration::from_secs(10 * 60);
/// Longest path to return to, in bytes.
const RETURN_TO_BYTES_MAX: usize = 1_024;

/// What goes with a browser to the provider and must be the same when it comes back.
///
/// The browser's person may read and change it: that only harms their own journey. `state` ties the return to this browser, `nonce` the
/// token to this journey, and the verifier (which never leaves for the provider but as a hash) the code to it.
pub(super) struct Journey {
    pub(super) state: String,
    pub(super) nonce: String,
    pub(super) verifier: String,
    pub(super) return_to: String,
}

impl Journey {
    pub(super) fn begin(return_to: &str) -> Result<Self, Error> {
        if !is_ours(return_to) {
            let reason = "it is a path of this API's, as in /: no other address, at most 1024 visible ASCII characters".to_owned();
            return Err(Error::BadBody { index: None, field: Some("return_to".to_owned()), reason });
        }
        Ok(Self {
            state: secret::made_up()?,
            nonce: secret::made_up()?,
            verifier: secret::made_up()?,
            return_to: return_to.to_owned(),
        })
    }

    /// The journey that this browser is on.
    pub(super) fn of(parts: &Parts) -> Option<Self> {
        let cookie = cookie_of(parts, COOKIE)?;
        let mut fields = cookie.split('.').map(str::to_owned);
        let (state, nonce, verifier) = (fields.next()?, fields.next()?, fields.next()?);
        let return_to =
            URL_SAFE_NO_PAD.decode(fields.next()?).ok().and_then(|path| String::from_utf8(path).ok())?;
        let whole =
            fields.next().is_none() && [&state, &nonce, &verifier].iter().all(|field| field.len() >= 43);
        // Somebody may have put another one there.
        (whole && is_ours(&return_to)).then_some(Self { state, nonce, verifier, return_to })
    }

    pub(super) fn challenge(&self) -> String {
        secret::challenge(&self.verifier)
    }

    pub(super) fn cookie(&self, secure: bool) -> String {
        let Self { state, nonce, verifier, return_to } = self;
        let value = format!("{state}.{nonce}.{verifier}.{}", URL_SAFE_NO_PAD.encode(return_to));
        journey_cookie(&value, AWAY, secure)
    }
}

/// The `Set-Cookie` that ends a journey.
pub(super) fn no_cookie(secure: bool) -> String {
    journey_cookie("", Duration::ZERO, secure)
}

/// Whether a browser that is sent there stays here. `//host` and `/\host` are other hosts to a browser, and it leaves tabs and line ends
/// out before it looks.
fn is_ours(path: &str) -> bool {
    path.len() <= RETURN_TO_BYTES_MAX
        && path.starts_with('/')
        && !path.starts_with("//")
        && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_sent_back_to_paths_of_ours_alone() {
        for ours in ["/", "/pools?sort=a#b", "/a//b", "/@evil.example"] {
            assert!(is_ours(ours), "{ours}");
        }
        for other in [
            "",
            "pools",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "/\t/evil.example",
            "/\n",
            "/ a",
            "\\/evil.example",
            "/ü",
            "javascript:alert(1)",
        ] {
            assert!(!is_ours(other), "{other:?}");
        }
        assert!(!is_ours(&format!("/{}", "a".repeat(RETURN_TO_BYTES_MAX))));
    }

    #[test]
    fn a_journey_comes_back_as_it_left_or_not_at_all() {
        let journey = Journey::begin("/pools").unwrap();
        let cookie = journey.cookie(true);
        assert!(
            cookie.contains("HttpOnly; SameSite=Lax; Path=/api/v1/oidc; Max-Age=600; Secure"),
            "{cookie}"
        );
        let pair = cookie.split(';').next().unwrap();
        let sent = |cookie: &str| {
            let request = axum::http::Request::builder().header("cookie", cookie).body(()).unwrap();
            Journey::of(&request.into_parts().0)
        };
        let back = sent(&format!("a=b; {pair}")).unwrap();
        assert_eq!(
            (back.state, back.nonce, back.return_to),
            (journey.state, journey.nonce, "/pools".to_owned())
        );
        for wrong in ["", "slotway_oidc=", "slotway_oidc=...", &pair.replace('.', ""), &format!("{pair}.x")] {
            assert!(sent(wrong).is_none(), "{wrong}");
        }
        let elsewhere = URL_SAFE_NO_PAD.encode("//evil.example");
        let (start, _) = pair.rsplit_once('.').unwrap();
        assert!(sent(&format!("{start}.{elsewhere}")).is_none());
    }
}
