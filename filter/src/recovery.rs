//! Looking after the lanes that died.
//!
//! One living lane does it, the one that reports. It takes over the dead lane's wake-up queue and gives back what comes
//! in there; takes the dead lane's places out of the line; and gives back its slots: each as soon as Envoy has said
//! that its request is over ([`crate::ends`]), and at the latest when it must be over. All of it can be done twice, by
//! two lanes at once, and to a lane that was only stalled.

use std::collections::{BTreeMap, BTreeSet};

use slotway_engine::{LaneId, Outcome, Ticket};
use slotway_test_hooks::{Defect, is_seeded};

use crate::{
    error::FilterError,
    host,
    lane::{Lane, queue_name},
    lane_table::{LaneEntry, LaneTable},
    pulse::BEATS_PER_LEASE,
    wake_up::WakeUp,
};

/// Places of the line that are looked at in one transition.
const PLACES_MAX: usize = 64;
/// A dead lane is forgotten when nothing of it was found in so many beats.
const CLEAN_BEATS: u32 = 2;

/// A dead lane that this one looks after.
#[derive(Debug)]
pub(crate) struct Estate {
    /// Its wake-up queue, which wakes this lane now.
    queue: u32,
    /// In how many beats nothing of it was found.
    clean: u32,
}

/// The dead lanes that this one looks after.
pub(crate) type Estates = BTreeMap<LaneId, Estate>;

impl Lane {
    /// Looks after dead lanes: those that have just fallen silent, and those that are known to be dead.
    pub(crate) fn recover(&mut self, silent: &[LaneEntry], now_ms: u64) {
        if is_seeded(Defect::NoRecovery) {
            return;
        }
        let table = if silent.is_empty() {
            LaneTable::read().map(Option::unwrap_or_default)
        } else {
            LaneTable::update(|table| {
                silent.iter().for_each(|entry| table.bury(entry.lane, entry.beat_ms));
                Ok(())
            })
            .map(|((), table)| table)
        };
        let table = match table.and_then(|table| self.take_in_strangers(table, now_ms)) {
            Ok(table) => table,
            Err(error) => return self.complain("the table of lanes cannot be read", &error),
        };
        let dead: Vec<_> = table.lanes.into_iter().filter(|entry| entry.is_dead).collect();
        if !dead.is_empty() {
            self.share_pool_names();
        }
        self.estates.retain(|lane, _| dead.iter().any(|entry| entry.lane == *lane));
        for entry in dead {
            if let Err(error) = self.settle(entry, now_ms) {
                self.complain(
                    &format!("lane {} has died and cannot be looked after yet", entry.lane),
                    &error,
                );
            }
        }
    }

    /// Puts lanes that hold slots and do not stand in the table back into it, as dead: one that was only stalled for so
    /// long that it was forgotten, took a slot when it went on, and died before its next beat.
    fn take_in_strangers(&mut self, table: LaneTable, now_ms: u64) -> Result<LaneTable, FilterError> {
        let is_stranger = |lane| !table.lanes.iter().any(|entry| entry.lane == lane);
        let mut strangers = BTreeSet::new();
        for pool in &mut self.pools {
            strangers.extend(pool.held_by(is_stranger)?.into_iter().map(|held| held.lane));
        }
        if strangers.is_empty() {
            return Ok(table);
        }
        let held_ms_max = self.held_ms_max;
        let taken_in = LaneTable::update(|table| {
            strangers.iter().for_each(|lane| table.take_in(*lane, now_ms, held_ms_max));
            Ok(())
        })?;
        Ok(taken_in.1)
    }

    /// Looks after one dead lane.
    fn settle(&mut self, dead: LaneEntry, now_ms: u64) -> Result<(), FilterError> {
        if !self.estates.contains_key(&dead.lane) {
            let queue = self.register_queue(&queue_name(dead.lane))?;
            self.estates.insert(dead.lane, Estate { queue, clean: 0 });
            self.warn(&format!("lane {} has died; lane {} looks after its slots", dead.lane, self.number()));
        }
        let mut found = self.drain_estate(dead.lane)?;
        for at in 0..self.pools.len() {
            found |= self.evict(at, dead.lane)?;
            found |= self.give_back_held(at, dead, now_ms)?;
        }
        let Some(estate) = self.estates.get_mut(&dead.lane) else { return Ok(()) };
        estate.clean = if found { 0 } else { estate.clean.saturating_add(1) };
        if estate.clean >= CLEAN_BEATS {
            LaneTable::update(|table| {
                table.remove(dead.lane);
                Ok(())
            })?;
            self.estates.remove(&dead.lane);
        }
        Ok(())
    }

    /// Gives back what was on its way to the dead lanes.
    pub(crate) fn drain_estates(&mut self) {
        let lanes: Vec<_> = self.estates.keys().copied().collect();
        for lane in lanes {
            if let Err(error) = self.drain_estate(lane) {
                self.complain("a dead lane's queue cannot be read", &error);
            }
        }
    }

    fn drain_estate(&mut self, lane: LaneId) -> Result<bool, FilterError> {
        let Some(queue) = self.estates.get(&lane).map(|estate| estate.queue) else { return Ok(false) };
        let mut found = false;
        while let Some(message) = host::dequeue(queue)? {
            found = true;
            let Some(wake_up) = WakeUp::decode(&message) else { continue };
            if let Some(pool) = self.pool_named(&wake_up.pool) {
                self.release(pool, wake_up.grant.serial, Outcome::Abandoned);
            }
        }
        Ok(found)
    }

    /// Takes the dead lane's places out of the line.
    fn evict(&mut self, at: usize, lane: LaneId) -> Result<bool, FilterError> {
        if is_seeded(Defect::NoEviction) {
            return Ok(false);
        }
        let mut from: Ticket = 0;
        let mut found = false;
        while let Some(pool) = self.pools.get_mut(at) {
            let (evicted, next) = pool.evict(lane, from, PLACES_MAX)?;
            found |= evicted > 0;
            match next {
                Some(next) => from = next,
                None => break,
            }
        }
        Ok(found)
    }

    /// Gives back the dead lane's slots whose requests are over. Returns whether it has any left.
    fn give_back_held(&mut self, at: usize, dead: LaneEntry, now_ms: u64) -> Result<bool, FilterError> {
        // Envoy logs a stream's end before it resets the request to the worker, on a thread that may be slower than this one.
        let margin_ms = self.settings.as_ref().map_or(0, |settings| settings.lane_lease_ms / BEATS_PER_LEASE);
        let Some(pool) = self.pools.get_mut(at) else { return Ok(false) };
        let held = pool.held(dead.lane)?;
        let over = dead.beat_ms.checked_add(dead.held_ms_max).is_some_and(|over_ms| over_ms <= now_ms);
        let over = over || is_seeded(Defect::OverAtOnce);
        let hold_ms = pool.settings.abandoned_hold.as_ms().max(margin_ms);
        for slot in &held {
            let ended = slot.is_over && {
                let since_ms = self.ends.over_since_ms(at, slot.serial, now_ms);
                since_ms.saturating_add(hold_ms) <= now_ms
            };
            if over || ended {
                self.ends.forget(at, slot.serial);
                self.release(at, slot.serial, Outcome::Abandoned);
            }
        }
        Ok(!held.is_empty())
    }

    fn number(&self) -> LaneId {
        self.enrolment.map_or(LaneId::MAX, |enrolment| enrolment.lane)
    }
}
