use std::time::Duration;

use hyper::body::Bytes;

/// How a test worker handles a request.
#[derive(Debug, Clone)]
pub struct Behaviour {
    /// Time that passes before the answer.
    pub delay: Duration,
    /// Whether it then waits for a permit from [`crate::TestWorker::release`].
    pub held: bool,
    /// The answer.
    pub reply: Reply,
}

/// The answer of a test worker.
#[derive(Debug, Clone)]
pub enum Reply {
    /// Status, headers and body.
    Whole(u16, Vec<(&'static str, &'static str)>, Bytes),
    /// 200 with the request's own body.
    Echo,
    /// 200 and these chunks, each after a permit from [`crate::TestWorker::release`].
    Chunks(Vec<Bytes>),
    /// 200 with this body and these trailers.
    Trailers(Bytes, Vec<(&'static str, &'static str)>),
    /// Closes the connection without an answer.
    ResetBeforeAnswer,
    /// Closes the connection in the middle of the answer's body.
    ResetMidAnswer,
}

impl Default for Behaviour {
    /// Answers `200 ok` at once.
    fn default() -> Self {
        Self::reply(Reply::Whole(200, Vec::new(), Bytes::from_static(b"ok")))
    }
}

impl Behaviour {
    /// Answers `reply` at once.
    pub fn reply(reply: Reply) -> Self {
        Self { delay: Duration::ZERO, held: false, reply }
    }

    /// Answers `200 ok` after `delay_ms`.
    pub fn delay_ms(delay_ms: u64) -> Self {
        Self { delay: Duration::from_millis(delay_ms), ..Self::default() }
    }

    /// Answers `200 ok` after [`crate::TestWorker::release`].
    pub fn held() -> Self {
        Self { held: true, ..Self::default() }
    }
}
