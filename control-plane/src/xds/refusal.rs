//! Who was refused at the port of xDS, and how often: each try counts, also where only the first one is logged.

use std::sync::atomic::{AtomicU64, Ordering};

use tonic::{Code, Status};

/// Why somebody was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The connection did not come to an agreement on TLS: it shows no certificate, or one of another authority.
    Tls,
    /// The certificate has none of the names that the group asks for.
    Certificate,
    /// The group's token is wrong or missing.
    Token,
    /// No pool belongs to the group.
    UnknownGroup,
    /// Another Envoy is connected with the node id.
    NodeIdTaken,
    /// As many streams are open as there may be.
    TooManyStreams,
    /// A request without a node id, or one beyond its bounds.
    BadRequest,
    /// The first request did not come in time.
    Late,
    /// A report of somebody who is let into no group, or not into that of the coordinator.
    Report,
}

impl Refusal {
    /// Every reason, in the order of their declaration.
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

    /// The reason's name in metrics.
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

/// How often somebody was refused since the start, by reason.
#[derive(Debug, Default)]
pub struct Refusals([AtomicU64; Refusal::ALL.len()]);

impl Refusals {
    pub(crate) fn count(&self, reason: Refusal) {
        self.0[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// How often it was for this reason.
    #[must_use]
    pub fn of(&self, reason: Refusal) -> u64 {
        self.0[reason as usize].load(Ordering::Relaxed)
    }
}

/// How a stream ends that does not end by itself.
#[derive(Debug)]
pub(crate) struct Ended {
    /// What is counted; nothing where it is no fault of the node's.
    pub(crate) refusal: Option<Refusal>,
    /// What the node is told.
    pub(crate) status: Status,
}

impl Ended {
    pub(crate) fn refused(refusal: Refusal, status: Status) -> Self {
        Self { refusal: Some(refusal), status }
    }
}

impl From<Status> for Ended {
    fn from(status: Status) -> Self {
        let refusal = match status.code() {
            Code::PermissionDenied => Some(Refusal::UnknownGroup),
            Code::AlreadyExists => Some(Refusal::NodeIdTaken),
            Code::InvalidArgument | Code::ResourceExhausted | Code::OutOfRange => Some(Refusal::BadRequest),
            Code::DeadlineExceeded => Some(Refusal::Late),
            _ => None,
        };
        Self { refusal, status }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_that_ends_by_no_fault_of_the_nodes_is_no_refusal() {
        for (status, refusal) in [
            (Status::permission_denied(""), Some(Refusal::UnknownGroup)),
            (Status::already_exists(""), Some(Refusal::NodeIdTaken)),
            (Status::invalid_argument(""), Some(Refusal::BadRequest)),
            (Status::resource_exhausted(""), Some(Refusal::BadRequest)),
            (Status::out_of_range(""), Some(Refusal::BadRequest)),
            (Status::deadline_exceeded(""), Some(Refusal::Late)),
            (Status::unavailable("the control plane is shutting down"), None),
            (Status::internal(""), None),
            (Status::cancelled(""), None),
        ] {
            assert_eq!(Ended::from(status.clone()).refusal, refusal, "{status}");
        }
    }

    #[test]
    fn every_reason_has_a_name_and_a_count_of_its_own() {
        let refusals = Refusals::default();
        for (at, reason) in Refusal::ALL.into_iter().enumerate() {
            (0..=at).for_each(|_| refusals.count(reason));
        }
        for (at, reason) in Refusal::ALL.into_iter().enumerate() {
            assert_eq!(refusals.of(reason), at as u64 + 1, "{}", reason.as_str());
            assert!(Refusal::ALL[..at].iter().all(|other| other.as_str() != reason.as_str()));
        }
    }
}
