//! What a client is told when it does not get a worker's answer: `application/problem+json` (RFC 9457).

use slotway_config::PoolName;

/// Why there is no answer of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// As many wait as may.
    QueueFull,
    /// No slot came free in time, or none was free and the request would not wait.
    WaitTimeout,
    /// The pool has no workers.
    NoWorkers,
    /// The worker could not be reached, or went away before it answered.
    WorkerUnreachable,
    /// The worker took longer for its answer than the pool's `answer_timeout`.
    AnswerTimeout,
    /// No pool's match is right for the request's path.
    NoPool,
    /// The client's `x-slotway-wait-timeout-ms` is not a number.
    BadWaitTimeout,
    /// The filter has no configuration, or cannot use the shared state.
    Internal,
}

impl Reason {
    /// HTTP status, the word for programs, the title for people, and what to do.
    fn parts(self) -> (u32, &'static str, &'static str, &'static str) {
        match self {
            Self::QueueFull => (
                503,
                "queue_full",
                "Too many requests are waiting",
                "Every worker is busy and as many requests wait as may. Try again after Retry-After seconds.",
            ),
            Self::WaitTimeout => (
                503,
                "wait_timeout",
                "No worker came free in time",
                "Every worker was busy for as long as the request could wait. Try again after Retry-After seconds.",
            ),
            Self::NoWorkers => (
                503,
                "no_workers",
                "The pool has no workers",
                "An operator has to add a worker: POST /coordinator/workers.",
            ),
            Self::WorkerUnreachable => (
                503,
                "worker_unreachable",
                "The worker could not be reached",
                "The worker went away before it answered, and is left alone for a while. Other workers go on; try again.",
            ),
            Self::AnswerTimeout => (
                504,
                "answer_timeout",
                "The worker did not answer in time",
                "The worker took longer than the pool's answer_timeout.",
            ),
            Self::NoPool => (
                404,
                "no_pool",
                "No pool takes requests for this path",
                "Check the path against the pools' match.prefix.",
            ),
            Self::BadWaitTimeout => (
                400,
                "bad_wait_timeout",
                "x-slotway-wait-timeout-ms is not a number",
                "Give whole milliseconds, 0 for no waiting, or leave the header out.",
            ),
            Self::Internal => (
                503,
                "internal",
                "Slotway cannot serve requests at the moment",
                "Envoy's log says why. Try again after Retry-After seconds.",
            ),
        }
    }

    /// The HTTP status.
    pub(crate) fn status(self) -> u32 {
        self.parts().0
    }

    /// The word for programs: in the body, the metrics and the access log.
    pub(crate) fn word(self) -> &'static str {
        self.parts().1
    }

    /// What a gRPC caller gets: the code that stands for the HTTP status.
    ///
    /// <https://grpc.io/docs/guides/status-codes/>
    pub(crate) fn grpc_status(self) -> i32 {
        const INVALID_ARGUMENT: i32 = 3;
        const DEADLINE_EXCEEDED: i32 = 4;
        const UNIMPLEMENTED: i32 = 12;
        const UNAVAILABLE: i32 = 14;
        match self.status() {
            400 => INVALID_ARGUMENT,
            404 => UNIMPLEMENTED,
            504 => DEADLINE_EXCEEDED,
            _ => UNAVAILABLE,
        }
    }

    /// What Envoy's access log shows as `RESPONSE_CODE_DETAILS`.
    pub(crate) fn details(self) -> String {
        format!("slotway_{}", self.word())
    }

    fn may_come_back(self) -> bool {
        self.status() == 503
    }
}

/// One refusal.
#[derive(Debug, Clone)]
pub(crate) struct Refusal<'a> {
    pub(crate) reason: Reason,
    pub(crate) pool: Option<&'a PoolName>,
    /// How long the request waited, in milliseconds.
    pub(crate) waited_ms: u64,
    /// How many wait now.
    pub(crate) waiting: u32,
    /// In how long a slot can be expected, in milliseconds, if that is known.
    pub(crate) expected_wait_ms: Option<u64>,
    /// Any number that differs between requests: spreads those that were refused together.
    pub(crate) jitter: u64,
}

