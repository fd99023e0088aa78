//! Requests of dead lanes that are over, as Envoy tells through the witness.
//!
//! The requests of a dead lane continue in Envoy, and no VM of the filter hears of their ends. So the witness
//! ([`crate::witness`]) sends the mark of every stream that did not end well. The lane that recovers dead lanes notes it in
//! the ledger, where it stays until the slot is back: a living lane releases its slot itself, and the slot of a dead lane is
//! released by the lane that recovers it, now or later.

use std::collections::BTreeMap;

use slotway_engine::{LaneId, ReleaseOutcome, Serial};
use slotway_test_hooks::{Defect, is_seeded};

use crate::{
    grants::Grants, host::Host, lane_core::LaneCore, mark::Mark, pools::PoolIndex, requests::Requests,
};

/// The shared queue that the witness writes to. Its messages wake the lane that recovers dead lanes.
pub(crate) const QUEUE: &str = "slotway/1/ends";
/// Most ended requests that are remembered. Beyond it, slots of dead lanes come back a little later.
const ENDED_MAX: usize = 65_536;

/// The ended requests, as one lane knows them.
#[derive(Debug, Default)]
pub(super) struct EndedRequests {
    queue: Option<u32>,
    /// Marks that a failed host call has kept out of the ledger. The next tick tries again.
    unnoted: Vec<Mark>,
    times: EndTimes,
}

/// Since when requests are known to be over whose slots are still out.
#[derive(Debug, Default)]
pub(super) struct EndTimes {
    since_ms: BTreeMap<(PoolIndex, Serial), u64>,
}

impl EndTimes {
    /// Returns since when a request is known to be over. The first call notes the time.
    pub(super) fn known_since_ms(&mut self, pool: PoolIndex, serial: Serial, now_ms: u64) -> u64 {
        if self.since_ms.len() >= ENDED_MAX {
            self.since_ms.clear();
        }
        *self.since_ms.entry((pool, serial)).or_insert(now_ms)
    }

    /// Forgets a request whose slot is released.
    pub(super) fn forget(&mut self, pool: PoolIndex, serial: Serial) {
        self.since_ms.remove(&(pool, serial));
    }
}

impl EndedRequests {
    /// Returns whether the witness' messages come to this lane.
    pub(super) fn is_registered(&self) -> bool {
        self.queue.is_some()
    }

    /// Returns the times at which requests became known to be over.
    pub(super) fn times(&mut self) -> &mut EndTimes {
        &mut self.times
    }

    /// Makes this lane the one that receives the witness' messages.
    pub(super) fn register<H: Host>(&mut self, core: &LaneCore<H>) {
        match core.register_queue(QUEUE) {
            Ok(queue) => self.queue = Some(queue),
            Err(error) => core.log_error("the queue of ended requests cannot be registered", &error.into()),
        }
    }

    /// Receives the witness' messages. Returns whether one was about a dead lane, which `is_recovered` says.
    pub(super) fn receive<H: Host>(
        &mut self,
        core: &mut LaneCore<H>,
        requests: &mut Requests,
        grants: &mut Grants,
        is_recovered: impl Fn(LaneId) -> bool,
    ) -> bool {
        let Some(queue) = self.queue else { return false };
        let mut is_of_dead_lane = false;
        for mark in std::mem::take(&mut self.unnoted) {
            is_of_dead_lane |= self.note(core, requests, grants, &is_recovered, mark);
        }
        loop {
            let message = match core.host.dequeue(queue) {
                Ok(Some(message)) => message,
                Ok(None) => return is_of_dead_lane,
                Err(error) => {
                    core.log_error("the queue of ended requests cannot be read", &error.into());
                    return is_of_dead_lane;
                }
            };
            if let Some(mark) = Mark::decode(&message) {
                is_of_dead_lane |= self.note(core, requests, grants, &is_recovered, mark);
            }
        }
    }

    /// Notes that the request with this mark is over. Returns whether its slot is out at a dead lane.
    fn note<H: Host>(
        &mut self,
        core: &mut LaneCore<H>,
        requests: &mut Requests,
        grants: &mut Grants,
        is_recovered: &impl Fn(LaneId) -> bool,
        mark: Mark,
    ) -> bool {
        let Some(index) = core.pools.find(&mark.pool) else { return false };
        if is_seeded(Defect::TrustWitness) {
            grants.release(core, requests, index, mark.serial, ReleaseOutcome::Abandoned);
        }
        let Some(pool) = core.pools.get_mut(index) else { return false };
        match pool.note_over(mark.serial, mark.lane) {
            Ok(is_noted) => {
                if is_noted {
                    self.times.known_since_ms(index, mark.serial, core.host.now_ms());
                }
                is_noted && is_recovered(mark.lane)
            }
            Err(error) => {
                core.log_error("the end of a request cannot be noted yet", &error);
                if self.unnoted.len() < ENDED_MAX {
                    self.unnoted.push(mark);
                }
                false
            }
        }
    }
}
