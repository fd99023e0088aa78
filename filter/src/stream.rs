//! One request's life in the filter.
//!
//! ```text
//! (headers) --slot free-->   Held --answer ended, or failed-->  Done
//!     |                       ^            \--stream ended-->   Done
//!     |--none free-->      Waiting --deadline, client gone-->   Done
//!     \--refused-->         Done
//! ```

use std::rc::Rc;

use slotway_engine::{Serial, Ticket};

use crate::lane_pool::Target;

/// One request in the filter.
#[derive(Debug)]
pub(crate) struct Stream {
    /// Its pool's place in the lane.
    pub(crate) pool: usize,
    /// When it came.
    pub(crate) since_ms: u64,
    /// How long it waited for its slot.
    pub(crate) waited_ms: u64,
    pub(crate) phase: Phase,
    /// The slot that its mark names, where that is to be wiped at its end.
    pub(crate) mark: Option<Serial>,
    /// Nobody knows whose answer it gets: when that ends, its worker may still be busy.
    pub(crate) is_unclear: bool,
    /// Its answer is no error.
    pub(crate) is_fine: bool,
    /// The answer's body, where the filter puts its own in the place of Envoy's.
    pub(crate) replacement: Option<String>,
}

/// What it holds.
#[derive(Debug, Clone)]
pub(crate) enum Phase {
    /// A place in the line.
    Waiting {
        /// The place.
        ticket: Ticket,
        /// Until when.
        deadline_ms: u64,
    },
    /// A slot.
    Held(Held),
    /// Nothing (any more).
    Done,
}

/// A slot that a request holds.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) serial: Serial,
    pub(crate) target: Rc<Target>,
}

/// Who made an answer, and what it says about the worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The worker.
    Worker,
    /// Envoy: the worker could not be reached, or went away before it answered.
    Unreachable,
    /// Envoy: the worker took too long.
    TimedOut,
    /// Envoy, for a reason that says nothing about the worker.
    Local,
    /// The host cannot say.
    Unknown,
}

impl Answer {
    /// Judges by Envoy's `response.code_details`.
    ///
    /// <https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/response_code_details>
    pub(crate) fn from_details(details: &str) -> Self {
        const OVERFLOW: &str = "overflow";
        match details.split('{').next().unwrap_or_default() {
            "via_upstream" => Self::Worker,
            "response_timeout"
            | "upstream_response_timeout"
            | "upstream_per_try_timeout"
            | "upstream_max_stream_duration_reached" => Self::TimedOut,
            // The cluster's own limits are Envoy's business, not the worker's.
            reset if reset.starts_with("upstream_reset") && !details.contains(OVERFLOW) => Self::Unreachable,
            "no_healthy_upstream" | "cluster_not_found" => Self::Unreachable,
            _ => Self::Local,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn envoys_details_tell_who_answered() {
        let table = [
            ("via_upstream", Answer::Worker),
            ("upstream_reset_before_response_started{connection_termination}", Answer::Unreachable),
            (
                "upstream_reset_before_response_started{remote_connection_failure,delayed_connect_error:_111}",
                Answer::Unreachable,
            ),
            ("upstream_reset_before_response_started{overflow}", Answer::Local),
            ("upstream_response_timeout", Answer::TimedOut),
            ("response_timeout", Answer::TimedOut),
            ("no_healthy_upstream", Answer::Unreachable),
            ("cluster_not_found", Answer::Unreachable),
            ("request_payload_too_large", Answer::Local),
            ("", Answer::Local),
        ];
        for (details, answer) in table {
            assert_eq!(Answer::from_details(details), answer, "{details}");
        }
    }
}
