use std::time::Duration;

use hyper::body::Bytes;

/// What a test worker does with a request.
#[derive(Debug, Clone)]
pub(crate) struct Behaviour {
    /// How long it works on it.
    pub(crate) delay: Duration,
    /// Whether it then waits for a permit of [`super::TestWorker::release`].
    pub(crate) held: bool,
    /// How it answers.
    pub(crate) reply: Reply,
}

/// How a test worker answers.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// Status, headers and body.
    Whole(u16, Vec<(&'static str, &'static str)>, Bytes),
    /// 200 with the request's own body.
    Echo,
    /// 200 and these pieces, each after a permit of [`super::TestWorker::release`].
    Chunks(Vec<Bytes>),
    /// 200 with this body, and these trailers after it.
    Trailers(Bytes, Vec<(&'static str, &'static str)>),
    /// Closes the connection with no answer.
    ResetBeforeAnswer,
    /// Closes the connection in the midst of the answer's body.
    ResetMidAnswer,
}

impl Default for Behaviour {
    /// `200 ok` at once.
    fn default() -> Self {
        Self::reply(Reply::Whole(200, Vec::new(), Bytes::from_static(b"ok")))
    }
}

impl Behaviour {
    /// Answers at once.
    pub(crate) fn reply(reply: Reply) -> Self {
        Self { delay: Duration::ZERO, held: false, reply }
    }

    /// `200 ok` after `delay_ms`.
    pub(crate) fn delay_ms(delay_ms: u64) -> Self {
        Self { delay: Duration::from_millis(delay_ms), ..Self::default() }
    }

    /// `200 ok` when the test lets it go.
    pub(crate) fn held() -> Self {
        Self { held: true, ..Self::default() }
    }
}