/// Longest `Retry-After`, in seconds: what a pool looks like in a minute is anybody's guess.
const RETRY_AFTER_S_MAX: u64 = 60;

impl Refusal<'_> {
    /// `Retry-After` in whole seconds (RFC 9110, 10.2.3): when a slot can be expected, and up to half as much
    /// again, so that clients that were refused together do not come back together. `None` where coming back
    /// does not help.
    pub(crate) fn retry_after_s(&self) -> Option<u64> {
        if !self.reason.may_come_back() {
            return None;
        }
        let wait_ms = self.expected_wait_ms.unwrap_or(1_000).min(RETRY_AFTER_S_MAX * 1_000);
        let spread_ms = (wait_ms / 2).max(1_000);
        let spread_ms = self.jitter.checked_rem(spread_ms).unwrap_or(0);
        Some(wait_ms.saturating_add(spread_ms).div_ceil(1_000).clamp(1, RETRY_AFTER_S_MAX))
    }

    /// One line, for callers whose protocol has a place for a message and none for a body.
    pub(crate) fn message(&self) -> String {
        let (_, word, title, detail) = self.reason.parts();
        format!("{word}: {title}. {detail}")
    }

    /// The body.
    pub(crate) fn body(&self) -> String {
        let (status, word, title, detail) = self.reason.parts();
        let mut body = serde_json::json!({
            "type": format!("urn:slotway:problem:{}", word.replace('_', "-")),
            "title": title,
            "status": status,
            "detail": detail,
            "reason": word,
            "waited_ms": self.waited_ms,
            "waiting": self.waiting,
        });
        if let Some(fields) = body.as_object_mut() {
            if let Some(pool) = self.pool {
                fields.insert("pool".to_owned(), pool.as_str().into());
            }
            if let Some(seconds) = self.retry_after_s() {
                fields.insert("retry_after_s".to_owned(), seconds.into());
            }
        }
        let mut text = body.to_string();
        text.push('\n');
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(reason: Reason) -> Refusal<'static> {
        Refusal { reason, pool: None, waited_ms: 7, waiting: 3, expected_wait_ms: None, jitter: 0 }
    }

    #[test]
    fn a_refusal_says_what_happened_and_when_to_come_back() {
        let body: serde_json::Value =
            serde_json::from_str(&refusal(Reason::WaitTimeout).body()).expect("JSON");
        assert_eq!(body["type"], "urn:slotway:problem:wait-timeout");
        assert_eq!(body["reason"], "wait_timeout");
        assert_eq!((body["status"].as_u64(), body["waited_ms"].as_u64()), (Some(503), Some(7)));
        assert_eq!((body["waiting"].as_u64(), body["retry_after_s"].as_u64()), (Some(3), Some(1)));
    }

    #[test]
    fn retry_after_is_the_expected_wait_and_up_to_half_as_much_again() {
        let after = |wait_ms, jitter| Refusal {
            expected_wait_ms: Some(wait_ms),
            jitter,
            ..refusal(Reason::QueueFull)
        };
        assert_eq!(after(4_000, 0).retry_after_s(), Some(4));
        assert_eq!(after(4_000, 1_999).retry_after_s(), Some(6));
        assert_eq!(after(4_000, 2_000).retry_after_s(), Some(4));
        assert_eq!(after(1, 0).retry_after_s(), Some(1));
        assert_eq!(after(u64::MAX, u64::MAX).retry_after_s(), Some(RETRY_AFTER_S_MAX));
    }

    #[test]
    fn what_a_retry_cannot_mend_has_no_retry_after() {
        for reason in [Reason::NoPool, Reason::BadWaitTimeout, Reason::AnswerTimeout] {
            assert_eq!(refusal(reason).retry_after_s(), None);
        }
    }
}
