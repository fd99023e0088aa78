//! Refusals at the port of xDS. Each attempt counts, also where only the first one is logged.

use std::sync::atomic::{AtomicU64, Ordering};

use tonic::{Code, Status};

/// Why a connection, a stream or a request was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum XdsRefusal {
    /// The TLS handshake failed: the client has no certificate, or one of another authority.
    Tls,
    /// The certificate has none of the names that the group requires.
    Certificate,
    /// The token of the group is wrong or missing.
    Token,
    /// There is nothing for the group.
    UnknownGroup,
    /// Another node is connected with the node id.
    NodeIdTaken,
    /// The maximum number of streams is open.
    TooManyStreams,
    /// A request without a node id, or one beyond its bounds.
    BadRequest,
    /// The first request did not arrive in time.
    Late,
    /// A request beside xDS from a sender that is admitted to no group, or not to that of the node that it speaks for.
    Report,
}

impl XdsRefusal {
    /// All reasons, in the order of their declaration.
    pub const ALL: [Self; 9] = [
        Self::Tls,
        Self::Certificate,
        Self::Token,
        Self::UnknownGroup,
        Self::NodeIdTaken,
        Self::TooManyStreams,
        Self::BadRequest,
        Self::Late,
        Self::Report,
    ];

    /// Returns the name of the reason in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tls => "tls",
            Self::Certificate => "certificate",
            Self::Token => "token",
            Self::UnknownGroup => "unknown_group",
            Self::NodeIdTaken => "node_id_taken",
            Self::TooManyStreams => "too_many_streams",
            Self::BadRequest => "bad_request",
            Self::Late => "late",
            Self::Report => "report",
        }
    }
}

/// The number of refusals since the start, by reason.
#[derive(Debug, Default)]
pub struct XdsRefusalCounts([AtomicU64; XdsRefusal::ALL.len()]);

impl XdsRefusalCounts {
    /// Counts a refusal.
    pub fn count(&self, reason: XdsRefusal) {
        self.0[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Returns the number of refusals for this reason.
    #[must_use]
    pub fn of(&self, reason: XdsRefusal) -> u64 {
        self.0[reason as usize].load(Ordering::Relaxed)
    }
}

/// The end of a stream by the server.
#[derive(Debug)]
pub(crate) struct StreamEnd {
    /// The refusal to count; `None` if the node is not at fault.
    pub(crate) refusal: Option<XdsRefusal>,
    /// The status that the node receives.
    pub(crate) status: Status,
}

impl StreamEnd {
    pub(crate) fn refused(refusal: XdsRefusal, status: Status) -> Self {
        Self { refusal: Some(refusal), status }
    }
}

impl From<Status> for StreamEnd {
    fn from(status: Status) -> Self {
        let refusal = match status.code() {
            Code::PermissionDenied => Some(XdsRefusal::UnknownGroup),
            Code::AlreadyExists => Some(XdsRefusal::NodeIdTaken),
            Code::InvalidArgument | Code::ResourceExhausted | Code::OutOfRange => {
                Some(XdsRefusal::BadRequest)
            }
            Code::DeadlineExceeded => Some(XdsRefusal::Late),
            _ => None,
        };
        Self { refusal, status }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_for_which_the_node_is_not_at_fault_is_no_refusal() {
        for (status, refusal) in [
            (Status::permission_denied(""), Some(XdsRefusal::UnknownGroup)),
            (Status::already_exists(""), Some(XdsRefusal::NodeIdTaken)),
            (Status::invalid_argument(""), Some(XdsRefusal::BadRequest)),
            (Status::resource_exhausted(""), Some(XdsRefusal::BadRequest)),
            (Status::out_of_range(""), Some(XdsRefusal::BadRequest)),
            (Status::deadline_exceeded(""), Some(XdsRefusal::Late)),
            (Status::unavailable("the control plane is shutting down"), None),
            (Status::internal(""), None),
            (Status::cancelled(""), None),
        ] {
            assert_eq!(StreamEnd::from(status.clone()).refusal, refusal, "{status}");
        }
    }

    #[test]
    fn every_reason_has_a_name_and_a_count_of_its_own() {
        let refusals = XdsRefusalCounts::default();
        for (at, reason) in XdsRefusal::ALL.into_iter().enumerate() {
            (0..=at).for_each(|_| refusals.count(reason));
        }
        for (at, reason) in XdsRefusal::ALL.into_iter().enumerate() {
            assert_eq!(refusals.of(reason), at as u64 + 1, "{}", reason.as_str());
            assert!(XdsRefusal::ALL[..at].iter().all(|other| other.as_str() != reason.as_str()));
        }
    }
}
