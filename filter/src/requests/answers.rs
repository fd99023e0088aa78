//! An answer: where it comes from, what it says about the worker, and when the slot is free.

use slotway_config::{WorkerUrl, headers};
use slotway_engine::ReleaseOutcome;
use slotway_policy::{
    AnswerOrigin, LineStatus, LocalReplyReason, PROBLEM_JSON, RequestOutcome, SlotFate, relative_to,
};
use slotway_test_hooks::{Defect, is_seeded};

use super::{EndedSlot, Phase, Requests, admission::set_log_fields, local_replies::local_reply};
use crate::{abi::MapType, host::Host, lane_core::LaneCore};

const HEADERS: MapType = MapType::HttpResponseHeaders;

impl Requests {
    /// Handles the beginning of an answer: the worker's, or Envoy's in its place. Returns the slot if the request is over for its worker.
    pub(crate) fn answer_begins<H: Host>(
        &mut self,
        core: &mut LaneCore<H>,
        context: u32,
        ends: bool,
    ) -> Option<EndedSlot> {
        let stream = self.streams.get_mut(&context)?;
        let (pool, waited_ms) = (stream.pool, stream.waited_ms);
        let Phase::Running(held) = stream.phase.clone() else { return None };
        let Origin { origin, is_fine, may_redirect } = find_origin(&core.host, ends);
        let resets = match origin {
            AnswerOrigin::Worker => 0,
            AnswerOrigin::Reset => held.target.resets.get().saturating_add(1),
            _ => held.target.resets.get(),
        };
        held.target.resets.set(resets);
        stream.is_fine = is_fine;
        stream.has_unknown_answer = origin == AnswerOrigin::Unknown;
        if may_redirect && origin == AnswerOrigin::Worker {
            keep_within(&core.host, &held.target.url);
        }
        let settings = core.settings.clone();
        if settings.as_ref().is_some_and(|settings| settings.coordinator.debug_headers) {
            let _ = core.host.replace_header(HEADERS, headers::WORKER, held.target.url.as_str());
            let _ = core.host.replace_header(HEADERS, headers::WAIT_MS, &waited_ms.to_string());
        }
        let outcome = origin.request_outcome();
        if !matches!(origin, AnswerOrigin::Worker | AnswerOrigin::Unknown) {
            // Those two are counted at the end of the answer.
            core.pools.count(pool, outcome);
        }
        if settings.is_some_and(|settings| settings.coordinator.access_log_fields) {
            set_log_fields(&core.host, Some(&held.target), waited_ms, outcome.word());
        }
        match origin {
            AnswerOrigin::Unknown if ends => self.answer_ends(core, context),
            AnswerOrigin::Worker if ends || is_seeded(Defect::FreeAtHeaders) => {
                self.answer_ends(core, context)
            }
            AnswerOrigin::Worker | AnswerOrigin::Unknown => None,
            AnswerOrigin::Unreachable
            | AnswerOrigin::Reset
            | AnswerOrigin::TimedOut
            | AnswerOrigin::Proxy => {
                if let Some(reason) = origin.replacement() {
                    self.replace_answer(core, context, reason, ends);
                }
                let fate = origin.slot_fate(resets);
                self.finish_with(context, fate);
                Some(EndedSlot { pool, serial: held.serial, fate, closes: held.closes() })
            }
        }
    }

    /// Replaces Envoy's answer with a local reply. An answer without a body (to `HEAD`, or gRPC's trailers) keeps its form.
    fn replace_answer<H: Host>(
        &mut self,
        core: &LaneCore<H>,
        context: u32,
        reason: LocalReplyReason,
        ends: bool,
    ) {
        let Some(stream) = self.streams.get_mut(&context) else { return };
        let reply =
            local_reply(core, context, reason, Some(stream.pool), stream.waited_ms, LineStatus::default());
        if let Some(seconds) = reply.retry_after_s() {
            let _ = core.host.replace_header(HEADERS, "retry-after", &seconds.to_string());
        }
        // Envoy's own status may be 502, for an answer that was not HTTP.
        let _ = core.host.replace_header(HEADERS, ":status", &reason.status().to_string());
        if ends {
            return;
        }
        let body = reply.body();
        let _ = core.host.replace_header(HEADERS, "content-type", PROBLEM_JSON);
        let _ = core.host.replace_header(HEADERS, "content-length", &body.len().to_string());
        stream.replacement = Some(body);
    }

