use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::ConnectInfo,
    http::{header, request::Parts},
};
use serde::{Deserialize, Serialize};

use super::SessionId;
use crate::store::Who;

/// What somebody may do; each scope holds the ones before it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Look at everything but people and their tokens, and change nothing.
    Read,
    /// Change workers, too: what an autoscaler or a worker's start script does.
    Workers,
    /// Everything.
    Admin,
}

impl Scope {
    /// As it stands in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Workers => "workers",
            Self::Admin => "admin",
        }
    }
}

/// How somebody has shown who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Means {
    /// They ask from this machine, and have shown nothing.
    Local,
    /// By the admin token.
    AdminToken,
    /// By a token, whose it is.
    Token {
        /// The person whose token it is; none for one that was made with the admin token.
        owner: Option<String>,
    },
    /// By the session of a person.
    Session {
        /// The person.
        user: String,
        /// The session.
        id: SessionId,
    },
}

/// Who sends a request, and what they may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// As it stands in the audit rows.
    pub who: Who,
    /// What they may do.
    pub scope: Scope,
    /// How they have shown it.
    pub means: Means,
}

impl Identity {
    /// Somebody on this machine, without credentials: may read.
    pub const LOCAL: Self = Self { who: Who::LOCAL, scope: Scope::Read, means: Means::Local };
    /// Whoever has the admin token.
    pub const ADMIN_TOKEN: Self =
        Self { who: Who::ADMIN_TOKEN, scope: Scope::Admin, means: Means::AdminToken };

    /// The person who asks, themselves or by a token of theirs.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        match &self.means {
            Means::Session { user, .. } => Some(user),
            Means::Token { owner } => owner.as_deref(),
            Means::Local | Means::AdminToken => None,
        }
    }

    /// Whether they have signed in.
    #[must_use]
    pub fn has_session(&self) -> bool {
        matches!(self.means, Means::Session { .. })
    }
}

/// The address that a request comes from.
pub(crate) fn peer(parts: &Parts) -> Option<IpAddr> {
    parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip().to_canonical())
}

/// Whether a request comes from this machine and names it.
///
/// The name in `Host` counts because a page of another site may make a browser on this machine ask us under a name that
/// it has pointed here.
pub(super) fn is_local(parts: &Parts) -> bool {
    peer(parts).is_some_and(|peer| peer.is_loopback()) && names_this_machine(parts)
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
