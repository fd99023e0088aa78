//! A request's way through the filter: taking, waiting, ending. What lies between is in `grants` and `answer`.

use std::{borrow::Cow, cmp::Reverse};

use slotway_config::headers;
use slotway_engine::{Outcome, RefusalReason, Take, TakeRequest};
use slotway_test_hooks::{Defect, is_seeded};

use crate::{
    abi::MapType,
    grants::set_log_fields,
    host,
    lane::{Hold, Lane},
    lane_pool::Standing,
    mark,
    metrics::RequestOutcome,
    refusal::{Reason, Refusal, push_number},
    settings::Settings,
    stream::{Held, Phase, Stream},
};

/// What became of a waiter that wanted to leave the line.
#[derive(Debug)]
pub(crate) enum Leave {
    /// It has left.
    Left(Standing),
    /// It has been given a slot, which is on its way to this lane.
    Granted,
    /// The host refused. It is tried again; a slot that the place is given until then goes back.
    Failed,
}

pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

impl Lane {
    /// A request has come. `true` lets it go on; else it waits, or was refused.
    pub(crate) fn on_request(&mut self, context: u32) -> bool {
        let settings = self.settings.clone().filter(|_| self.enrol());
        let (Some(settings), Some(enrolment)) = (settings, self.enrolment) else {
            self.send_refusal(context, Reason::Internal, None, 0, Standing::default());
            return false;
        };
        let asked_ms = match asked_wait_ms() {
            Ok(asked_ms) => asked_ms,
            Err(reason) => {
                self.send_refusal(context, reason, None, 0, Standing::default());
                return false;
            }
        };
        let Some(pool) = self.pool_of_request(&settings) else {
            self.send_refusal(context, Reason::NoPool, None, 0, Standing::default());
            return false;
        };
        let Some(lane_pool) = self.pools.get_mut(pool) else { return false };
        let now_ms = host::now_ms();
        let pool_wait_ms = lane_pool.settings.free_worker_timeout.as_ms();
        let wait_ms = asked_ms.map_or(pool_wait_ms, |asked_ms| asked_ms.min(pool_wait_ms));
        let ask = TakeRequest {
            lane: enrolment.lane,
            now_ms,
            may_wait: wait_ms > 0,
            waiting_max: lane_pool.settings.max_waiting,
        };
        let taken = lane_pool.take(ask, |pool, serial| match serial {
            Some(serial) => mark::put(enrolment.lane, pool, serial),
            None => mark::wipe(),
        });
        let mut stream = Stream {
            pool,
            since_ms: now_ms,
            waited_ms: 0,
            phase: Phase::Done,
            mark: None,
            is_unclear: false,
            is_fine: false,
            replacement: None,
        };
        let taken = match taken {
            Ok(taken) => taken,
            Err(error) => {
                self.complain("no slot can be taken", &error);
                self.streams.insert(context, stream);
                self.refuse(context, Reason::Internal, RequestOutcome::Internal, Standing::default());
                return false;
            }
        };
        match taken.take {
            Take::Taken { worker, serial } => {
                stream.mark = Some(serial);
                let target = lane_pool.target(worker, taken.names_epoch);
                let addressed = target.and_then(|target| {
                    self.address(pool, &target, 0)?;
                    Ok(Held { serial, target })
                });
                match addressed {
                    Ok(held) => {
                        stream.phase = Phase::Held(held);
                        self.streams.insert(context, stream);
                        true
                    }
                    Err(error) => {
                        self.complain("a request cannot be sent to its worker", &error);
                        self.release(pool, serial, Outcome::Abandoned);
                        self.streams.insert(context, stream);
                        self.refuse(context, Reason::Internal, RequestOutcome::Internal, Standing::default());
                        false
                    }
                }
            }
            Take::Waiting(ticket) => {
                let deadline_ms = now_ms.saturating_add(wait_ms);
                lane_pool.waiters.insert(ticket, context);
                stream.phase = Phase::Waiting { ticket, deadline_ms };
                self.streams.insert(context, stream);
                self.deadlines.push(Reverse((deadline_ms, context)));
                if settings.access_log_fields {
                    set_log_fields(None, 0, RequestOutcome::GoneWaiting.word());
                }
                false
            }
            Take::Refused(reason) => {
                let (reason, outcome) = match reason {
                    RefusalReason::NoWorkers => (Reason::NoWorkers, RequestOutcome::NoWorkers),
                    RefusalReason::NoFreeSlot => (Reason::WaitTimeout, RequestOutcome::WaitTimeout),
                    RefusalReason::QueueFull => (Reason::QueueFull, RequestOutcome::QueueFull),
                };
                self.streams.insert(context, stream);
                self.refuse(context, reason, outcome, taken.standing);
                false
            }
        }
    }

