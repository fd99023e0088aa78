//! Where an answer comes from.

use slotway_engine::ReleaseOutcome;

use crate::{LocalReplyReason, RequestOutcome};

/// The number of resets in a row, without any answer, after which a worker counts as one that cannot be reached.
const RESETS_MAX: u32 = 3;

/// Where an answer comes from, and what it says about the worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerOrigin {
    /// The worker answered.
    Worker,
    /// Envoy answered: the worker could not be reached.
    Unreachable,
    /// Envoy answered: the connection to the worker ended before it answered, or its answer was not HTTP. That may be the fault of
    /// the request: a worker may close without having read a body that it refuses.
    Reset,
    /// Envoy answered: the worker took too long.
    TimedOut,
    /// Envoy answered, for a reason that says nothing about the worker.
    Proxy,
    /// The host does not say.
    Unknown,
}

/// What becomes of a slot when its answer begins or ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotFate {
    /// It is released with this outcome.
    Release(ReleaseOutcome),
    /// It is held for `abandoned_hold`, since the worker may still compute.
    Hold,
}

impl AnswerOrigin {
    /// Returns whether an answer with this status may come from Envoy: an error that a gateway sends, or an answer
    /// without a body (gRPC's trailers). Every other answer is the worker's, which saves a host call.
    #[must_use]
    pub fn may_be_proxys(status: &str, ends: bool) -> bool {
        ends || matches!(status, "404" | "408" | "413" | "500" | "502" | "503" | "504")
    }

    /// Reads Envoy's `response.code_details`.
    ///
    /// <https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/response_code_details>
    #[must_use]
    pub fn from_code_details(details: &str) -> Self {
        const OVERFLOW: &str = "overflow";
        const FAILURES_TO_CONNECT: [&str; 3] = ["connection_failure", "connect_error", "connection_timeout"];
        match details.split('{').next().unwrap_or_default() {
            "via_upstream" => Self::Worker,
            "response_timeout"
            | "upstream_response_timeout"
            | "upstream_per_try_timeout"
            | "upstream_max_stream_duration_reached" => Self::TimedOut,
            // The limits of the cluster say nothing about the worker.
            reset if reset.starts_with("upstream_reset") && !details.contains(OVERFLOW) => {
                if FAILURES_TO_CONNECT.iter().any(|failure| details.contains(failure)) {
                    Self::Unreachable
                } else {
                    Self::Reset
                }
            }
            "no_healthy_upstream" | "cluster_not_found" => Self::Unreachable,
            _ => Self::Proxy,
        }
    }

    /// Returns how a request with this answer is counted.
    #[must_use]
    pub fn request_outcome(self) -> RequestOutcome {
        match self {
            Self::Worker => RequestOutcome::Answered,
            Self::Unreachable | Self::Reset => RequestOutcome::WorkerUnreachable,
            Self::TimedOut => RequestOutcome::AnswerTimeout,
            Self::Proxy | Self::Unknown => RequestOutcome::GoneRunning,
        }
    }

    /// Returns the reason of the local reply that replaces the answer; `None` where the answer stays as it is.
    #[must_use]
    pub fn replacement(self) -> Option<LocalReplyReason> {
        match self {
            Self::Unreachable | Self::Reset => Some(LocalReplyReason::WorkerUnreachable),
            Self::TimedOut => Some(LocalReplyReason::AnswerTimeout),
            Self::Worker | Self::Proxy | Self::Unknown => None,
        }
    }

    /// Returns what becomes of the slot, once the request is over. `resets` is how many requests in a row, this one included, the
    /// worker has reset without an answer to any.
    #[must_use]
    pub fn slot_fate(self, resets: u32) -> SlotFate {
        match self {
            Self::Worker => SlotFate::Release(ReleaseOutcome::Answered),
            Self::Unreachable => SlotFate::Release(ReleaseOutcome::Unreachable),
            Self::Reset if resets >= RESETS_MAX => SlotFate::Release(ReleaseOutcome::Unreachable),
            Self::Reset => SlotFate::Release(ReleaseOutcome::Abandoned),
            Self::TimedOut | Self::Proxy | Self::Unknown => SlotFate::Hold,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn envoys_details_say_where_an_answer_comes_from() {
        let table = [
            ("via_upstream", AnswerOrigin::Worker),
            ("upstream_reset_before_response_started{connection_termination}", AnswerOrigin::Reset),
            ("upstream_reset_before_response_started{remote_reset}", AnswerOrigin::Reset),
            ("upstream_reset_before_response_started{protocol_error}", AnswerOrigin::Reset),
            ("upstream_reset_before_response_started{connection_timeout}", AnswerOrigin::Unreachable),
            (
                "upstream_reset_before_response_started{remote_connection_failure,delayed_connect_error:_111}",
                AnswerOrigin::Unreachable,
            ),
            ("upstream_reset_before_response_started{overflow}", AnswerOrigin::Proxy),
            ("upstream_response_timeout", AnswerOrigin::TimedOut),
            ("response_timeout", AnswerOrigin::TimedOut),
            ("no_healthy_upstream", AnswerOrigin::Unreachable),
            ("cluster_not_found", AnswerOrigin::Unreachable),
            ("request_payload_too_large", AnswerOrigin::Proxy),
            ("", AnswerOrigin::Proxy),
        ];
        for (details, origin) in table {
            assert_eq!(AnswerOrigin::from_code_details(details), origin, "{details}");
        }
    }

    #[test]
    fn one_reset_says_nothing_about_a_worker_and_three_in_a_row_do() {
        let abandoned = SlotFate::Release(ReleaseOutcome::Abandoned);
        assert_eq!([1, 2].map(|resets| AnswerOrigin::Reset.slot_fate(resets)), [abandoned; 2]);
        let unreachable = SlotFate::Release(ReleaseOutcome::Unreachable);
        assert_eq!(AnswerOrigin::Reset.slot_fate(3), unreachable);
        assert_eq!(AnswerOrigin::Unreachable.slot_fate(0), unreachable);
    }

    #[test]
    fn an_answer_with_a_body_and_a_status_that_envoy_never_makes_is_the_workers() {
        assert!(!AnswerOrigin::may_be_proxys("200", false));
        assert!(AnswerOrigin::may_be_proxys("503", false));
        assert!(AnswerOrigin::may_be_proxys("200", true));
    }
}
