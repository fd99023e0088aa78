//! Local replies: what a client gets instead of a worker's answer.

use std::borrow::Cow;

use slotway_policy::{LineStatus, LocalReply, LocalReplyReason, PROBLEM_JSON, RequestOutcome, push_number};

use super::{Phase, Requests, admission::set_log_fields};
use crate::{abi::MapType, host::Host, lane_core::LaneCore, pools::PoolIndex};

/// A local reply that is sent with the next tick.
#[derive(Debug, Clone, Copy)]
pub(super) struct PendingReply {
    context: u32,
    reason: LocalReplyReason,
    line: LineStatus,
}

impl Requests {
    /// Replies to a request of the current stream that belongs to no pool, or came before the lane could serve it.
    pub(crate) fn reply_without_pool<H: Host>(
        &self,
        core: &LaneCore<H>,
        context: u32,
        reason: LocalReplyReason,
    ) {
        send(core, context, reason, None, 0, LineStatus::default());
    }

    /// Replies to a request of this lane, and counts it.
    pub(crate) fn refuse<H: Host>(
        &mut self,
        core: &mut LaneCore<H>,
        context: u32,
        reason: LocalReplyReason,
        line: LineStatus,
    ) {
        let Some(stream) = self.streams.get_mut(&context) else { return };
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
        send(core, context, reason, Some(pool), waited_ms, line);
    }

    /// Replies to a request that may have another context than the running callback. The host would apply the reply to the
    /// stream of the callback and stop that one (`stopNextIteration` of proxy-wasm-cpp-host), so the next tick sends it.
    pub(crate) fn refuse_other<H: Host>(
        &mut self,
        core: &mut LaneCore<H>,
        context: u32,
        reason: LocalReplyReason,
        line: LineStatus,
    ) {
        if core.context == core.root || core.context == context {
            return self.refuse(core, context, reason, line);
        }
        if let Some(stream) = self.streams.get_mut(&context) {
            stream.phase = Phase::Done;
            self.pending_replies.push(PendingReply { context, reason, line });
        }
    }

    /// Sends the pending local replies.
    pub(crate) fn send_pending_replies<H: Host>(&mut self, core: &mut LaneCore<H>) {
        for PendingReply { context, reason, line } in std::mem::take(&mut self.pending_replies) {
            self.refuse(core, context, reason, line);
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

fn send<H: Host>(
    core: &LaneCore<H>,
    context: u32,
    reason: LocalReplyReason,
    pool: Option<PoolIndex>,
    waited_ms: u64,
    line: LineStatus,
) {
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