    /// The first pool whose match is right.
    fn pool_of_request(&self, settings: &Settings) -> Option<usize> {
        if !settings.needs_path {
            return settings.order.first().copied();
        }
        let path = host::header(MapType::HttpRequestHeaders, ":path").unwrap_or_default();
        let right =
            |at: &&usize| self.pools.get(**at).is_some_and(|pool| pool.settings.matches.matches(&path));
        settings.order.iter().find(right).copied()
    }

    /// Refuses a stream of this lane, and counts it.
    pub(crate) fn refuse(
        &mut self,
        context: u32,
        reason: Reason,
        outcome: RequestOutcome,
        standing: Standing,
    ) {
        let Some(stream) = self.streams.get_mut(&context) else { return };
        stream.phase = Phase::Done;
        let now_ms = host::now_ms();
        let (pool, waited_ms) = (stream.pool, now_ms.saturating_sub(stream.since_ms));
        stream.waited_ms = waited_ms;
        if outcome == RequestOutcome::WaitTimeout {
            self.note_wait(pool, waited_ms, now_ms);
        }
        self.count(pool, outcome);
        self.send_refusal(context, reason, Some(pool), waited_ms, standing);
    }

    fn send_refusal(
        &self,
        context: u32,
        reason: Reason,
        pool: Option<usize>,
        waited_ms: u64,
        standing: Standing,
    ) {
        let refusal = self.refusal(context, reason, pool, waited_ms, standing);
        let mut seconds = String::new();
        if let Some(number) = refusal.retry_after_s() {
            push_number(&mut seconds, number);
        }
        let headers = [("content-type", PROBLEM_JSON), ("retry-after", &*seconds)];
        let headers = if seconds.is_empty() { &headers[..1] } else { &headers[..] };
        let fields = self.settings.as_ref().is_some_and(|settings| settings.access_log_fields);
        // An error means that the stream has gone: nobody is left to be told.
        let _ = self.as_context(context, || {
            if fields {
                set_log_fields(None, waited_ms, reason.word());
            }
            let body = if is_grpc() { Cow::Borrowed(refusal.message()) } else { Cow::Owned(refusal.body()) };
            host::send_local_response(
                reason.status(),
                reason.grpc_status(),
                reason.details(),
                headers,
                body.as_bytes(),
            )
        });
    }

