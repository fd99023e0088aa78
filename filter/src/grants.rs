//! Slots on their way: releases, grants to waiters of this lane and of others, and slots that are held for a while.
//!
//! A grant whose waiter is gone is released again, which may grant the slot to the next waiter.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
};

use rustc_hash::FxHashMap;
use slotway_engine::{Grant, LaneId, ReleaseOutcome, Serial};
use slotway_policy::{Backoff, LineStatus, LocalReplyReason, SlotFate};
use slotway_test_hooks::{CrashPoint, Defect, crash_if_armed, is_seeded};

use crate::{
    abi::LogLevel,
    error::FilterError,
    host::Host,
    lane_core::LaneCore,
    mark,
    pools::{LanePool, OnGrants, PoolIndex},
    requests::{EndedSlot, HeldSlot, Requests},
    wake_up::{Message, WakeUp, queue_name},
};

/// A slot of an abandoned request, which is held until the worker probably has ended the request too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Hold {
    until_ms: u64,
    pool: PoolIndex,
    serial: Serial,
}

/// A slot whose request has been answered, and whose connection to the worker is not closed yet.
#[derive(Debug, Clone, Copy)]
struct Closing {
    pool: PoolIndex,
    serial: Serial,
    outcome: ReleaseOutcome,
}

/// How far a lane's queue is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// To its end.
    Empty,
    /// To its end, or to the last message of the lane to itself: each further message has a wake-up of its own. That saves the
    /// host calls that find the queues empty.
    LastClosed,
}

/// The slots on their way, as one lane knows them.
#[derive(Default)]
pub(crate) struct Grants {
    holds: BinaryHeap<Reverse<Hold>>,
    /// The slots that are released with the next wake-up, for each of which a message is in this lane's queue.
    closing: Vec<Closing>,
    /// The released slots whose messages are still in the queue, in the order of the messages.
    unread: VecDeque<(PoolIndex, Serial)>,
    /// Releases that a failed host call has prevented.
    unreleased: Vec<(PoolIndex, Serial, ReleaseOutcome)>,
    retry: Backoff,
    /// The wake-up queues of other lanes.
    queues: FxHashMap<LaneId, u32>,
    released_ms: u64,
}

impl Grants {
    /// Returns when this lane last released a slot.
    pub(crate) fn released_ms(&self) -> u64 {
        self.released_ms
    }

    /// Returns when something is due: the end of a hold, or a retry.
    pub(crate) fn due_ms(&self) -> u64 {
        let due_ms = self.holds.peek().map_or(u64::MAX, |Reverse(hold)| hold.until_ms);
        if self.unreleased.is_empty() { due_ms } else { due_ms.min(self.retry.at_ms()) }
    }

