use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{
    error::{Field, IdentityError},
    secret,
};

/// Longest path to return to, in bytes.
const RETURN_TO_BYTES_MAX: usize = 1_024;
/// Length of a generated secret, in characters.
const SECRET_CHARS: usize = 43;

/// The values of one sign-in that the browser keeps in a cookie while it is at the provider.
///
/// The user of the browser may read and change them, which only makes their own sign-in fail. `state` ties the answer to the browser,
/// `nonce` the ID token to the sign-in. The code verifier ties the code to it; the provider first sees its hash alone.
pub(super) struct AuthorizationFlow {
    pub(super) state: String,
    pub(super) nonce: String,
    pub(super) code_verifier: String,
    pub(super) return_to: String,
}

impl AuthorizationFlow {
    pub(super) fn begin(return_to: &str) -> Result<Self, IdentityError> {
        if !is_local_path(return_to) {
            let reason = "use a path of this server, such as /: at most 1024 visible ASCII characters, no `//` or `\\` at the \
                          beginning"
                .to_owned();
            return Err(IdentityError::Invalid { field: Field::ReturnTo, reason });
        }
        Ok(Self {
            state: secret::generate()?,
            nonce: secret::generate()?,
            code_verifier: secret::generate()?,
            return_to: return_to.to_owned(),
        })
    }

    /// Returns the flow as a cookie value.
    pub(super) fn encode(&self) -> String {
        let Self { state, nonce, code_verifier, return_to } = self;
        format!("{state}.{nonce}.{code_verifier}.{}", URL_SAFE_NO_PAD.encode(return_to))
    }

    /// Parses a cookie value.
    pub(super) fn decode(cookie: &str) -> Option<Self> {
        let mut fields = cookie.split('.').map(str::to_owned);
        let (state, nonce, code_verifier) = (fields.next()?, fields.next()?, fields.next()?);
        let return_to =
            URL_SAFE_NO_PAD.decode(fields.next()?).ok().and_then(|path| String::from_utf8(path).ok())?;
        let is_complete = fields.next().is_none()
            && [&state, &nonce, &code_verifier].iter().all(|field| field.len() >= SECRET_CHARS);
        // The cookie may have been replaced by another.
        (is_complete && is_local_path(&return_to)).then_some(Self { state, nonce, code_verifier, return_to })
    }

    pub(super) fn code_challenge(&self) -> String {
        secret::pkce_challenge(&self.code_verifier)
    }
}

/// Returns whether a redirection to this path stays on this server. A browser takes `//host` and `/\host` for other hosts, and removes
/// tabs and line ends first.
fn is_local_path(path: &str) -> bool {
    path.len() <= RETURN_TO_BYTES_MAX
        && path.starts_with('/')
        && !path.starts_with("//")
        && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_returns_to_paths_of_this_server_alone() {
        for local in ["/", "/pools?sort=a#b", "/a//b", "/@evil.example"] {
            assert!(is_local_path(local), "{local}");
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
            assert!(!is_local_path(other), "{other:?}");
        }
        assert!(!is_local_path(&format!("/{}", "a".repeat(RETURN_TO_BYTES_MAX))));
    }

    #[test]
    fn a_flow_is_decoded_as_encoded_and_a_changed_cookie_is_refused() {
        let flow = AuthorizationFlow::begin("/pools").unwrap();
        let cookie = flow.encode();
        let decoded = AuthorizationFlow::decode(&cookie).unwrap();
        assert_eq!(
            (decoded.state, decoded.nonce, decoded.return_to),
            (flow.state, flow.nonce, "/pools".to_owned())
        );
        for invalid in ["", "...", &cookie.replace('.', ""), &format!("{cookie}.x")] {
            assert!(AuthorizationFlow::decode(invalid).is_none(), "{invalid}");
        }
        let elsewhere = URL_SAFE_NO_PAD.encode("//evil.example");
        let (start, _) = cookie.rsplit_once('.').unwrap();
        assert!(AuthorizationFlow::decode(&format!("{start}.{elsewhere}")).is_none());
    }
}