    pub(crate) fn refusal(
        &self,
        context: u32,
        reason: Reason,
        pool: Option<usize>,
        waited_ms: u64,
        standing: Standing,
    ) -> Refusal<'_> {
        Refusal {
            reason,
            pool: pool.and_then(|pool| self.pools.get(pool)).map(|pool| &pool.settings.name),
            waited_ms,
            waiting: standing.waiting,
            expected_wait_ms: standing.expected_wait_ms,
            // Odd multiples of a large number spread neighbouring contexts over the whole range.
            jitter: u64::from(context).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16,
        }
    }

    /// The stream has ended, whatever it was doing.
    pub(crate) fn on_stream_end(&mut self, context: u32) {
        let Some(stream) = self.streams.remove(&context) else { return };
        match stream.phase {
            Phase::Done => self.wipe_mark(&stream),
            Phase::Waiting { ticket, .. } => {
                self.count(stream.pool, RequestOutcome::GoneWaiting);
                if let Some(pool) = self.pools.get_mut(stream.pool) {
                    pool.waiters.remove(&ticket);
                }
                // A slot that is on its way finds no waiter, and goes back from there.
                if !is_seeded(Defect::ForgetCancel) {
                    self.leave_line(stream.pool, ticket);
                }
            }
            Phase::Held(held) => {
                self.count(stream.pool, RequestOutcome::GoneRunning);
                self.abandon(stream.pool, &held);
            }
        }
    }

    /// Wipes the mark of the current stream, which is over with its slot given back, if the witness would be asked about
    /// it: it is asked about errors and about requests that took [`mark::ASKED_FROM_MS`]. That spares most short ones a
    /// host call. (A stream that is abandoned keeps its mark, since its slot is still out.)
    fn wipe_mark(&self, stream: &Stream) {
        let took_ms = self.released_ms.saturating_sub(stream.since_ms);
        let is_asked_about = !stream.is_fine || took_ms >= mark::ASKED_FROM_MS / 2;
        if stream.mark.is_some() && is_asked_about {
            mark::wipe();
        }
    }

    /// Takes a waiter out of the line.
    pub(crate) fn leave_line(&mut self, pool: usize, ticket: u64) -> Leave {
        let (Some(enrolment), Some(lane_pool)) = (self.enrolment, self.pools.get_mut(pool)) else {
            return Leave::Failed;
        };
        match lane_pool.cancel(enrolment.lane, ticket) {
            Ok((true, standing)) => Leave::Left(standing),
            Ok((false, _)) => Leave::Granted,
            Err(error) => {
                self.complain("a waiter cannot leave the line", &error);
                self.retry.fail(host::now_ms());
                self.unleft.push((pool, ticket));
                Leave::Failed
            }
        }
    }

    /// The request was reset under way. The worker may go on computing without noticing, so its slot is held
    /// for a while, and until the next tick at least: Envoy counts the requests of all clients that have left
    /// together in the cluster's limit until this thread is back in its event loop, and another lane that got
    /// the slot before could be refused there (overflow).
    pub(crate) fn abandon(&mut self, pool: usize, held: &Held) {
        let hold_ms = self.pools.get(pool).map_or(0, |pool| pool.settings.abandoned_hold.as_ms());
        let hold_ms = if is_seeded(Defect::NoHold) { 0 } else { hold_ms };
        let until_ms = host::now_ms().saturating_add(hold_ms);
        self.holds.push(Reverse(Hold { until_ms, pool, serial: held.serial }));
    }

    /// The stream goes on without its request, whose slot is held for a while. It keeps its mark.
    pub(crate) fn finish_abandoned(&mut self, context: u32, pool: usize, held: &Held) {
        self.finish(context);
        if let Some(stream) = self.streams.get_mut(&context) {
            stream.mark = None;
        }
        self.abandon(pool, held);
    }

    pub(crate) fn finish(&mut self, context: u32) {
        if let Some(stream) = self.streams.get_mut(&context) {
            stream.phase = Phase::Done;
        }
    }
}

/// How long the client would wait, if it says so. The header is left for Envoy to strip.
fn asked_wait_ms() -> Result<Option<u64>, Reason> {
    match host::header(MapType::HttpRequestHeaders, headers::WAIT_TIMEOUT_MS) {
        None => Ok(None),
        Some(text) => text.trim().parse().map(Some).map_err(|_| Reason::BadWaitTimeout),
    }
}

/// Whether the request at hand is a gRPC call.
fn is_grpc() -> bool {
    let content_type = host::header(MapType::HttpRequestHeaders, "content-type");
    content_type.is_some_and(|value| value.starts_with("application/grpc"))
}
