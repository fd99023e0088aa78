//! The values of a request that identify its sender.

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::ConnectInfo,
    http::{header, request::Parts},
};
use slotway_identity::Credentials;

use super::cookies;

/// The header with the CSRF token of a session.
pub(super) const CSRF_HEADER: &str = "x-csrf-token";

/// Returns the credentials of a request.
pub(super) fn credentials(parts: &Parts) -> Credentials<'_> {
    Credentials {
        authorization: parts.headers.get(header::AUTHORIZATION).map(|value| value.as_bytes()),
        session_id: cookies::session_id(parts),
        csrf_token: parts.headers.get(CSRF_HEADER).map(|value| value.as_bytes()),
        may_change: !parts.method.is_safe(),
        is_local: is_local(parts),
    }
}

/// Returns the address of the client.
pub(super) fn peer(parts: &Parts) -> Option<IpAddr> {
    parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip().to_canonical())
}

/// Returns whether a request comes from this machine and is addressed to it by a loopback name.
///
/// `Host` counts because of DNS rebinding: a page of another site can make a browser on this machine send requests here under a
/// name of that site.
fn is_local(parts: &Parts) -> bool {
    peer(parts).is_some_and(|peer| peer.is_loopback()) && is_addressed_to_loopback(parts)
}

fn is_addressed_to_loopback(parts: &Parts) -> bool {
    let host = match (parts.uri.host(), parts.headers.get(header::HOST)) {
        (Some(host), _) => host,
        (None, Some(host)) => match host.to_str() {
            Ok(host) => {
                host.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')).map_or(host, |(host, _)| host)
            }
            Err(_) => return false,
        },
        // HTTP/1.0, which browsers do not send.
        (None, None) => return true,
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use axum::http::{Method, Request};

    use super::*;

    fn request(method: Method, headers: &[(&str, &str)], address: &str) -> Parts {
        let mut request = Request::builder().method(method).uri("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        parts.extensions.insert(ConnectInfo(SocketAddr::new(address.parse().unwrap(), 1)));
        parts
    }

    #[test]
    fn only_unsafe_methods_may_change_something() {
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            assert!(credentials(&request(method, &[], "192.0.2.1")).may_change);
        }
        for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
            assert!(!credentials(&request(method, &[], "192.0.2.1")).may_change);
        }
    }

    #[test]
    fn a_local_request_has_a_loopback_address_and_a_loopback_host() {
        for (host, address, is_local) in [
            (None, "127.0.0.1", true),
            (Some("localhost:8080"), "::1", true),
            (Some("[::1]"), "127.0.0.2", true),
            (Some("127.0.0.1:8080"), "::ffff:127.0.0.1", true),
            (Some("evil.example"), "127.0.0.1", false),
            (Some("localhost"), "192.0.2.1", false),
        ] {
            let headers: Vec<_> = host.map(|host| ("host", host)).into_iter().collect();
            let parts = request(Method::GET, &headers, address);
            assert_eq!(credentials(&parts).is_local, is_local, "{host:?} {address}");
        }
    }
}