    /// Returns the serials of the slots of a pool that this lane still has to release.
    pub(crate) fn pending_serials(&self, pool: PoolIndex) -> impl Iterator<Item = Serial> + '_ {
        let holds = self.holds.iter().map(|Reverse(hold)| (hold.pool, hold.serial));
        let unreleased = self.unreleased.iter().map(|(pool, serial, _)| (*pool, *serial));
        let closing = self.closing.iter().map(|closing| (closing.pool, closing.serial));
        holds.chain(unreleased).chain(closing).filter(move |(of, _)| *of == pool).map(|(_, serial)| serial)
    }

    /// Releases or holds the slot of a request that is over.
    pub(crate) fn settle<H: Host>(
        &mut self,
        core: &mut LaneCore<H>,
        requests: &mut Requests,
        ended: EndedSlot,
    ) {
        match ended.fate {
            SlotFate::Release(outcome) if ended.closes && !is_seeded(Defect::ReleaseBeforeClose) => {
                self.release_once_closed(core, Closing { pool: ended.pool, serial: ended.serial, outcome });
            }
            SlotFate::Release(outcome) => self.release(core, requests, ended.pool, ended.serial, outcome),
            SlotFate::Hold => self.hold(core, ended.pool, ended.serial),
        }
    }

    /// Holds the slot of a request that was reset at its worker, which may compute without noticing: for `abandoned_hold`,
    /// and until the next tick at least. Envoy counts the requests of all clients that have left together in the limit of
    /// the cluster until this thread is back in its event loop. Another lane that got the slot before could be refused there
    /// (overflow).
    fn hold<H: Host>(&mut self, core: &LaneCore<H>, pool: PoolIndex, serial: Serial) {
        let hold_ms = core.pools.get(pool).map_or(0, |pool| pool.settings.abandoned_hold.as_ms());
        let hold_ms = if is_seeded(Defect::NoHold) { 0 } else { hold_ms };
        let until_ms = core.host.now_ms().saturating_add(hold_ms);
        self.holds.push(Reverse(Hold { until_ms, pool, serial }));
    }

    /// Releases a slot once Envoy has closed its connection to the worker, which Envoy does when the running callback has
    /// returned (`ConnPoolImplBase::onStreamClosed`). A message of this lane to itself comes after that. If this lane dies
    /// before, the lane that recovers it finds the message.
    fn release_once_closed<H: Host>(&mut self, core: &LaneCore<H>, closing: Closing) {
        let queue = core.enrolment.map_or(0, |enrolment| enrolment.wake_up_queue);
        let pool = core.pools.get(closing.pool).filter(|_| queue != 0);
        let message = Message::Closed(closing.serial, closing.outcome);
        let sent = pool.map(|pool| core.host.enqueue(queue, &message.encode(pool.settings.name.as_str())));
        if let Some(Ok(())) = sent {
            self.closing.push(closing);
            return;
        }
        // The next tick releases it.
        self.retry.fail(core.host.now_ms());
        self.unreleased.push((closing.pool, closing.serial, closing.outcome));
    }

    /// Releases the slots whose connections Envoy has closed: those of all earlier callbacks. Their messages stay in the queue
    /// until then, so that the lane that recovers this one finds them.
    pub(crate) fn release_closed<H: Host>(&mut self, core: &mut LaneCore<H>, requests: &mut Requests) {
        for Closing { pool, serial, outcome } in std::mem::take(&mut self.closing) {
            self.unread.push_back((pool, serial));
            self.release(core, requests, pool, serial, outcome);
        }
    }

    /// Handles the message of a slot whose connection is closed.
    fn read_closed<H: Host>(
        &mut self,
        core: &mut LaneCore<H>,
        requests: &mut Requests,
        pool: PoolIndex,
        serial: Serial,
        outcome: ReleaseOutcome,
    ) {
        // Messages arrive in their order, so that it is the first one.
        match self.unread.iter().position(|unread| *unread == (pool, serial)) {
            Some(at) => drop(self.unread.remove(at)),
            // Of a lane that had this number before.
            None => self.release(core, requests, pool, serial, outcome),
        }
    }

    /// Forgets the messages that another lane has received while this one was declared dead. Called with an empty queue.
    pub(crate) fn forget_unread(&mut self) {
        self.unread.clear();
    }

    /// Releases a slot, and brings the slots that this frees to their waiters.
    pub(crate) fn release<H: Host>(
        &mut self,
        core: &mut LaneCore<H>,
        requests: &mut Requests,
        pool: PoolIndex,
        serial: Serial,
        outcome: ReleaseOutcome,
    ) {
        let grants = self.release_only(core, requests, pool, serial, outcome);
        self.deliver(core, requests, pool, grants);
    }

    fn release_only<H: Host>(
        &mut self,
        core: &mut LaneCore<H>,
        requests: &mut Requests,
        pool: PoolIndex,
        serial: Serial,
        outcome: ReleaseOutcome,
    ) -> Vec<Grant> {
        let now_ms = core.host.now_ms();
        self.released_ms = now_ms;
        let released = grant(core, requests, pool, |pool, on_grants| {
            Ok((pool.release(serial, outcome, now_ms, on_grants)?, ()))
        });
        match released {
            Ok((grants, _)) => {
                self.retry.succeed();
                crash_if_armed(CrashPoint::Released);
                grants
            }
            Err(error) => {
                self.retry.fail(now_ms);
                core.log_error("a slot cannot be released yet", &error);
                self.unreleased.push((pool, serial, outcome));
                Vec::new()
            }
        }
    }

    /// Releases the slots that a failed host call has kept out.
    pub(crate) fn retry_releases<H: Host>(&mut self, core: &mut LaneCore<H>, requests: &mut Requests) {
        if self.unreleased.is_empty() || self.retry.at_ms() > core.host.now_ms() {
            return;
        }
        for (pool, serial, outcome) in std::mem::take(&mut self.unreleased) {
            self.release(core, requests, pool, serial, outcome);
        }
    }

    /// Releases the slots whose hold is over.
    pub(crate) fn end_holds<H: Host>(
        &mut self,
        core: &mut LaneCore<H>,
        requests: &mut Requests,
        now_ms: u64,
    ) {
        while let Some(Reverse(hold)) =
            self.holds.peek().copied().filter(|Reverse(hold)| hold.until_ms <= now_ms)
        {
            self.holds.pop();
            self.release(core, requests, hold.pool, hold.serial, ReleaseOutcome::Abandoned);
        }
    }

    /// Probes the parked workers that are due.
    pub(crate) fn probe<H: Host>(&mut self, core: &mut LaneCore<H>, requests: &mut Requests, now_ms: u64) {
        for index in core.pools.indexes() {
            let due_ms = core.pools.get(index).and_then(LanePool::probe_at_ms);
            if due_ms.is_none_or(|due_ms| due_ms > now_ms) {
                continue;
            }
            let probed =
                grant(core, requests, index, |pool, on_grants| Ok((pool.probe(now_ms, on_grants)?, ())));
            match probed {
                Ok((grants, _)) => self.deliver(core, requests, index, grants),
                Err(error) => {
                    // Not at once, so that a host that refuses is not asked all the time.
                    if let Some(pool) = core.pools.get_mut(index) {
                        pool.delay_probe(now_ms);
                    }
                    core.log_error("parked workers cannot be probed", &error);
                }
            }
        }
    }

    /// Brings slots to their waiters. A slot that cannot be brought is released, which may grant it to the next waiter.
    pub(crate) fn deliver<H: Host>(
        &mut self,
        core: &mut LaneCore<H>,
        requests: &mut Requests,
        pool: PoolIndex,
        grants: Vec<Grant>,
    ) {
        let mut under_way = VecDeque::from(grants);
        while let Some(grant) = under_way.pop_front() {
            let is_own = core.lane() == Some(grant.lane);
            let is_delivered =
                if is_own { accept(core, requests, pool, grant) } else { self.send(core, pool, grant) };
            if !is_delivered && !is_seeded(Defect::DropUnclaimed) {
                under_way.extend(self.release_only(
                    core,
                    requests,
                    pool,
                    grant.serial,
                    ReleaseOutcome::Abandoned,
                ));
            }
        }
    }

    /// Sends a slot to another lane. `false`: a host call failed.
    fn send<H: Host>(&mut self, core: &LaneCore<H>, pool: PoolIndex, grant: Grant) -> bool {
        let Some(name) = core.pools.get(pool).map(|pool| pool.settings.name.as_str().to_owned()) else {
            return false;
        };
        let queue = match self.queues.get(&grant.lane) {
            Some(queue) => Ok(*queue),
            None => core.host.resolve_queue(&queue_name(grant.lane)),
        };
        let sent = queue.and_then(|queue| {
            self.queues.insert(grant.lane, queue);
            core.host.enqueue(queue, &Message::Grant(grant).encode(&name))
        });
        if let Err(error) = sent {
            self.queues.remove(&grant.lane);
            core.log_error(&format!("lane {} cannot be woken", grant.lane), &error.into());
        }
        sent.is_ok()
    }

    /// Receives the slots that other lanes have sent, and those whose connections are closed. `is_known` says which of them the
    /// audit has found already. Returns whether the queue may have more messages, as `until` allows.
    pub(crate) fn receive<H: Host>(
        &mut self,
        core: &mut LaneCore<H>,
        requests: &mut Requests,
        queue: u32,
        until: Until,
        is_known: impl Fn(PoolIndex, Serial) -> bool,
    ) -> bool {
        loop {
            let message = match core.host.dequeue(queue) {
                Ok(Some(message)) => message,
                Ok(None) => return false,
                Err(error) => {
                    core.log_error("the wake-up queue cannot be read", &error.into());
                    return false;
                }
            };
            let Some(wake_up) = WakeUp::decode(&message) else {
                core.host.log(LogLevel::Error, "slotway: a wake-up cannot be decoded");
                continue;
            };
            if wake_up.message == Message::Replies {
                if until == Until::LastClosed && self.unread.is_empty() {
                    return true;
                }
                continue;
            }
            let Some(pool) = core.pools.find(&wake_up.pool) else {
                core.host.log(LogLevel::Error, "slotway: a wake-up for an unknown pool");
                continue;
            };
            match wake_up.message {
                Message::Replies => {}
                Message::Closed(serial, outcome) => {
                    self.read_closed(core, requests, pool, serial, outcome);
                    if until == Until::LastClosed && self.unread.is_empty() {
                        return true;
                    }
                }
                Message::Grant(grant) => {
                    if !is_known(pool, grant.serial) && !is_seeded(Defect::DropWakeUp) {
                        self.deliver(core, requests, pool, vec![grant]);
                    }
                }
            }
        }
    }
}

