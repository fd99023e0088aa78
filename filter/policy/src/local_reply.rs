//! What a client gets instead of a worker's answer: `application/problem+json` (RFC 9457).

use slotway_config::PoolName;
use slotway_engine::RefusalReason;

use crate::RequestOutcome;

/// The media type of a local reply's body.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// Why a client gets a local reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LocalReplyReason {
    /// `max_waiting` requests wait already.
    QueueFull,
    /// No slot came free before the deadline, or none was free and the request does not wait.
    WaitTimeout,
    /// The pool has no workers.
    NoWorkers,
    /// The worker could not be reached, or the connection ended before it answered.
    WorkerUnreachable,
    /// The worker took longer for its answer than the pool's `answer_timeout`.
    AnswerTimeout,
    /// No pool's match fits the request's path.
    NoPool,
    /// The client's `x-slotway-wait-timeout-ms` is not a number.
    BadWaitTimeout,
    /// The filter has no configuration, or cannot use the shared state.
    Internal,
}

/// The texts of a [`LocalReplyReason`].
struct Texts {
    /// The HTTP status.
    status: u32,
    /// The stable word for programs, in the body, in the metrics and in the access log.
    word: &'static str,
    /// What Envoy's access log shows as `RESPONSE_CODE_DETAILS`.
    details: &'static str,
    /// The beginning of the body, the same for each reply: type (RFC 9457, 3.1.1), title, status, detail and word.
    body_start: &'static str,
    /// One line, for protocols that have a place for a message and none for a body.
    message: &'static str,
}

/// Joins, at compile time, what does not differ between replies with the same reason. Replies are frequent when the line is
/// full.
macro_rules! texts {
    ($status:literal, $word:literal, $type:literal, $title:literal, $detail:literal) => {
        Texts {
            status: $status,
            word: $word,
            details: concat!("slotway_", $word),
            body_start: concat!(
                r#"{"type":"urn:slotway:problem:"#,
                $type,
                r#"","title":""#,
                $title,
                r#"","status":"#,
                stringify!($status),
                r#","detail":""#,
                $detail,
                r#"","reason":""#,
                $word,
                r#"","waited_ms":"#
            ),
            message: concat!($word, ": ", $title, ". ", $detail),
        }
    };
}

impl LocalReplyReason {
    /// All reasons.
    pub const ALL: [Self; 8] = [
        Self::QueueFull,
        Self::WaitTimeout,
        Self::NoWorkers,
        Self::WorkerUnreachable,
        Self::AnswerTimeout,
        Self::NoPool,
        Self::BadWaitTimeout,
        Self::Internal,
    ];

    fn texts(self) -> &'static Texts {
        match self {
            Self::QueueFull => &texts!(
                503,
                "queue_full",
                "queue-full",
                "Too many requests are waiting",
                "All workers are busy and max_waiting requests wait already. Retry after Retry-After seconds."
            ),
            Self::WaitTimeout => &texts!(
                503,
                "wait_timeout",
                "wait-timeout",
                "No worker became free in time",
                "All workers were busy for as long as the request could wait. Retry after Retry-After seconds."
            ),
            Self::NoWorkers => &texts!(
                503,
                "no_workers",
                "no-workers",
                "The pool has no workers",
                "An operator has to add a worker: POST /coordinator/workers."
            ),
            Self::WorkerUnreachable => &texts!(
                503,
                "worker_unreachable",
                "worker-unreachable",
                "The worker could not be reached",
                "The connection to the worker failed before it answered. The worker gets no requests for a while; others do. Retry."
            ),
            Self::AnswerTimeout => &texts!(
                504,
                "answer_timeout",
                "answer-timeout",
                "The worker did not answer in time",
                "The worker took longer than the pool's answer_timeout."
            ),
            Self::NoPool => &texts!(
                404,
                "no_pool",
                "no-pool",
                "No pool takes requests for this path",
                "Compare the path with match.prefix of the pools."
            ),
            Self::BadWaitTimeout => &texts!(
                400,
                "bad_wait_timeout",
                "bad-wait-timeout",
                "x-slotway-wait-timeout-ms is not a number",
                "Send whole milliseconds, 0 for no waiting, or omit the header."
            ),
            Self::Internal => &texts!(
                503,
                "internal",
                "internal",
                "Slotway cannot serve requests at the moment",
                "Envoy's log has the reason. Retry after Retry-After seconds."
            ),
        }
    }

    /// Returns the HTTP status.
    #[must_use]
    pub fn status(self) -> u32 {
        self.texts().status
    }

    /// Returns the stable word for programs, in the body, in the metrics and in the access log.
    #[must_use]
    pub fn word(self) -> &'static str {
        self.texts().word
    }

    /// Returns the gRPC status code that stands for the HTTP status.
    ///
    /// <https://grpc.io/docs/guides/status-codes/>
    #[must_use]
    pub fn grpc_status(self) -> i32 {
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

    /// Returns what Envoy's access log shows as `RESPONSE_CODE_DETAILS`.
    #[must_use]
    pub fn details(self) -> &'static str {
        self.texts().details
    }

    /// Returns how the request is counted; `None` for a request that belongs to no pool.
    #[must_use]
    pub fn request_outcome(self) -> Option<RequestOutcome> {
        match self {
            Self::QueueFull => Some(RequestOutcome::QueueFull),
            Self::WaitTimeout => Some(RequestOutcome::WaitTimeout),
            Self::NoWorkers => Some(RequestOutcome::NoWorkers),
            Self::WorkerUnreachable => Some(RequestOutcome::WorkerUnreachable),
            Self::AnswerTimeout => Some(RequestOutcome::AnswerTimeout),
            Self::Internal => Some(RequestOutcome::Internal),
            Self::NoPool | Self::BadWaitTimeout => None,
        }
    }

    fn is_retriable(self) -> bool {
        self.status() == 503
    }
}

