use std::fmt;

use crate::host::{CallAnswer, Headers, HttpCall, PluginId, ReplyBy, SentReply, StreamId, VmId, Wakeup};

/// Something that happens on a lane's thread. It runs to its end before the lane takes the next one, but other lanes
/// may run in between at each host call.
#[derive(Debug, Clone)]
pub enum Event {
    /// A configuration arrives that the canary took: a new root context, and a new VM if there is none.
    Configure(PluginId),
    /// A failed VM is replaced.
    Reload,
    /// A request's headers arrive.
    Request {
        /// From [`crate::host::Host::open`].
        stream: StreamId,
        /// Whether there is no body.
        end: bool,
    },
    /// A part of a request's body arrives.
    RequestBody {
        /// The stream.
        stream: StreamId,
        /// The part.
        bytes: Vec<u8>,
        /// Whether it is the last one.
        end: bool,
    },
    /// A request's trailers arrive.
    RequestTrailers {
        /// The stream.
        stream: StreamId,
        /// The trailers.
        trailers: Headers,
    },
    /// The worker begins its answer.
    AnswerHeaders {
        /// The stream.
        stream: StreamId,
        /// The headers, with `:status`.
        headers: Headers,
        /// Whether there is no body.
        end: bool,
    },
    /// The worker sends the next part of its answer.
    AnswerBody {
        /// The stream.
        stream: StreamId,
        /// The part.
        bytes: Vec<u8>,
        /// Whether it is the last one.
        end: bool,
    },
    /// The worker ends its answer with trailers.
    AnswerTrailers {
        /// The stream.
        stream: StreamId,
        /// The trailers.
        trailers: Headers,
    },
    /// The worker cannot be reached, or leaves without an answer.
    WorkerFailed {
        /// The stream.
        stream: StreamId,
        /// How.
        failure: WorkerFailure,
    },
    /// The client goes away.
    ClientGone(StreamId),
    /// The client has the whole answer: the stream is over.
    Finish(StreamId),
    /// A timer fires.
    Tick {
        /// Whose it is.
        vm: VmId,
        /// The root context.
        context: u32,
    },
    /// A queue has something.
    Wakeup(Wakeup),
    /// A request of the module itself is answered.
    CallAnswer {
        /// The request.
        call: HttpCall,
        /// The answer.
        answer: CallAnswer,
    },
}

/// In a few words, for traces.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let and_end = |end: &bool| if *end { ", the last part" } else { "" };
        match self {
            Self::Configure(plugin) => write!(f, "takes configuration {}", plugin.0),
            Self::Reload => write!(f, "gets a new VM"),
            Self::Request { stream, end } => write!(f, "{stream} comes{}", and_end(end)),
            Self::RequestBody { stream, end, .. } => write!(f, "body of {stream}{}", and_end(end)),
            Self::RequestTrailers { stream, .. } => write!(f, "trailers of {stream}"),
            Self::AnswerHeaders { stream, headers, end } => {
                let status = headers.get(":status").unwrap_or("?");
                write!(f, "{stream} is answered with {status}{}", and_end(end))
            }
            Self::AnswerBody { stream, end, .. } => {
                write!(f, "body of the answer to {stream}{}", and_end(end))
            }
            Self::AnswerTrailers { stream, .. } => write!(f, "trailers of the answer to {stream}"),
            Self::WorkerFailed { stream, failure } => write!(f, "the worker of {stream} fails: {failure:?}"),
            Self::ClientGone(stream) => write!(f, "the client of {stream} leaves"),
            Self::Finish(stream) => write!(f, "{stream} is over"),
            Self::Tick { vm, context } => write!(f, "tick of {vm}, context {context}"),
            Self::Wakeup(wakeup) => {
                write!(f, "wake-up of context {}, queue {}", wakeup.context, wakeup.token)
            }
            Self::CallAnswer { call, answer } => match answer {
                CallAnswer::Answer { headers, .. } => {
                    let status = headers.get(":status").unwrap_or("?");
                    write!(f, "report {} is answered with {status}", call.serial)
                }
                CallAnswer::Reset => write!(f, "report {} is cut off", call.serial),
            },
        }
    }
}

/// How a request to a worker ends without its answer; the texts are Envoy's response code details.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkerFailure {
    /// The connection is refused.
    ConnectFailed,
    /// The connection closed before an answer.
    ResetBeforeAnswer,
    /// The connection closed within the answer.
    ResetInAnswer,
    /// The cluster's circuit breaker is open.
    Overflow,
    /// The route's timeout.
    Timeout,
    /// The cluster does not exist.
    NoCluster,
}

impl WorkerFailure {
    /// Returns what Envoy answers in the worker's place.
    pub(crate) fn reply(self) -> SentReply {
        let (status, details, body) = match self {
            Self::ConnectFailed => (
                503,
                "upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_refused}",
                "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure",
            ),
            Self::ResetBeforeAnswer => (
                503,
                "upstream_reset_before_response_started{connection_termination}",
                "upstream connect error or disconnect/reset before headers. reset reason: connection termination",
            ),
            Self::ResetInAnswer => (503, "upstream_reset_after_response_started{connection_termination}", ""),
            Self::Overflow => (
                503,
                "upstream_reset_before_response_started{overflow}",
                "upstream connect error or disconnect/reset before headers. reset reason: overflow",
            ),
            Self::Timeout => (504, "response_timeout", "upstream request timeout"),
            Self::NoCluster => (503, "cluster_not_found", ""),
        };
        SentReply {
            by: ReplyBy::Router,
            status,
            headers: Headers::default(),
            body: body.as_bytes().to_vec(),
            grpc_status: None,
            details: details.to_owned(),
        }
    }
}
