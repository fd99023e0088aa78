//! What clients and workers do.

use crate::{
    HostError,
    host::{
        CallAnswer, Event, Headers, Host, HttpCall, LaneIndex, Seen, SentReply, Stream, StreamId,
        WorkerFailure,
    },
};

/// Where a request stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestState {
    /// The module let it through to the router, with these headers.
    Continued(Headers),
    /// The module holds it.
    Paused,
    /// It was answered without a worker.
    Answered(SentReply),
    /// It was cut off before it went anywhere.
    Reset,
}

impl Host {
    /// Returns a new stream on a lane, for [`Event::Request`].
    pub fn open(&mut self, lane: LaneIndex, headers: Headers) -> StreamId {
        let mut process = self.process.lock();
        let stream = StreamId(process.next_serial());
        let mut opened = Stream::new(lane, super::PluginId(0), headers);
        opened.since_ns = process.clock.monotonic_ns();
        process.streams.insert(stream, opened);
        stream
    }

    /// Sends a whole request without a body to a lane.
    pub fn request(&mut self, lane: LaneIndex, headers: Headers) -> StreamId {
        let stream = self.open(lane, headers);
        self.happen(stream, Event::Request { stream, end: true });
        stream
    }

    /// Sends the headers of a request whose body follows.
    pub fn request_headers(&mut self, lane: LaneIndex, headers: Headers) -> StreamId {
        let stream = self.open(lane, headers);
        self.happen(stream, Event::Request { stream, end: false });
        stream
    }

    /// A part of a request's body arrives.
    pub fn request_body(&mut self, stream: StreamId, bytes: &[u8], end: bool) {
        self.happen(stream, Event::RequestBody { stream, bytes: bytes.to_vec(), end });
    }

    /// Returns the state of a request.
    ///
    /// # Panics
    /// If there is no such stream.
    #[must_use]
    pub fn request_state(&self, stream: StreamId) -> RequestState {
        let seen = self.seen(stream);
        match (seen.local_reply, seen.forwarded) {
            (Some(reply), _) => RequestState::Answered(reply),
            (None, Some(headers)) => RequestState::Continued(headers),
            (None, None) if seen.received.reset => RequestState::Reset,
            (None, None) => RequestState::Paused,
        }
    }

    /// Returns what a test can observe of a stream.
    ///
    /// # Panics
    /// If there is no such stream.
    #[must_use]
    pub fn seen(&self, stream: StreamId) -> Seen {
        let process = self.process.lock();
        process.streams.get(&stream).map(|stream| stream.seen.clone()).expect("a stream of this host")
    }

    /// Returns the headers of a request as the worker gets them.
    #[must_use]
    pub fn forwarded(&self, stream: StreamId) -> Option<Headers> {
        self.process.lock().streams.get(&stream).and_then(|stream| stream.seen.forwarded.clone())
    }

    /// Returns the streams whose requests reached the router since the last call, in that order.
    pub fn take_arrivals(&mut self) -> Vec<StreamId> {
        std::mem::take(&mut self.process.lock().arrivals)
    }

    /// Returns whether a stream is over.
    #[must_use]
    pub fn is_finished(&self, stream: StreamId) -> bool {
        self.process.lock().streams.get(&stream).is_none_or(|stream| stream.seen.finished)
    }

    /// The worker begins its answer.
    pub fn answer_headers(&mut self, stream: StreamId, headers: Headers, end: bool) {
        self.happen(stream, Event::AnswerHeaders { stream, headers, end });
    }

    /// Lets the worker send the next part of its answer.
    pub fn answer_body(&mut self, stream: StreamId, bytes: &[u8], end: bool) {
        self.happen(stream, Event::AnswerBody { stream, bytes: bytes.to_vec(), end });
    }

    /// The worker ends its answer with trailers.
    pub fn answer_trailers(&mut self, stream: StreamId, trailers: Headers) {
        self.happen(stream, Event::AnswerTrailers { stream, trailers });
    }

    /// The worker cannot be reached, or leaves without an answer.
    pub fn worker_failed(&mut self, stream: StreamId, failure: WorkerFailure) {
        self.happen(stream, Event::WorkerFailed { stream, failure });
    }

    /// The client goes away.
    pub fn client_gone(&mut self, stream: StreamId) {
        self.happen(stream, Event::ClientGone(stream));
    }

    /// The client has the whole answer: `on_log`, `on_done`, `on_delete`.
    pub fn finish(&mut self, stream: StreamId) {
        self.happen(stream, Event::Finish(stream));
    }

    /// A worker's whole answer, with a body, and the end of the stream.
    pub fn answer(&mut self, stream: StreamId, status: u32, body: &str) {
        let headers = [(":status", status.to_string())].into_iter().collect();
        self.answer_headers(stream, headers, body.is_empty());
        if !body.is_empty() {
            self.answer_body(stream, body.as_bytes(), true);
        }
        self.finish(stream);
    }

    /// Forgets a stream that is over, so that a long run stays small.
    ///
    /// # Panics
    /// If it is not over.
    pub fn forget(&mut self, stream: StreamId) {
        assert!(self.is_finished(stream), "{stream:?} is not over");
        self.process.lock().streams.remove(&stream);
    }

    /// Returns the lane that a stream is on.
    ///
    /// # Panics
    /// If there is no such stream.
    #[must_use]
    pub fn lane_of(&self, stream: StreamId) -> LaneIndex {
        self.process.lock().streams.get(&stream).map(|stream| stream.lane).expect("a stream of this host")
    }

    fn happen(&mut self, stream: StreamId, event: Event) {
        // Only configurations end with an error.
        let end: Result<(), HostError> = self.run(self.lane_of(stream), event);
        debug_assert!(end.is_ok());
    }

    /// Names an Envoy cluster that the module's own requests can go to.
    pub fn add_cluster(&mut self, name: &str) {
        self.process.lock().clusters.insert(name.to_owned());
    }

    /// Returns the module's own requests that have no answer yet.
    #[must_use]
    pub fn http_calls(&self) -> Vec<HttpCall> {
        self.process.lock().calls.clone()
    }

    /// Answers one of them.
    pub fn answer_call(&mut self, call: &HttpCall, answer: CallAnswer) {
        if let Some(call) = self.take_call(call.serial) {
            let _ = self.run(call.lane, Event::CallAnswer { call, answer });
        }
    }

    /// Sets a property of a stream, in addition to those that the host computes.
    pub fn set_property(&mut self, stream: StreamId, path: &[&str], value: &[u8]) {
        let path = path.iter().map(|part| (*part).to_owned()).collect();
        if let Some(stream) = self.process.lock().streams.get_mut(&stream) {
            stream.properties.insert(path, value.to_vec());
        }
    }
}
