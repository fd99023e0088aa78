//! An answer: who made it, what it says about the worker, and when the slot is free.

use slotway_config::headers;
use slotway_engine::Outcome;
use slotway_test_hooks::{Defect, is_seeded};

use crate::{
    abi::MapType,
    grants::set_log_fields,
    host,
    lane::Lane,
    lane_pool::Standing,
    metrics::RequestOutcome,
    refusal::Reason,
    request::PROBLEM_JSON,
    stream::{Answer, Phase},
};

impl Lane {
    /// An answer begins: the worker's, or Envoy's in its place.
    pub(crate) fn on_answer_headers(&mut self, context: u32, end: bool) {
        let Some(stream) = self.streams.get_mut(&context) else { return };
        let (pool, waited_ms) = (stream.pool, stream.waited_ms);
        let Phase::Held(held) = stream.phase.clone() else { return };
        let (answer, is_fine) = judge_answer(end);
        stream.is_fine = is_fine;
        let settings = self.settings.clone();
        if settings.as_ref().is_some_and(|settings| settings.debug_headers) {
            let map = MapType::HttpResponseHeaders;
            let _ = host::replace_header(map, headers::WORKER, held.target.url.as_str());
            let _ = host::replace_header(map, headers::WAIT_MS, &waited_ms.to_string());
        }
        let outcome = match answer {
            Answer::Worker => RequestOutcome::Answered,
            Answer::Unreachable => RequestOutcome::WorkerUnreachable,
            Answer::TimedOut => RequestOutcome::AnswerTimeout,
            Answer::Local | Answer::Unknown => RequestOutcome::GoneRunning,
        };
        if !matches!(answer, Answer::Worker | Answer::Unknown) {
            // The worker's own is counted at its end.
            self.count(pool, outcome);
        }
        if settings.is_some_and(|settings| settings.access_log_fields) {
            set_log_fields(Some(&held.target), waited_ms, outcome.word());
        }
        match answer {
            Answer::Unknown => {
                if let Some(stream) = self.streams.get_mut(&context) {
                    stream.is_unclear = true;
                }
                if end {
                    self.on_answer_end(context);
                }
            }
            Answer::Worker if end || is_seeded(Defect::FreeAtHeaders) => self.on_answer_end(context),
            Answer::Worker => {}
            Answer::Unreachable => {
                self.replace_answer(context, Reason::WorkerUnreachable, end);
                self.finish(context);
                self.release(pool, held.serial, Outcome::Unreachable);
            }
            Answer::TimedOut => {
                self.replace_answer(context, Reason::AnswerTimeout, end);
                self.finish_abandoned(context, pool, &held);
            }
            Answer::Local => self.finish_abandoned(context, pool, &held),
        }
    }

    /// Puts our own words in the place of Envoy's. An answer without a body (to `HEAD`, or gRPC's trailers)
    /// keeps its form.
    fn replace_answer(&mut self, context: u32, reason: Reason, end: bool) {
        let Some(stream) = self.streams.get(&context) else { return };
        let refusal = self.refusal(context, reason, Some(stream.pool), stream.waited_ms, Standing::default());
        let map = MapType::HttpResponseHeaders;
        if let Some(seconds) = refusal.retry_after_s() {
            let _ = host::replace_header(map, "retry-after", &seconds.to_string());
        }
        if end {
            return;
        }
        let body = refusal.body();
        let _ = host::replace_header(map, "content-type", PROBLEM_JSON);
        let _ = host::replace_header(map, "content-length", &body.len().to_string());
        if let Some(stream) = self.streams.get_mut(&context) {
            stream.replacement = Some(body);
        }
    }

    /// A piece of the answer's body.
    pub(crate) fn on_answer_body(&mut self, context: u32, size: usize, end: bool) {
        if let Some(body) = self.streams.get_mut(&context).and_then(|stream| stream.replacement.as_mut()) {
            // The whole body in the place of the first piece, nothing in the place of others.
            let body = std::mem::take(body);
            let _ = host::replace_response_body(size, body.as_bytes());
        }
        if end {
            self.on_answer_end(context);
        }
    }

    /// The worker is finished with the request: its slot is free, however slowly the client reads.
    pub(crate) fn on_answer_end(&mut self, context: u32) {
        let Some(stream) = self.streams.get_mut(&context) else { return };
        let (pool, is_unclear) = (stream.pool, stream.is_unclear);
        // A waiter that Envoy answers leaves the line when its stream ends.
        let Phase::Held(held) = stream.phase.clone() else { return };
        if is_unclear {
            self.count(pool, RequestOutcome::GoneRunning);
            self.finish_abandoned(context, pool, &held);
        } else {
            self.finish(context);
            self.count(pool, RequestOutcome::Answered);
            self.release(pool, held.serial, Outcome::Answered);
        }
    }
}

/// Who made the answer whose headers are at hand. Asking Envoy costs a host call, so only answers are asked
/// about that could be its own: an error of a gateway, or one without a body (gRPC's trailers). Also says whether it is
/// no error of a server.
fn judge_answer(end: bool) -> (Answer, bool) {
    let Some(status) = host::header(MapType::HttpResponseHeaders, ":status") else {
        return (Answer::Unknown, false);
    };
    let is_fine = !status.starts_with('5');
    if !end && !matches!(status.as_str(), "404" | "408" | "413" | "500" | "502" | "503" | "504") {
        return (Answer::Worker, is_fine);
    }
    // Envoy says of every answer where it comes from, before anyone sees it.
    let details = host::property(&["response", "code_details"]);
    let answer =
        details.map_or(Answer::Unknown, |details| Answer::from_details(&String::from_utf8_lossy(&details)));
    (answer, is_fine)
}
