//! A request comes: it takes a slot, or a place in the line, or gets a local reply. The end of a stream.

use std::{cmp::Reverse, rc::Rc};

use slotway_config::headers;
use slotway_engine::{LaneId, ReleaseOutcome, Serial, Take, TakeRequest, Ticket};
use slotway_policy::{LineStatus, LocalReplyReason, RequestOutcome, SlotFate};
use slotway_test_hooks::{CrashPoint, Defect, crash_if_armed, is_seeded};

use super::{EndedSlot, Phase, Requests, stream::HeldSlot, stream::Stream};
use crate::{
    abi::MapType,
    error::FilterError,
    host::Host,
    lane_core::{LaneCore, Settings},
    mark,
    pools::{PoolIndex, Target},
};

/// What becomes of a request that has just come.
#[derive(Debug)]
pub(crate) enum Admission {
    /// It goes to its worker.
    Forwarded,
    /// It waits, or it got a local reply.
    Stopped,
    /// It got a local reply, and the slot that it had taken has to be released.
    Failed(EndedSlot),
}

/// What a request asks for.
struct Demand {
    pool: PoolIndex,
    now_ms: u64,
    wait_ms: u64,
}

impl Requests {
    /// Takes a slot for a new request, or a place in the line, or replies in the worker's place.
    pub(crate) fn admit<H: Host>(
        &mut self,
        core: &mut LaneCore<H>,
        context: u32,
        settings: &Settings,
        lane: LaneId,
    ) -> Admission {
        let demand = match read_demand(core, settings) {
            Ok(demand) => demand,
            Err(reason) => {
                self.reply_without_pool(core, context, reason);
                return Admission::Stopped;
            }
        };
        let Some(pool) = core.pools.get_mut(demand.pool) else { return Admission::Stopped };
        let request = TakeRequest {
            lane,
            now_ms: demand.now_ms,
            may_wait: demand.wait_ms > 0,
            waiting_max: pool.settings.max_waiting,
        };
        let host = &core.host;
        let taken = pool.take(request, |pool, serial| match serial {
            Some(serial) => mark::put(host, lane, pool, serial),
            None => mark::clear(host),
        });
        let mut stream = Stream::new(demand.pool, demand.now_ms);
        match taken {
            Ok(taken) => match taken.take {
                Take::Taken { worker, serial } => {
                    stream.mark = Some(serial);
                    let target = pool.target(worker, taken.names_epoch);
                    self.forward(core, context, stream, serial, target)
                }
                Take::Waiting(ticket) => {
                    self.wait(core, context, stream, ticket, demand.wait_ms);
                    Admission::Stopped
                }
                Take::Refused(reason) => {
                    self.streams.insert(context, stream);
                    self.refuse(core, context, reason.into(), taken.line);
                    Admission::Stopped
                }
            },
            Err(error) => {
                core.log_error("no slot can be taken", &error);
                self.streams.insert(context, stream);
                self.refuse(core, context, LocalReplyReason::Internal, LineStatus::default());
                Admission::Stopped
            }
        }
    }

    /// Sends a request with a slot to its worker.
    fn forward<H: Host>(
        &mut self,
        core: &mut LaneCore<H>,
        context: u32,
        mut stream: Stream,
        serial: Serial,
        target: Result<Rc<Target>, FilterError>,
    ) -> Admission {
        let pool = stream.pool;
        let addressed = target.and_then(|target| {
            address(core, pool, &target, 0)?;
            Ok(HeldSlot { serial, target })
        });
        match addressed {
            Ok(held) => {
                stream.phase = Phase::Running(held);
                self.streams.insert(context, stream);
                Admission::Forwarded
            }
            Err(error) => {
                core.log_error("a request cannot be sent to its worker", &error);
                self.streams.insert(context, stream);
                self.refuse(core, context, LocalReplyReason::Internal, LineStatus::default());
                let fate = SlotFate::Release(ReleaseOutcome::Abandoned);
                // It has no connection.
                Admission::Failed(EndedSlot { pool, serial, fate, closes: false })
            }
        }
    }

    /// Notes that a request waits.
    fn wait<H: Host>(
        &mut self,
        core: &mut LaneCore<H>,
        context: u32,
        mut stream: Stream,
        ticket: Ticket,
        wait_ms: u64,
    ) {
        let deadline_ms = stream.since_ms.saturating_add(wait_ms);
        if let Some(pool) = core.pools.get_mut(stream.pool) {
            pool.waiters.insert(ticket, context);
        }
        stream.phase = Phase::Waiting { ticket, deadline_ms };
        self.streams.insert(context, stream);
        self.deadlines.push(Reverse((deadline_ms, context)));
        if core.has_log_fields() {
            set_log_fields(&core.host, None, 0, RequestOutcome::GoneWaiting.word());
        }
    }

