use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
};

use crate::host::{BufferKind, Headers, LaneIndex, PluginId, Usage, VmId};

/// One request and its answer, over the whole host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u64);

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "request {}", self.0)
    }
}

/// The author of an answer that is not the worker's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyBy {
    /// The module, with `send_local_response`.
    Module,
    /// Envoy's router: the worker could not be reached, or did not answer in time.
    Router,
    /// Envoy, since the VM has failed (`wasm_fail_stream`).
    FailedVm,
}

/// An answer that no worker wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentReply {
    /// Whose it is.
    pub by: ReplyBy,
    /// Its HTTP status.
    pub status: u32,
    /// Its headers.
    pub headers: Headers,
    /// The body.
    pub body: Vec<u8>,
    /// The gRPC status, if one was given.
    pub grpc_status: Option<u32>,
    /// The response code details.
    pub details: String,
}

/// The answer as the client received it, after the module's changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Received {
    /// `:status`, once headers came.
    pub status: Option<u32>,
    /// The headers.
    pub headers: Headers,
    /// The body so far.
    pub body: Vec<u8>,
    /// The trailers.
    pub trailers: Option<Headers>,
    /// Whether it came to its end.
    pub complete: bool,
    /// Whether it was cut off.
    pub reset: bool,
}

/// What a test can observe of a stream.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// The request's headers as the router got them; `None` while the module holds the request.
    pub forwarded: Option<Headers>,
    /// When that was, in nanoseconds of the monotonic clock.
    pub forwarded_at_ns: u64,
    /// The request's body as far as the router got it.
    pub sent_body: Vec<u8>,
    /// Whether the router has the whole request.
    pub sent_all: bool,
    /// The answer that no worker wrote, if it was one.
    pub local_reply: Option<SentReply>,
    /// When that was, in nanoseconds of the monotonic clock.
    pub replied_at_ns: u64,
    /// The answer as the client received it.
    pub received: Received,
    /// The filter state that the module has set.
    pub filter_state: BTreeMap<String, Vec<u8>>,
    /// Whether the stream is over and its callbacks have run.
    pub finished: bool,
    /// The cost of the VM calls of this stream's own context.
    pub usage: Usage,
}

/// A part of a request or an answer on its way through the filter.
#[derive(Debug, Clone)]
pub(crate) enum Piece {
    Headers { end: bool },
    Data { bytes: Vec<u8>, end: bool },
    Trailers,
}

/// Where iteration through the filter stands, in one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Hold {
    #[default]
    Flowing,
    /// The callback for headers has stopped: the filter gets no further part.
    All,
    /// The callback for data or trailers has stopped: the filter still gets later data.
    Data,
}

/// One direction of a stream.
#[derive(Debug, Default)]
pub(crate) struct Side {
    pub(crate) headers: Headers,
    /// Whether the module may touch the headers now.
    pub(crate) headers_shown: bool,
    pub(crate) trailers: Option<Headers>,
    pub(crate) trailers_shown: bool,
    pub(crate) hold: Hold,
    /// The filter got it, and it was not passed on.
    pub(crate) held: Vec<Piece>,
    /// The filter did not get it.
    pub(crate) waiting: VecDeque<Piece>,
    /// A callback of this direction is running.
    pub(crate) in_callback: bool,
}

pub(crate) struct Stream {
    pub(crate) lane: LaneIndex,
    /// When its request came, on the monotonic clock.
    pub(crate) since_ns: u64,
    pub(crate) vm: Option<VmId>,
    pub(crate) context: u32,
    pub(crate) root: u32,
    pub(crate) plugin: PluginId,
    pub(crate) created: bool,
    pub(crate) request: Side,
    pub(crate) answer: Side,
    /// The piece of body that a callback is looking at.
    pub(crate) body: Option<(BufferKind, Vec<u8>)>,
    pub(crate) logging: bool,
    /// A local reply that waits for the running request callback to return.
    pub(crate) prepared: Option<SentReply>,
    pub(crate) failure_replied: bool,
    pub(crate) response_code: Option<u32>,
    pub(crate) details: Option<String>,
    pub(crate) properties: BTreeMap<Vec<String>, Vec<u8>>,
    pub(crate) seen: Seen,
}

impl Stream {
    pub(crate) fn new(lane: LaneIndex, plugin: PluginId, headers: Headers) -> Self {
        Self {
            lane,
            since_ns: 0,
            vm: None,
            context: 0,
            root: 0,
            plugin,
            created: false,
            request: Side { headers, ..Side::default() },
            answer: Side::default(),
            body: None,
            logging: false,
            prepared: None,
            failure_replied: false,
            response_code: None,
            details: None,
            properties: BTreeMap::new(),
            seen: Seen::default(),
        }
    }

    pub(crate) fn is_grpc(&self) -> bool {
        self.request.headers.get("content-type").is_some_and(|kind| {
            kind == "application/grpc"
                || kind.starts_with("application/grpc+")
                || kind.starts_with("application/grpc;")
        })
    }

    /// Returns whether the answer has begun, so that the request cannot continue any more.
    pub(crate) fn answered(&self) -> bool {
        self.seen.local_reply.is_some() || self.seen.received.status.is_some() || self.seen.received.reset
    }
}
