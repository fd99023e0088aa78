//! The cookies of the API (RFC 6265). No script can read them.

use std::time::Duration;

use axum::http::{header, request::Parts};
use slotway_identity::SessionId;

/// The path to which the OIDC provider redirects browsers.
pub const OIDC_CALLBACK: &str = "/api/v1/oidc/callback";
/// The cookie with the id of a session.
pub(super) const SESSION_COOKIE: &str = "slotway_session";
/// The cookie with the state of a sign-in with the OIDC provider.
const OIDC_COOKIE: &str = "slotway_oidc";
/// Longest time that a browser may stay at the OIDC provider.
const OIDC_SIGN_IN_TIMEOUT: Duration = Duration::from_secs(10 * 60);

/// Returns the `Set-Cookie` with a session. Without `Max-Age`, the browser deletes it when it closes.
pub(super) fn set_session(id: &SessionId, secure: bool) -> String {
    cookie(SESSION_COOKIE, id.expose(), "/", "Strict", None, secure)
}

/// Returns the `Set-Cookie` that deletes the session's cookie.
pub(super) fn delete_session(secure: bool) -> String {
    cookie(SESSION_COOKIE, "", "/", "Strict", Some(Duration::ZERO), secure)
}

/// Returns the `Set-Cookie` with the state of a sign-in with the OIDC provider.
pub(super) fn set_oidc_flow(flow: &str, secure: bool) -> String {
    oidc_cookie(flow, OIDC_SIGN_IN_TIMEOUT, secure)
}

/// Returns the `Set-Cookie` that deletes the state of a sign-in with the OIDC provider.
pub(super) fn delete_oidc_flow(secure: bool) -> String {
    oidc_cookie("", Duration::ZERO, secure)
}

/// Returns the id of a session that a request carries.
pub(super) fn session_id(parts: &Parts) -> Option<&str> {
    value(parts, SESSION_COOKIE)
}

/// Returns the state of a sign-in with the OIDC provider that a request carries.
pub(super) fn oidc_flow(parts: &Parts) -> Option<&str> {
    value(parts, OIDC_COOKIE)
}

/// Returns the value of the first cookie with a name, unless it is empty.
fn value<'a>(parts: &'a Parts, wanted: &str) -> Option<&'a str> {
    let headers = parts.headers.get_all(header::COOKIE).iter().filter_map(|header| header.to_str().ok());
    let mut pairs =
        headers.flat_map(|header| header.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let (_, value) = pairs.find(|(name, _)| *name == wanted)?;
    (!value.is_empty()).then_some(value)
}

fn oidc_cookie(value: &str, max_age: Duration, secure: bool) -> String {
    let path = OIDC_CALLBACK.rsplit_once('/').map_or("/", |(path, _)| path);
    // Lax: a page of the provider sends the browser back.
    cookie(OIDC_COOKIE, value, path, "Lax", Some(max_age), secure)
}

fn cookie(
    name: &str,
    value: &str,
    path: &str,
    same_site: &str,
    max_age: Option<Duration>,
    secure: bool,
) -> String {
    let age = max_age.map(|age| format!("; Max-Age={}", age.as_secs())).unwrap_or_default();
    let secure = if secure { "; Secure" } else { "" };
    format!("{name}={value}; HttpOnly; SameSite={same_site}; Path={path}{age}{secure}")
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn sent(cookies: &[&str]) -> Parts {
        let request =
            cookies.iter().fold(Request::builder(), |request, cookie| request.header("cookie", *cookie));
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn the_first_cookie_of_the_name_counts_unless_it_is_empty() {
        for (cookies, found) in [
            (&["slotway_session=x"][..], Some("x")),
            (&["a=b; slotway_session=0000; slotway_session=1"], Some("0000")),
            (&["a=b", "slotway_session=x"], Some("x")),
            (&[""], None),
            (&["slotway_session="], None),
            (&["other=x"], None),
            (&["xslotway_session=x"], None),
        ] {
            assert_eq!(session_id(&sent(cookies)), found, "{cookies:?}");
        }
        assert_eq!(oidc_flow(&sent(&["slotway_session=x; slotway_oidc=a.b"])), Some("a.b"));
    }

    #[test]
    fn cookies_are_restricted_to_their_paths_and_to_tls() {
        assert_eq!(
            set_oidc_flow("a.b", true),
            "slotway_oidc=a.b; HttpOnly; SameSite=Lax; Path=/api/v1/oidc; Max-Age=600; Secure"
        );
        assert_eq!(delete_session(false), "slotway_session=; HttpOnly; SameSite=Strict; Path=/; Max-Age=0");
    }
}
