//! Recovering what dead lanes have left. One living lane does it: the one that reports.
//!
//! It takes over the wake-up queue of a dead lane and releases the slots that come in there. It takes the dead lane's
//! waiters out of the line. It releases the dead lane's slots: each as soon as Envoy has told that its request is over
//! ([`super::ended_requests`]), and at the latest when the request must be over.

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use slotway_engine::{LaneId, ReleaseOutcome, Ticket};
use slotway_test_hooks::{Defect, is_seeded};

use super::{ended_requests::EndTimes, ended_requests::EndedRequests, liveness::BEATS_PER_LEASE};
use crate::{
    error::FilterError,
    grants::Grants,
    host::Host,
    lane_core::LaneCore,
    pools::PoolIndex,
    requests::Requests,
    shared_state::{LaneEntry, LaneTable},
    wake_up::{Message, WakeUp, queue_name},
};

/// Most places of the line that one transition visits.
const PLACES_MAX: usize = 64;
/// The number of beats without a find after which a dead lane is removed from the table.
const CLEAN_BEATS: u32 = 2;

/// A dead lane that this one recovers.
#[derive(Debug)]
struct DeadLane {
    /// Its wake-up queue, whose messages wake this lane now.
    queue: u32,
    /// The number of beats in which nothing of it was found.
    clean_beats: u32,
}

/// The dead lanes that this one recovers.
#[derive(Debug, Default)]
pub(super) struct DeadLanes {
    lanes: BTreeMap<LaneId, DeadLane>,
}

impl DeadLanes {
    /// Returns whether this lane recovers that one.
    pub(super) fn contains(&self, lane: LaneId) -> bool {
        self.lanes.contains_key(&lane)
    }

    /// Declares silent lanes dead, and recovers what all dead lanes have left.
    pub(super) fn recover<H: Host>(
        &mut self,
        core: &mut LaneCore<H>,
        requests: &mut Requests,
        grants: &mut Grants,
        ended: &mut EndedRequests,
        silent: &[LaneEntry],
        now_ms: u64,
    ) {
        if is_seeded(Defect::NoRecovery) {
            return;
        }
        let table = declare_dead(core, silent).and_then(|table| add_unlisted(core, table, now_ms));
        let table = match table {
            Ok(table) => table,
            Err(error) => return core.log_error("the table of lanes cannot be read", &error),
        };
        let dead: Vec<_> = table.lanes.into_iter().filter(|entry| entry.is_dead).collect();
        if !dead.is_empty() {
            core.share_pool_names();
        }
        self.lanes.retain(|lane, _| dead.iter().any(|entry| entry.lane == *lane));
        for entry in dead {
            if let Err(error) = self.recover_lane(core, requests, grants, ended, entry, now_ms) {
                core.log_error(&format!("dead lane {} cannot be recovered yet", entry.lane), &error);
            }
        }
    }

    fn recover_lane<H: Host>(
        &mut self,
        core: &mut LaneCore<H>,
        requests: &mut Requests,
        grants: &mut Grants,
        ended: &mut EndedRequests,
        dead: LaneEntry,
        now_ms: u64,
    ) -> Result<(), FilterError> {
        if let Entry::Vacant(entry) = self.lanes.entry(dead.lane) {
            let queue = core.register_queue(&queue_name(dead.lane))?;
            entry.insert(DeadLane { queue, clean_beats: 0 });
            let own = core.lane().unwrap_or(LaneId::MAX);
            core.log_warning(&format!("lane {} has died; lane {own} recovers its slots", dead.lane));
        }
        let mut has_found = self.drain_queue(core, requests, grants, dead.lane)?;
        for index in core.pools.indexes() {
            has_found |= evict(core, index, dead.lane)?;
            has_found |= release_over(core, requests, grants, ended.times(), index, dead, now_ms)?;
        }
        let Some(lane) = self.lanes.get_mut(&dead.lane) else { return Ok(()) };
        lane.clean_beats = if has_found { 0 } else { lane.clean_beats.saturating_add(1) };
        if lane.clean_beats >= CLEAN_BEATS {
            LaneTable::update(&core.host, |table| {
                table.remove(dead.lane);
                Ok(())
            })?;
            self.lanes.remove(&dead.lane);
        }
        Ok(())
    }

    /// Releases the slots that came to dead lanes.
    pub(super) fn drain_queues<H: Host>(
        &mut self,
        core: &mut LaneCore<H>,
        requests: &mut Requests,
        grants: &mut Grants,
    ) {
        let lanes: Vec<_> = self.lanes.keys().copied().collect();
        for lane in lanes {
            if let Err(error) = self.drain_queue(core, requests, grants, lane) {
                core.log_error("the queue of a dead lane cannot be read", &error);
            }
        }
    }

