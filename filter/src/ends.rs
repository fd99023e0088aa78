//! Word of requests that are over, from Envoy itself.
//!
//! A dead lane's requests go on in Envoy, and nobody of the filter is told of their ends. The *witness* is
//! ([`crate::witness`]): it sends the mark of every stream that ended other than well. Here such marks are kept until
//! it is known whether their lane lives, and gives its slots back itself, or has died.

use std::collections::BTreeMap;

use slotway_engine::{LaneId, Serial};

use crate::{host, lane::Lane, mark::Mark};

/// The shared queue that the witness writes to, and that wakes the lane that looks after the dead.
pub(crate) const QUEUE: &str = "slotway/1/ends";
/// Ends of streams that are remembered at once. Beyond it, slots come back when their requests must be over.
const ENDS_MAX: usize = 65_536;
/// How long an end is remembered, in leases: longer than it takes to find out that a lane has died.
const LEASES: u64 = 3;

/// The end of a stream.
#[derive(Debug, Clone, Copy)]
struct End {
    lane: LaneId,
    seen_ms: u64,
}

/// The ends of streams that were heard of lately.
#[derive(Debug, Default)]
pub(crate) struct Ends {
    queue: Option<u32>,
    seen: BTreeMap<(usize, Serial), End>,
}

impl Ends {
    /// Whether this lane hears of ends.
    pub(crate) fn is_heard(&self) -> bool {
        self.queue.is_some()
    }

    /// When the request that had this slot was over; `None` where nobody has said so.
    pub(crate) fn over_since_ms(&self, pool: usize, lane: LaneId, serial: Serial) -> Option<u64> {
        self.seen.get(&(pool, serial)).filter(|end| end.lane == lane).map(|end| end.seen_ms)
    }
}

impl Lane {
    /// Makes this lane the one that hears of ends.
    pub(crate) fn hear_of_ends(&mut self) {
        let _ = host::set_effective_context(self.root);
        let queue = host::register_queue(QUEUE);
        let _ = host::set_effective_context(self.context);
        match queue {
            Ok(queue) => self.ends.queue = Some(queue),
            Err(error) => self.complain("nobody tells of the ends of a dead lane's requests", &error.into()),
        }
    }

    /// Takes in what the witness has said. Returns whether a dead lane's slot may be given back for it.
    pub(crate) fn take_in_ends(&mut self, now_ms: u64) -> bool {
        let Some(queue) = self.ends.queue.filter(|_| self.reporter.is_reporter()) else { return false };
        let lease_ms = self.settings.as_ref().map_or(0, |settings| settings.lane_lease_ms);
        let estates = &self.estates;
        let fresh = |end: &End| {
            now_ms.saturating_sub(end.seen_ms) < lease_ms.saturating_mul(LEASES)
                || estates.contains_key(&end.lane)
        };
        self.ends.seen.retain(|_, end| fresh(end));
        let mut of_dead_lane = false;
        loop {
            let message = match host::dequeue(queue) {
                Ok(Some(message)) => message,
                Ok(None) => break,
                Err(error) => {
                    self.complain("the ends of requests cannot be read", &error.into());
                    break;
                }
            };
            let Some(mark) = Mark::decode(&message) else { continue };
            let Some(pool) = self.pool_named(&mark.pool) else { continue };
            of_dead_lane |= self.estates.contains_key(&mark.lane);
            if self.ends.seen.len() < ENDS_MAX {
                self.ends.seen.insert((pool, mark.serial), End { lane: mark.lane, seen_ms: now_ms });
            }
        }
        of_dead_lane
    }
}
