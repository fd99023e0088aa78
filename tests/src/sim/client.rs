//! A request, as its client and its worker see it.

use std::collections::VecDeque;

use crate::host::{Headers, LaneIndex, StreamId};

/// The stage of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// In the filter: not decided yet, or waiting.
    InFilter,
    /// At a worker.
    AtWorker,
    /// Its answer is complete, and the client still reads.
    Read,
}

/// A part of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    Headers { status: u32 },
    Body,
    Trailers,
}

/// A request.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) stream: StreamId,
    pub(crate) lane: LaneIndex,
    /// The pool of its path, if there is one.
    pub(crate) pool: Option<usize>,
    pub(crate) stage: Stage,
    /// When it was sent, and the longest and shortest wait of the configurations that it may meet.
    pub(crate) since_ns: u64,
    pub(crate) wait_max_ms: u64,
    pub(crate) wait_min_ms: u64,
    /// Whether it has joined the line.
    pub(crate) waits: bool,
    /// How long its lane had been held up when it came. Later delays of the lane count for its wait.
    pub(crate) held_up_ns: u64,
    /// Its VM has died, or a host call has failed that may have been needed to end it.
    pub(crate) excused: bool,
    pub(crate) answer: VecDeque<Part>,
}

impl Client {
    /// Returns the next part of its answer, and whether it is the last.
    pub(crate) fn next_part(&mut self) -> Option<(Part, bool)> {
        let part = self.answer.pop_front()?;
        Some((part, self.answer.is_empty()))
    }
}

/// Returns a request as an HTTP client sends it.
pub(crate) fn request(path: &str, asked_wait_ms: Option<u64>, grpc: bool) -> Headers {
    let mut headers: Headers =
        [(":method", "POST"), (":scheme", "http"), (":authority", "slotway.test"), (":path", path)]
            .into_iter()
            .collect();
    if let Some(ms) = asked_wait_ms {
        headers.add("x-slotway-wait-timeout-ms", &ms.to_string());
    }
    if grpc {
        headers.add("content-type", "application/grpc");
    }
    headers
}
