//! Who may do what: changes need the admin token; reads need it too, unless they come from this machine.

use std::{
    io::{ErrorKind, Write},
    net::{IpAddr, SocketAddr},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::{HeaderMap, header, request::Parts},
};
use subtle::ConstantTimeEq;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};

use super::ApiState;
use crate::{error::Error, store::Who};

const TOKEN_BYTES: usize = 32;

/// The secret that a change needs. It shows itself nowhere.
pub struct AdminToken(String);

impl std::fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AdminToken(..)")
    }
}

impl AdminToken {
    /// Reads the token from its file, or makes one up and writes it there, readable by its owner alone.
    ///
    /// # Errors
    /// [`Error::File`] where the file cannot be read or written, or holds no token.
    pub fn load_or_create(file: &Path) -> Result<Self, Error> {
        let mut bytes = [0_u8; TOKEN_BYTES];
        getrandom::fill(&mut bytes).map_err(|error| Error::file(file, error))?;
        let token: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let created = std::fs::File::options().write(true).create_new(true).mode(0o600).open(file);
        match created.and_then(|mut open| open.write_all(token.as_bytes()).and_then(|()| open.sync_all())) {
            Ok(()) => Ok(Self(token)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Self::load(file),
            Err(error) => Err(Error::file(file, error)),
        }
    }

    /// Reads the token from its file.
    ///
    /// # Errors
    /// [`Error::File`] where the file cannot be read or holds no token.
    pub fn load(file: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(file).map_err(|error| Error::file(file, error))?;
        let token = text.trim();
        let right = (16..=1_024).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_graphic());
        if right {
            return Ok(Self(token.to_owned()));
        }
        Err(Error::file(file, "it holds no admin token; remove it, and the next start makes a new one"))
    }

    /// The value of the `Authorization` header of a request that may change things.
    #[must_use]
    pub fn authorization(&self) -> String {
        format!("Bearer {}", self.0)
    }

    /// Whether the headers carry the token. Takes as long for a wrong one as for the right one.
    fn is_in(&self, headers: &HeaderMap) -> Option<bool> {
        let given = headers.get(header::AUTHORIZATION)?.as_bytes();
        let (scheme, given) = given.split_at_checked(7)?;
        let right = scheme.eq_ignore_ascii_case(b"bearer ") && bool::from(given.ct_eq(self.0.as_bytes()));
        Some(right)
    }
}

/// A request that may change things: it carries the token. Who it is stands in the audit rows.
pub(super) struct Admin(pub(super) Who);

impl FromRequestParts<ApiState> for Admin {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Error> {
        match state.token.is_in(&parts.headers) {
            Some(true) => Ok(Self(Who::ADMIN_TOKEN)),
            Some(false) => Err(Error::Unauthorized(
                "the admin token is wrong; it is in `admin-token` in the state directory",
            )),
            None => Err(Error::Unauthorized(
                "changes need the admin token: send `Authorization: Bearer TOKEN`; it is in `admin-token` in the state directory",
            )),
        }
    }
}

/// A request that may read: it comes from this machine and names it, or carries the token.
///
/// The name in `Host` counts because a page of another site may make a browser on this machine ask us under a name that
/// it has pointed here.
pub(super) struct Reader;

impl FromRequestParts<ApiState> for Reader {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Error> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let here = peer.is_some_and(|ConnectInfo(peer)| peer.ip().to_canonical().is_loopback());
        if here && names_this_machine(parts) {
            return Ok(Self);
        }
        match state.token.is_in(&parts.headers) {
            Some(true) => Ok(Self),
            _ => Err(Error::Unauthorized(
                "without the admin token, reads are for this machine alone, by its loopback address",
            )),
        }
    }
}

fn names_this_machine(parts: &Parts) -> bool {
    let host = match (parts.uri.host(), parts.headers.get(header::HOST)) {
        (Some(host), _) => host,
        (None, Some(host)) => match host.to_str() {
            Ok(host) => {
                host.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')).map_or(host, |(host, _)| host)
            }
            Err(_) => return false,
        },
        // HTTP/1.0: no browser.
        (None, None) => return true,
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

/// Puts the way to authenticate into the API's description.
pub(super) struct BearerScheme;

impl utoipa::Modify for BearerScheme {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        let components = api.components.get_or_insert_with(Default::default);
        components.add_security_scheme("admin_token", SecurityScheme::Http(scheme));
    }
}
