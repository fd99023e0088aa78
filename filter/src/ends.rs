//! Word of requests that are over, from Envoy itself.
//!
//! A dead lane's requests go on in Envoy, and nobody of the filter is told of their ends. The *witness* is
//! ([`crate::witness`]): it sends the mark of every stream that ended other than well. The lane that looks after the
//! dead notes it in the ledger, where it stays until the slot is back: a lane that lives gives it back itself, a dead
//! one's is given back for it, by whoever looks after it then.

use std::collections::BTreeMap;

use slotway_engine::Serial;
use slotway_test_hooks::{Defect, is_seeded};

use crate::{host, lane::Lane, lane_pool::LanePool, mark::Mark, shared::Step};

/// The shared queue that the witness writes to, and that wakes the lane that looks after the dead.
pub(crate) const QUEUE: &str = "slotway/1/ends";
/// Ends that are remembered at once. Beyond it, slots of dead lanes come back a little later.
const ENDS_MAX: usize = 65_536;

/// This lane's part in hearing of ends.
#[derive(Debug, Default)]
pub(crate) struct Ends {
    queue: Option<u32>,
    /// Marks that the host refused to note; tried again with the next tick.
    unnoted: Vec<Mark>,
    /// Since when requests are known to be over whose slots were still out then.
    since_ms: BTreeMap<(usize, Serial), u64>,
}

impl Ends {
    /// Whether this lane hears of ends.
    pub(crate) fn is_heard(&self) -> bool {
        self.queue.is_some()
    }

    /// Since when a request is known to be over: from now on, if this is the first that is asked.
    pub(crate) fn over_since_ms(&mut self, pool: usize, serial: Serial, now_ms: u64) -> u64 {
        if self.since_ms.len() >= ENDS_MAX {
            self.since_ms.clear();
        }
        *self.since_ms.entry((pool, serial)).or_insert(now_ms)
    }

    pub(crate) fn forget(&mut self, pool: usize, serial: Serial) {
        self.since_ms.remove(&(pool, serial));
    }
}

impl Lane {
    /// Makes this lane the one that hears of ends.
    pub(crate) fn hear_of_ends(&mut self) {
        match self.register_queue(QUEUE) {
            Ok(queue) => self.ends.queue = Some(queue),
            Err(error) => self.complain("nobody tells of the ends of a dead lane's requests", &error.into()),
        }
    }

    /// Takes in what the witness has said. Returns whether it was about a dead lane.
    pub(crate) fn take_in_ends(&mut self) -> bool {
        let Some(queue) = self.ends.queue.filter(|_| self.reporter.is_reporter()) else { return false };
        let mut of_dead_lane = false;
        for mark in std::mem::take(&mut self.ends.unnoted) {
            of_dead_lane |= self.note_over(mark);
        }
        loop {
            let message = match host::dequeue(queue) {
                Ok(Some(message)) => message,
                Ok(None) => return of_dead_lane,
                Err(error) => {
                    self.complain("the ends of requests cannot be read", &error.into());
                    return of_dead_lane;
                }
            };
            if let Some(mark) = Mark::decode(&message) {
                of_dead_lane |= self.note_over(mark);
            }
        }
    }

    /// Notes that the request with this mark is over. Returns whether a dead lane's slot waited for it.
    fn note_over(&mut self, mark: Mark) -> bool {
        let Some(at) = self.pool_named(&mark.pool) else { return false };
        if is_seeded(Defect::TrustWitness) {
            self.release(at, mark.serial, slotway_engine::Outcome::Abandoned);
        }
        let Some(pool) = self.pools.get_mut(at) else { return false };
        match pool.note_over(&mark) {
            Ok(noted) => {
                if noted {
                    self.ends.over_since_ms(at, mark.serial, host::now_ms());
                }
                noted && self.estates.contains_key(&mark.lane)
            }
            Err(error) => {
                self.complain("the end of a request cannot be noted yet", &error);
                if self.ends.unnoted.len() < ENDS_MAX {
                    self.ends.unnoted.push(mark);
                }
                false
            }
        }
    }
}

impl LanePool {
    /// Notes that the request with this mark is over. `false`: its slot is back.
    fn note_over(&mut self, mark: &Mark) -> Result<bool, crate::error::FilterError> {
        self.shared.transact(|pool| {
            let noted = pool.note_over(mark.serial, mark.lane)?;
            Ok(if noted { Step::Commit(true) } else { Step::Leave(false) })
        })
    }
}