/// Makes a transition that may grant slots to waiters. A waiter of this lane is marked before it is granted a slot, like a
/// request that takes one: if this VM dies in between, the witness still sees the mark when the stream ends.
pub(crate) fn grant<H: Host, R>(
    core: &mut LaneCore<H>,
    requests: &mut Requests,
    pool: PoolIndex,
    transition: impl FnOnce(&mut LanePool<H>, &mut OnGrants<'_>) -> Result<(Vec<Grant>, R), FilterError>,
) -> Result<(Vec<Grant>, Option<R>), FilterError> {
    let (Some(lane), Some(lane_pool)) = (core.lane(), core.pools.get_mut(pool)) else {
        return Ok((Vec::new(), None));
    };
    let (host, current) = (&core.host, core.context);
    let mut marked = Vec::new();
    let made = transition(lane_pool, &mut |pool, waiters, grants| {
        for grant in grants.iter().filter(|grant| grant.lane == lane) {
            if let Some(context) = waiters.get(&grant.ticket) {
                let _ = host.as_context(current, *context, || mark::put(host, lane, pool, grant.serial));
                marked.push((*context, grant.serial));
            }
        }
    });
    let is_granted = |context: u32, serial: Serial| {
        let is_for = |grant: &Grant| lane_pool.waiters.get(&grant.ticket) == Some(&context);
        made.as_ref()
            .is_ok_and(|(grants, _)| grants.iter().any(|grant| grant.serial == serial && is_for(grant)))
    };
    for (context, serial) in marked {
        if is_granted(context, serial) {
            requests.set_mark(context, serial);
        } else {
            // A retry of the exchange has granted the slot to another waiter.
            let _ = host.as_context(current, context, || mark::clear(host));
        }
    }
    made.map(|(grants, result)| (grants, Some(result)))
}

/// Gives a slot to a waiter of this lane. `false`: the waiter is gone or cannot use it, so the slot has to be released.
pub(crate) fn accept<H: Host>(
    core: &mut LaneCore<H>,
    requests: &mut Requests,
    pool: PoolIndex,
    grant: Grant,
) -> bool {
    let Some(lane_pool) = core.pools.get_mut(pool) else { return false };
    let Some(context) = lane_pool.waiters.remove(&grant.ticket) else { return false };
    match lane_pool.target(grant.worker, grant.names_epoch) {
        Ok(target) => requests.resume(core, context, grant.lane, HeldSlot { serial: grant.serial, target }),
        Err(error) => {
            core.log_error("the worker of a slot has no name", &error);
            requests.refuse(core, context, LocalReplyReason::Internal, LineStatus::default());
            false
        }
    }
}