    /// Gives a slot to the waiter of a stream. `false`: the stream cannot use it, and gets a local reply if it is still
    /// there.
    pub(crate) fn resume<H: Host>(
        &mut self,
        core: &mut LaneCore<H>,
        context: u32,
        lane: LaneId,
        held: HeldSlot,
    ) -> bool {
        let Some(stream) = self.streams.get_mut(&context) else { return false };
        let now_ms = core.host.now_ms();
        let (pool, waited_ms) = (stream.pool, now_ms.saturating_sub(stream.since_ms));
        stream.waited_ms = waited_ms;
        let is_marked = stream.mark.replace(held.serial) == Some(held.serial);
        core.pools.note_wait(pool, waited_ms, now_ms);
        let resumed = core.as_context(context, || {
            if let (false, Some(pool)) = (is_marked, core.pools.get(pool)) {
                mark::put(&core.host, lane, &pool.settings.name, held.serial);
            }
            address(core, pool, &held.target, waited_ms)?;
            Ok::<_, FilterError>(core.host.resume_request()?)
        });
        if let Ok(Ok(())) = resumed {
            if let Some(stream) = self.streams.get_mut(&context) {
                stream.phase = Phase::Running(held);
            }
            return true;
        }
        // Either the stream is gone and its end is not reported yet, or its wait would never end.
        self.refuse(core, context, LocalReplyReason::Internal, LineStatus::default());
        false
    }

    /// Ends a stream. Returns the slot that it held. `released_ms` is when this lane last released a slot.
    pub(crate) fn end<H: Host>(
        &mut self,
        core: &mut LaneCore<H>,
        context: u32,
        released_ms: u64,
    ) -> Option<EndedSlot> {
        let stream = self.streams.remove(&context)?;
        match stream.phase {
            Phase::Done => {
                clear_mark(&core.host, &stream, released_ms);
                None
            }
            Phase::Waiting { ticket, .. } => {
                core.pools.count(stream.pool, RequestOutcome::GoneWaiting);
                if let Some(pool) = core.pools.get_mut(stream.pool) {
                    pool.waiters.remove(&ticket);
                }
                // A slot that is on its way finds no waiter, and is released.
                if !is_seeded(Defect::ForgetCancel) {
                    self.leave_line(core, stream.pool, ticket);
                }
                None
            }
            Phase::Running(held) => {
                core.pools.count(stream.pool, RequestOutcome::GoneRunning);
                let closes = held.closes();
                Some(EndedSlot { pool: stream.pool, serial: held.serial, fate: SlotFate::Hold, closes })
            }
        }
    }
}

/// Reads what a request asks for. The client's header stays: Envoy strips it.
fn read_demand<H: Host>(core: &LaneCore<H>, settings: &Settings) -> Result<Demand, LocalReplyReason> {
    let asked_ms = match core.host.header(MapType::HttpRequestHeaders, headers::WAIT_TIMEOUT_MS) {
        None => None,
        Some(text) => Some(text.trim().parse::<u64>().map_err(|_| LocalReplyReason::BadWaitTimeout)?),
    };
    let path = || core.host.header(MapType::HttpRequestHeaders, ":path").unwrap_or_default();
    let pool = settings.router.route(path).ok_or(LocalReplyReason::NoPool)?;
    let now_ms = core.host.now_ms();
    let pool_wait_ms = core.pools.get(pool).map_or(0, |pool| pool.settings.free_worker_timeout.as_ms());
    let wait_ms = asked_ms.map_or(pool_wait_ms, |asked_ms| asked_ms.min(pool_wait_ms));
    Ok(Demand { pool, now_ms, wait_ms })
}

/// Addresses the request of the effective context to a worker: names its cluster for the route, and tells the router how
/// long the answer may take. The route adds the path of the base URL; Envoy chooses the route by the path after this filter
/// has run.
fn address<H: Host>(
    core: &LaneCore<H>,
    pool: PoolIndex,
    target: &Target,
    waited_ms: u64,
) -> Result<(), FilterError> {
    crash_if_armed(CrashPoint::Taken);
    let limit_ms = core.pools.get(pool).map_or("", |pool| &pool.answer_timeout_ms);
    if !limit_ms.is_empty() {
        core.host.replace_header(MapType::HttpRequestHeaders, headers::ANSWER_TIMEOUT_MS, limit_ms)?;
    }
    core.host.replace_header(MapType::HttpRequestHeaders, headers::WORKER, target.url.as_str())?;
    if core.has_log_fields() {
        // The outcome that is logged unless another one becomes known.
        set_log_fields(&core.host, Some(target), waited_ms, RequestOutcome::GoneRunning.word());
    }
    Ok(())
}

/// Removes the mark of the current stream, whose slot is released, if Envoy would call the witness for it: that is for
/// errors, and for requests that took [`mark::WITNESSED_FROM_MS`]. Most short requests so spare a host call. (An abandoned
/// stream keeps its mark, since its slot is still out.)
fn clear_mark<H: Host>(host: &H, stream: &Stream, released_ms: u64) {
    let took_ms = released_ms.saturating_sub(stream.since_ms);
    let is_witnessed = !stream.is_fine || took_ms >= mark::WITNESSED_FROM_MS / 2;
    if stream.mark.is_some() && is_witnessed {
        mark::clear(host);
    }
}

/// Sets the access log's fields of the current stream.
pub(super) fn set_log_fields<H: Host>(host: &H, target: Option<&Target>, waited_ms: u64, outcome: &str) {
    if let Some(target) = target {
        let _ = host.set_property("slotway.worker", target.url.as_str().as_bytes());
    }
    let _ = host.set_property("slotway.wait_ms", waited_ms.to_string().as_bytes());
    let _ = host.set_property("slotway.outcome", outcome.as_bytes());
}
