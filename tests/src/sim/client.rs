//! One request, as its client and its worker have it.

use std::collections::VecDeque;

use crate::host::{Headers, LaneIndex, StreamId};

/// Where a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// In the filter: not yet decided, or waiting.
    InFilter,
    /// At a worker.
    AtWorker,
    /// Its answer is complete; the client still reads.
    Read,
}

/// A part of an answer that is still to come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    Headers { status: u32 },
    Body,
    Trailers,
}

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) stream: StreamId,
    pub(crate) lane: LaneIndex,
    /// The pool that its path belongs to, if any.
    pub(crate) pool: Option<usize>,
    pub(crate) stage: Stage,
    /// When it was sent, and how long it waits at most and at least, by the configurations that it may meet.
    pub(crate) since_ns: u64,
    pub(crate) wait_max_ms: u64,
    pub(crate) wait_min_ms: u64,
    /// Whether it was seen to join the line.
    pub(crate) waits: bool,
    /// How long its lane had been held up when it came; what is added later does not count for its wait.
    pub(crate) held_up_ns: u64,
    /// Its VM has died, or a host call has failed that it may have needed to be told its end.
    pub(crate) excused: bool,
    pub(crate) answer: VecDeque<Part>,
}

impl Client {
    /// The next part of its answer, and whether it is the last.
    pub(crate) fn next_part(&mut self) -> Option<(Part, bool)> {
        let part = self.answer.pop_front()?;
        Some((part, self.answer.is_empty()))
    }
}

/// A request as an HTTP client sends it.
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