impl From<RefusalReason> for LocalReplyReason {
    fn from(reason: RefusalReason) -> Self {
        match reason {
            RefusalReason::NoWorkers => Self::NoWorkers,
            RefusalReason::NoFreeSlot => Self::WaitTimeout,
            RefusalReason::QueueFull => Self::QueueFull,
        }
    }
}

/// A pool's waiting line, as a local reply describes it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LineStatus {
    /// How many requests wait.
    pub waiting: u32,
    /// In how many milliseconds a slot can be expected; `None` where that is unknown.
    pub expected_wait_ms: Option<u64>,
}

/// A local reply.
#[derive(Debug, Clone)]
pub struct LocalReply<'a> {
    /// Why the client gets it.
    pub reason: LocalReplyReason,
    /// The request's pool, if it belongs to one.
    pub pool: Option<&'a PoolName>,
    /// How long the request waited, in milliseconds.
    pub waited_ms: u64,
    /// The pool's waiting line at the moment.
    pub line: LineStatus,
    /// Any number that differs between requests: it spreads the retries of requests that are refused together.
    pub jitter: u64,
}

/// The longest `Retry-After`, in seconds. The state of a pool cannot be predicted for longer.
const RETRY_AFTER_S_MAX: u64 = 60;

impl LocalReply<'_> {
    /// Returns `Retry-After` in whole seconds (RFC 9110, 10.2.3): the expected wait and up to half as much again, so that
    /// clients that were refused together do not retry together. `None` where a retry does not help.
    #[must_use]
    pub fn retry_after_s(&self) -> Option<u64> {
        if !self.reason.is_retriable() {
            return None;
        }
        let wait_ms = self.line.expected_wait_ms.unwrap_or(1_000).min(RETRY_AFTER_S_MAX * 1_000);
        let spread_ms = (wait_ms / 2).max(1_000);
        let spread_ms = self.jitter.checked_rem(spread_ms).unwrap_or(0);
        Some(wait_ms.saturating_add(spread_ms).div_ceil(1_000).clamp(1, RETRY_AFTER_S_MAX))
    }

    /// Returns one line, for protocols that have a place for a message and none for a body.
    #[must_use]
    pub fn message(&self) -> &'static str {
        self.reason.texts().message
    }

    /// Returns the body as JSON. No text in it needs escaping: neither the fixed ones nor a [`PoolName`].
    #[must_use]
    pub fn body(&self) -> String {
        let texts = self.reason.texts();
        let mut body = String::with_capacity(texts.body_start.len().saturating_add(BODY_REST_BYTES));
        body.push_str(texts.body_start);
        push_number(&mut body, self.waited_ms);
        body.push_str(r#","waiting":"#);
        push_number(&mut body, u64::from(self.line.waiting));
        if let Some(pool) = self.pool {
            body.push_str(r#","pool":""#);
            body.push_str(pool.as_str());
            body.push('"');
        }
        if let Some(seconds) = self.retry_after_s() {
            body.push_str(r#","retry_after_s":"#);
            push_number(&mut body, seconds);
        }
        body.push_str("}\n");
        body
    }
}

/// Room for what follows the fixed beginning of a body: three numbers, a pool's name, and their keys.
const BODY_REST_BYTES: usize = 160;

/// Appends a number in decimal digits.
pub fn push_number(text: &mut String, mut number: u64) {
    let mut digits = [b'0'; 20];
    let mut start = digits.len();
    for digit in digits.iter_mut().rev() {
        *digit = b'0'.saturating_add((number % 10) as u8);
        number /= 10;
        start = start.saturating_sub(1);
        if number == 0 {
            break;
        }
    }
    let digits = digits.get(start..).and_then(|digits| std::str::from_utf8(digits).ok());
    text.push_str(digits.unwrap_or("0"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(reason: LocalReplyReason) -> LocalReply<'static> {
        let line = LineStatus { waiting: 3, expected_wait_ms: None };
        LocalReply { reason, pool: None, waited_ms: 7, line, jitter: 0 }
    }

    #[test]
    fn a_reply_says_what_happened_and_when_to_retry() {
        let body: serde_json::Value =
            serde_json::from_str(&reply(LocalReplyReason::WaitTimeout).body()).expect("JSON");
        assert_eq!(body["type"], "urn:slotway:problem:wait-timeout");
        assert_eq!(body["reason"], "wait_timeout");
        assert_eq!((body["status"].as_u64(), body["waited_ms"].as_u64()), (Some(503), Some(7)));
        assert_eq!((body["waiting"].as_u64(), body["retry_after_s"].as_u64()), (Some(3), Some(1)));
    }

    #[test]
    fn every_reply_is_json_of_the_same_shape() {
        let pool: PoolName = "a-pool_0".parse().expect("a name");
        for reason in LocalReplyReason::ALL {
            let reply = LocalReply {
                pool: Some(&pool),
                waited_ms: u64::MAX,
                line: LineStatus::default(),
                ..reply(reason)
            };
            let body: serde_json::Value = serde_json::from_str(&reply.body()).expect("JSON");
            let kind = format!("urn:slotway:problem:{}", reason.word().replace('_', "-"));
            assert_eq!((body["type"].as_str(), body["reason"].as_str()), (Some(&*kind), Some(reason.word())));
            assert_eq!(body["status"], reason.status());
            assert_eq!((body["waited_ms"].as_u64(), body["waiting"].as_u64()), (Some(u64::MAX), Some(0)));
            assert_eq!(
                (body["pool"].as_str(), body["retry_after_s"].as_u64()),
                (Some("a-pool_0"), reply.retry_after_s())
            );
            let (title, detail) =
                (body["title"].as_str().expect("title"), body["detail"].as_str().expect("detail"));
            assert_eq!(reply.message(), format!("{}: {title}. {detail}", reason.word()));
            assert_eq!(reason.details(), format!("slotway_{}", reason.word()));
        }
    }

    #[test]
    fn numbers_are_written_in_decimal_digits() {
        for number in [0, 7, 10, 99, 100, 1_234_567_890, u64::MAX] {
            let mut text = String::from("=");
            push_number(&mut text, number);
            assert_eq!(text, format!("={number}"));
        }
    }

    #[test]
    fn retry_after_is_the_expected_wait_and_up_to_half_as_much_again() {
        let after = |wait_ms, jitter| LocalReply {
            line: LineStatus { waiting: 3, expected_wait_ms: Some(wait_ms) },
            jitter,
            ..reply(LocalReplyReason::QueueFull)
        };
        assert_eq!(after(4_000, 0).retry_after_s(), Some(4));
        assert_eq!(after(4_000, 1_999).retry_after_s(), Some(6));
        assert_eq!(after(4_000, 2_000).retry_after_s(), Some(4));
        assert_eq!(after(1, 0).retry_after_s(), Some(1));
        assert_eq!(after(u64::MAX, u64::MAX).retry_after_s(), Some(RETRY_AFTER_S_MAX));
    }

    #[test]
    fn a_reply_that_a_retry_cannot_help_has_no_retry_after() {
        for reason in
            [LocalReplyReason::NoPool, LocalReplyReason::BadWaitTimeout, LocalReplyReason::AnswerTimeout]
        {
            assert_eq!(reply(reason).retry_after_s(), None);
        }
    }
}
