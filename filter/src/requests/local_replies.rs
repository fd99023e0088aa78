//! Local replies: what a client gets instead of a worker's answer.

use std::borrow::Cow;

use slotway_policy::{LineStatus, LocalReply, LocalReplyReason, PROBLEM_JSON, RequestOutcome, push_number};

use super::{Phase, Requests, admission::set_log_fields};
use crate::{abi::MapType, host::Host, lane_core::LaneCore, pools::PoolIndex, wake_up::Message};

/// A local reply that is sent later.
#[derive(Debug, Clone, Copy)]
pub(super) struct PendingReply {
    context: u32,
    reason: LocalReplyReason,
    /// The request's pool, if it belongs to one.
    pool: Option<PoolIndex>,
    waited_ms: u64,
    line: LineStatus,
}

/// The local replies that are sent later.
#[derive(Debug, Default)]
pub(super) struct PendingReplies {
    replies: Vec<PendingReply>,
    /// A message in this lane's queue will have them sent. Otherwise the next tick sends them.
    is_announced: bool,
}

impl PendingReplies {
    /// Returns whether the next tick has to come soon.
    pub(super) fn need_tick(&self) -> bool {
        !self.replies.is_empty() && !self.is_announced
    }
}

impl Requests {
    /// Replies to a request of the current stream that belongs to no pool, or came before the lane could serve it.
    pub(crate) fn reply_without_pool<H: Host>(
        &mut self,
        core: &LaneCore<H>,
        context: u32,
        reason: LocalReplyReason,
    ) {
        let reply = PendingReply { context, reason, pool: None, waited_ms: 0, line: LineStatus::default() };
        self.send_after_callback(core, reply);
    }

    /// Replies to a request of this lane, and counts it.
    pub(crate) fn refuse<H: Host>(
        &mut self,
        core: &mut LaneCore<H>,
        context: u32,
        reason: LocalReplyReason,
        line: LineStatus,
    ) {
        if let Some(reply) = self.conclude(core, context, reason, line) {
            self.send_after_callback(core, reply);
        }
    }

    /// Notes that a request ends with a local reply, and counts it. `None`: its stream is gone.
    fn conclude<H: Host>(
        &mut self,
        core: &mut LaneCore<H>,
        context: u32,
        reason: LocalReplyReason,
        line: LineStatus,
    ) -> Option<PendingReply> {
        let stream = self.streams.get_mut(&context)?;
        stream.phase = Phase::Done;
        let now_ms = core.host.now_ms();
        let (pool, waited_ms) = (stream.pool, now_ms.saturating_sub(stream.since_ms));
        stream.waited_ms = waited_ms;
        if let Some(outcome) = reason.request_outcome() {
            if outcome == RequestOutcome::WaitTimeout {
                core.pools.note_wait(pool, waited_ms, now_ms);
            }
            core.pools.count(pool, outcome);
        }
        Some(PendingReply { context, reason, pool: Some(pool), waited_ms, line })
    }

    /// Sends a reply at once from a callback of the root context, and else after the running callback:
    ///
    /// * Within the callback for the headers of its own request, Envoy does not count the request as complete. If the client
    ///   closes the connection after one request, Envoy then waits for the rest of the request (`delayed_close_timeout`, 1 s)
    ///   before it closes.
    /// * Within the callback of another request, the host would apply the reply to that one and stop it (`stopNextIteration` of
    ///   proxy-wasm-cpp-host).
    fn send_after_callback<H: Host>(&mut self, core: &LaneCore<H>, reply: PendingReply) {
        let queue = core.enrolment.map_or(0, |enrolment| enrolment.wake_up_queue);
        if core.context == core.root || (queue == 0 && core.context == reply.context) {
            return send(core, &reply);
        }
        let is_first = self.pending_replies.replies.is_empty();
        self.pending_replies.replies.push(reply);
        if is_first {
            self.pending_replies.is_announced =
                queue != 0 && core.host.enqueue(queue, &Message::Replies.encode("")).is_ok();
        }
    }

    /// Sends the pending local replies, from a callback of the root context.
    pub(crate) fn send_pending_replies<H: Host>(&mut self, core: &LaneCore<H>) {
        self.pending_replies.is_announced = false;
        // A wake-up for an older root context: the next tick sends them.
        if core.context != core.root {
            return;
        }
        for reply in std::mem::take(&mut self.pending_replies.replies) {
            send(core, &reply);
        }
    }
}

/// Makes the local reply for a stream.
pub(super) fn local_reply<'a, H: Host>(
    core: &'a LaneCore<H>,
    context: u32,
    reason: LocalReplyReason,
    pool: Option<PoolIndex>,
    waited_ms: u64,
    line: LineStatus,
) -> LocalReply<'a> {
    LocalReply {
        reason,
        pool: pool.and_then(|pool| core.pools.get(pool)).map(|pool| &pool.settings.name),
        waited_ms,
        line,
        // Odd multiples of a large number spread neighbouring contexts over the whole range.
        jitter: u64::from(context).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16,
    }
}

fn send<H: Host>(core: &LaneCore<H>, reply: &PendingReply) {
    let PendingReply { context, reason, pool, waited_ms, line } = *reply;
    let reply = local_reply(core, context, reason, pool, waited_ms, line);
    let mut seconds = String::new();
    if let Some(number) = reply.retry_after_s() {
        push_number(&mut seconds, number);
    }
    let headers = [("content-type", PROBLEM_JSON), ("retry-after", &*seconds)];
    let headers = if seconds.is_empty() { &headers[..1] } else { &headers[..] };
    // A failure means that the stream is gone, and needs no reply any more.
    let _ = core.as_context(context, || {
        if core.has_log_fields() {
            set_log_fields(&core.host, None, waited_ms, reason.word());
        }
        let body =
            if is_grpc(&core.host) { Cow::Borrowed(reply.message()) } else { Cow::Owned(reply.body()) };
        core.host.send_local_response(
            reason.status(),
            reason.grpc_status(),
            reason.details(),
            headers,
            body.as_bytes(),
        )
    });
}

/// Returns whether the current request is a gRPC call.
fn is_grpc<H: Host>(host: &H) -> bool {
    let content_type = host.header(MapType::HttpRequestHeaders, "content-type");
    content_type.is_some_and(|value| value.starts_with("application/grpc"))
}