    /// Handles a chunk of an answer's body. Returns the slot if the answer ends with it.
    pub(crate) fn answer_body<H: Host>(
        &mut self,
        core: &mut LaneCore<H>,
        context: u32,
        size: usize,
        ends: bool,
    ) -> Option<EndedSlot> {
        if let Some(body) = self.streams.get_mut(&context).and_then(|stream| stream.replacement.as_mut()) {
            // The first chunk becomes the whole body, the others become empty.
            let body = std::mem::take(body);
            let _ = core.host.replace_response_body(size, body.as_bytes());
        }
        if ends { self.answer_ends(core, context) } else { None }
    }

    /// Handles the end of an answer. The slot is free at once, however slowly the client reads, or once the connection to the
    /// worker is closed.
    pub(crate) fn answer_ends<H: Host>(&mut self, core: &mut LaneCore<H>, context: u32) -> Option<EndedSlot> {
        let stream = self.streams.get_mut(&context)?;
        let (pool, is_unknown) = (stream.pool, stream.has_unknown_answer);
        // A waiter that Envoy answers leaves the line when its stream ends.
        let Phase::Running(held) = &stream.phase else { return None };
        let (serial, closes) = (held.serial, held.closes());
        let (outcome, fate) = if is_unknown {
            (RequestOutcome::GoneRunning, SlotFate::Hold)
        } else {
            (RequestOutcome::Answered, SlotFate::Release(ReleaseOutcome::Answered))
        };
        self.finish_with(context, fate);
        core.pools.count(pool, outcome);
        Some(EndedSlot { pool, serial, fate, closes })
    }

    /// Notes that a stream holds nothing any more. One whose slot is held for a while keeps its mark.
    fn finish_with(&mut self, context: u32, fate: SlotFate) {
        if let Some(stream) = self.streams.get_mut(&context) {
            stream.phase = Phase::Done;
            if fate == SlotFate::Hold {
                stream.mark = None;
            }
        }
    }
}

/// The current answer, as far as its status and Envoy tell.
struct Origin {
    origin: AnswerOrigin,
    /// The status is below 500.
    is_fine: bool,
    /// The status is one of those that have a `location`: 201, and 3xx.
    may_redirect: bool,
}

/// Returns where the current answer comes from. Only an answer that may be Envoy's own costs the host call that finds it out.
fn find_origin<H: Host>(host: &H, ends: bool) -> Origin {
    let Some(status) = host.header(HEADERS, ":status") else {
        return Origin { origin: AnswerOrigin::Unknown, is_fine: false, may_redirect: false };
    };
    let is_fine = !status.starts_with('5');
    let may_redirect = status.starts_with('3') || status == "201";
    if !AnswerOrigin::may_be_proxys(&status, ends) {
        return Origin { origin: AnswerOrigin::Worker, is_fine, may_redirect };
    }
    // Envoy sets the details of every answer before it calls any filter.
    let details = host.property(&["response", "code_details"]);
    let origin = details.map_or(AnswerOrigin::Unknown, |details| {
        AnswerOrigin::from_code_details(&String::from_utf8_lossy(&details))
    });
    Origin { origin, is_fine, may_redirect }
}

/// Makes references of the current answer to its worker relative, so that the client comes back to the coordinator.
fn keep_within<H: Host>(host: &H, worker: &WorkerUrl) {
    for name in ["location", "content-location"] {
        if let Some(location) = host.header(HEADERS, name)
            && let Some(relative) = relative_to(worker, &location)
        {
            let _ = host.replace_header(HEADERS, name, relative);
        }
    }
}
