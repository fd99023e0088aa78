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

/// What is said of a [`Reason`].
struct Words {
    /// The HTTP status.
    status: u32,
    /// For programs: in the body, the metrics and the access log.
    word: &'static str,
    /// What Envoy's access log shows as `RESPONSE_CODE_DETAILS`.
    details: &'static str,
    /// The body's beginning, the same for each: its type (RFC 9457, 3.1.1), the status, the word, a title for people, and what to do.
    begins: &'static str,
    /// For callers whose protocol has a place for a message and none for a body.
    message: &'static str,
}

/// Puts together, when this is compiled, what does not differ between refusals for the same reason: a full line is when there are many.
macro_rules! words {
    ($status:literal, $word:literal, $type:literal, $title:literal, $detail:literal) => {
        Words {
            status: $status,
            word: $word,
            details: concat!("slotway_", $word),
            begins: concat!(
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

impl Reason {
    fn words(self) -> &'static Words {
        match self {
            Self::QueueFull => &words!(
                503,
                "queue_full",
                "queue-full",
                "Too many requests are waiting",
                "Every worker is busy and as many requests wait as may. Try again after Retry-After seconds."
            ),
            Self::WaitTimeout => &words!(
                503,
                "wait_timeout",
                "wait-timeout",
                "No worker came free in time",
                "Every worker was busy for as long as the request could wait. Try again after Retry-After seconds."
            ),
            Self::NoWorkers => &words!(
                503,
                "no_workers",
                "no-workers",
                "The pool has no workers",
                "An operator has to add a worker: POST /coordinator/workers."
            ),
            Self::WorkerUnreachable => &words!(
                503,
                "worker_unreachable",
                "worker-unreachable",
                "The worker could not be reached",
                "The worker went away before it answered, and is left alone for a while. Other workers go on; try again."
            ),
            Self::AnswerTimeout => &words!(
                504,
                "answer_timeout",
                "answer-timeout",
                "The worker did not answer in time",
                "The worker took longer than the pool's answer_timeout."
            ),
            Self::NoPool => &words!(
                404,
                "no_pool",
                "no-pool",
                "No pool takes requests for this path",
                "Check the path against the pools' match.prefix."
            ),
            Self::BadWaitTimeout => &words!(
                400,
                "bad_wait_timeout",
                "bad-wait-timeout",
                "x-slotway-wait-timeout-ms is not a number",
                "Give whole milliseconds, 0 for no waiting, or leave the header out."
            ),
            Self::Internal => &words!(
                503,
                "internal",
                "internal",
                "Slotway cannot serve requests at the moment",
                "Envoy's log says why. Try again after Retry-After seconds."
            ),
        }
    }

    /// The HTTP status.
    pub(crate) fn status(self) -> u32 {
        self.words().status
    }

    /// The word for programs: in the body, the metrics and the access log.
    pub(crate) fn word(self) -> &'static str {
        self.words().word
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
    pub(crate) fn details(self) -> &'static str {
        self.words().details
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
    pub(crate) fn message(&self) -> &'static str {
        self.reason.words().message
    }

    /// The body: JSON, put together by hand, since many are refused where one is. A pool's name has no letters that JSON would escape
    /// ([`PoolName`]), nor have our own words.
    pub(crate) fn body(&self) -> String {
        let words = self.reason.words();
        let mut body = String::with_capacity(words.begins.len().saturating_add(BODY_REST_BYTES));
        body.push_str(words.begins);
        push_number(&mut body, self.waited_ms);
        body.push_str(r#","waiting":"#);
        push_number(&mut body, u64::from(self.waiting));
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

/// What follows the fixed beginning of a body: three numbers, a pool's name, and what they are called.
const BODY_REST_BYTES: usize = 160;

/// Appends a number in decimal digits.
pub(crate) fn push_number(text: &mut String, mut number: u64) {
    let mut digits = [b'0'; 20];
    let mut begins = digits.len();
    for digit in digits.iter_mut().rev() {
        *digit = b'0'.saturating_add((number % 10) as u8);
        number /= 10;
        begins = begins.saturating_sub(1);
        if number == 0 {
            break;
        }
    }
    let digits = digits.get(begins..).and_then(|digits| std::str::from_utf8(digits).ok());
    text.push_str(digits.unwrap_or("0"));
}

#[cfg(test)]
mod tests {
    use super::*;

    const REASONS: [Reason; 8] = [
        Reason::QueueFull,
        Reason::WaitTimeout,
        Reason::NoWorkers,
        Reason::WorkerUnreachable,
        Reason::AnswerTimeout,
        Reason::NoPool,
        Reason::BadWaitTimeout,
        Reason::Internal,
    ];

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
    fn every_refusal_is_json_of_the_same_shape() {
        let pool: PoolName = "a-pool_0".parse().expect("a name");
        for reason in REASONS {
            let refusal = Refusal { pool: Some(&pool), waited_ms: u64::MAX, waiting: 0, ..refusal(reason) };
            let body: serde_json::Value = serde_json::from_str(&refusal.body()).expect("JSON");
            let kind = format!("urn:slotway:problem:{}", reason.word().replace('_', "-"));
            assert_eq!((body["type"].as_str(), body["reason"].as_str()), (Some(&*kind), Some(reason.word())));
            assert_eq!(body["status"], reason.status());
            assert_eq!((body["waited_ms"].as_u64(), body["waiting"].as_u64()), (Some(u64::MAX), Some(0)));
            assert_eq!(
                (body["pool"].as_str(), body["retry_after_s"].as_u64()),
                (Some("a-pool_0"), refusal.retry_after_s())
            );
            let (title, detail) =
                (body["title"].as_str().expect("title"), body["detail"].as_str().expect("detail"));
            assert_eq!(refusal.message(), format!("{}: {title}. {detail}", reason.word()));
            assert_eq!(reason.details(), format!("slotway_{}", reason.word()));
        }
    }

    #[test]
    fn numbers_are_written_as_people_write_them() {
        for number in [0, 7, 10, 99, 100, 1_234_567_890, u64::MAX] {
            let mut text = String::from("=");
            push_number(&mut text, number);
            assert_eq!(text, format!("={number}"));
        }
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