    /// Releases the slots that came to a dead lane. Returns whether there was a message.
    fn drain_queue<H: Host>(
        &mut self,
        core: &mut LaneCore<H>,
        requests: &mut Requests,
        grants: &mut Grants,
        lane: LaneId,
    ) -> Result<bool, FilterError> {
        let Some(queue) = self.lanes.get(&lane).map(|lane| lane.queue) else { return Ok(false) };
        let mut has_found = false;
        while let Some(message) = core.host.dequeue(queue)? {
            has_found = true;
            let Some(wake_up) = WakeUp::decode(&message) else { continue };
            let Some(pool) = core.pools.find(&wake_up.pool) else { continue };
            let (serial, outcome) = match wake_up.message {
                Message::Replies => continue,
                Message::Grant(grant) => (grant.serial, ReleaseOutcome::Abandoned),
                Message::Closed(serial, outcome) => (serial, outcome),
            };
            grants.release(core, requests, pool, serial, outcome);
        }
        Ok(has_found)
    }
}

/// Declares silent lanes dead, and returns the table.
fn declare_dead<H: Host>(core: &LaneCore<H>, silent: &[LaneEntry]) -> Result<LaneTable, FilterError> {
    if silent.is_empty() {
        return LaneTable::read(&core.host).map(Option::unwrap_or_default);
    }
    let updated = LaneTable::update(&core.host, |table| {
        silent.iter().for_each(|entry| table.declare_dead(entry.lane, entry.beat_ms));
        Ok(())
    })?;
    Ok(updated.1)
}

/// Adds lanes that hold slots and are not in the table, as dead. Such a lane was stalled for so long that it was removed; it
/// took a slot when it went on, and died before its next beat.
fn add_unlisted<H: Host>(
    core: &mut LaneCore<H>,
    table: LaneTable,
    now_ms: u64,
) -> Result<LaneTable, FilterError> {
    let is_unlisted = |lane| !table.lanes.iter().any(|entry| entry.lane == lane);
    let mut unlisted = BTreeSet::new();
    for pool in core.pools.iter_mut() {
        unlisted.extend(pool.slots_of(is_unlisted)?.into_iter().map(|entry| entry.lane));
    }
    if unlisted.is_empty() {
        return Ok(table);
    }
    let hold_ms_max = core.hold_ms_max;
    let updated = LaneTable::update(&core.host, |table| {
        unlisted.iter().for_each(|lane| table.add_dead(*lane, now_ms, hold_ms_max));
        Ok(())
    })?;
    Ok(updated.1)
}

/// Takes the waiters of a dead lane out of the line. Returns whether there were any.
fn evict<H: Host>(core: &mut LaneCore<H>, index: PoolIndex, lane: LaneId) -> Result<bool, FilterError> {
    if is_seeded(Defect::NoEviction) {
        return Ok(false);
    }
    let mut from: Ticket = 0;
    let mut has_found = false;
    while let Some(pool) = core.pools.get_mut(index) {
        let (evicted, next) = pool.evict(lane, from, PLACES_MAX)?;
        has_found |= evicted > 0;
        match next {
            Some(next) => from = next,
            None => break,
        }
    }
    Ok(has_found)
}

/// Releases the slots of a dead lane whose requests are over. Returns whether the lane had any slot.
fn release_over<H: Host>(
    core: &mut LaneCore<H>,
    requests: &mut Requests,
    grants: &mut Grants,
    times: &mut EndTimes,
    index: PoolIndex,
    dead: LaneEntry,
    now_ms: u64,
) -> Result<bool, FilterError> {
    // Envoy logs the end of a stream before it resets the request to the worker, on a thread that may be slower than this.
    let lease_ms = core.settings.as_ref().map_or(0, |settings| settings.coordinator.lane_lease_ms);
    let margin_ms = lease_ms / BEATS_PER_LEASE;
    let Some(pool) = core.pools.get_mut(index) else { return Ok(false) };
    let entries = pool.slots_of(|lane| lane == dead.lane)?;
    let hold_ms = pool.settings.abandoned_hold.as_ms().max(margin_ms);
    let must_be_over = dead.beat_ms.checked_add(dead.hold_ms_max).is_some_and(|over_ms| over_ms <= now_ms);
    let must_be_over = must_be_over || is_seeded(Defect::OverAtOnce);
    for entry in &entries {
        let is_over = entry.is_over && {
            let since_ms = times.known_since_ms(index, entry.serial, now_ms);
            since_ms.saturating_add(hold_ms) <= now_ms
        };
        if must_be_over || is_over {
            times.forget(index, entry.serial);
            grants.release(core, requests, index, entry.serial, ReleaseOutcome::Abandoned);
        }
    }
    Ok(!entries.is_empty())
}
