//! How lanes know of each other that they live.
//!
//! Every lane *beats*: it writes the time into the table of lanes, five times in a `lane_lease`. A lane whose beat has
//! not changed over [`SILENT_BEATS_MAX`] beats of somebody else is believed dead. Counting one's own beats instead of
//! asking the clock keeps a process that was stopped as a whole, or a machine that slept, from burying every lane.
//!
//! A lane that was only stalled learns with its next beat that it was believed dead. Nothing was done that it cannot
//! mend: its waiters join the line again, and its slots come back by their serials, once.

use std::collections::BTreeMap;

use slotway_engine::LaneId;

use crate::{
    lane::Lane,
    lane_table::{LaneEntry, LaneTable},
    request::Leave,
};

/// How often a lane beats within a lease.
pub(crate) const BEATS_PER_LEASE: u64 = 5;
/// A lane is dead when it was silent for so many beats of another lane.
const SILENT_BEATS_MAX: u32 = 4;
/// How soon a beat that the host refused is tried again.
const AGAIN_MS: u64 = 100;

/// This lane's part in it.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    /// When the next beat is due.
    due_ms: u64,
    /// Every other lane's last beat, and for how many of our own it has not changed.
    silence: BTreeMap<LaneId, (u64, u32)>,
}

impl Pulse {
    pub(crate) fn due_ms(&self) -> u64 {
        self.due_ms
    }

    /// Takes in what the table says. Returns the lanes that have fallen silent.
    fn listen(&mut self, own: LaneId, table: &LaneTable) -> Vec<LaneEntry> {
        self.silence.retain(|lane, _| table.lanes.iter().any(|entry| entry.lane == *lane));
        let mut silent = Vec::new();
        for entry in table.lanes.iter().filter(|entry| entry.lane != own && !entry.is_dead) {
            let beats = match self.silence.get(&entry.lane) {
                Some((beat_ms, beats)) if *beat_ms == entry.beat_ms => beats.saturating_add(1),
                _ => 0,
            };
            self.silence.insert(entry.lane, (entry.beat_ms, beats));
            if beats >= SILENT_BEATS_MAX {
                silent.push(*entry);
            }
        }
        silent
    }

    /// Whether a lane has missed a beat.
    fn is_uneasy(&self) -> bool {
        self.silence.values().any(|(_, beats)| *beats > 1)
    }
}

impl Lane {
    /// Beats, if it is time to, and looks after what other lanes have left behind.
    pub(crate) fn beat(&mut self, now_ms: u64) {
        let (Some(settings), Some(enrolment)) = (&self.settings, self.enrolment) else { return };
        if self.pulse.due_ms > now_ms {
            return;
        }
        self.pulse.due_ms = now_ms.saturating_add(settings.lane_lease_ms / BEATS_PER_LEASE);
        self.pools.iter_mut().for_each(|pool| pool.shared.forget());
        let held_ms_max = self.held_ms_max;
        let beaten = LaneTable::update(|table| Ok(table.beat(enrolment.lane, now_ms, held_ms_max)));
        let (was_dead, table) = match beaten {
            Ok(beaten) => beaten,
            Err(error) => {
                self.pulse.due_ms = now_ms.saturating_add(AGAIN_MS);
                self.complain("this lane cannot say that it lives", &error);
                return;
            }
        };
        if was_dead {
            self.return_from_the_dead();
        }
        let silent = self.pulse.listen(enrolment.lane, &table);
        let dead = table.lanes.iter().any(|entry| entry.is_dead);
        self.audit(dead || !silent.is_empty() || self.pulse.is_uneasy());
        if self.reporter.is_reporter() {
            self.recover(&silent, now_ms);
        }
    }

    /// This lane was silent for too long, and its waiters may have been taken out of the line.
    fn return_from_the_dead(&mut self) {
        self.register_wake_ups();
        for at in 0..self.pools.len() {
            let Some(pool) = self.pools.get(at) else { continue };
            let tickets: Vec<_> = pool.waiters.keys().copied().collect();
            for ticket in tickets {
                match self.leave_line(at, ticket) {
                    Leave::Left(_) => self.rejoin(at, ticket),
                    // A slot may be on its way; if none is, the audit finds out.
                    _ => {
                        if let Some(pool) = self.pools.get_mut(at) {
                            pool.audit.astray.insert(ticket);
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(beats: &[(LaneId, u64)]) -> LaneTable {
        let mut table = LaneTable::default();
        for (lane, beat_ms) in beats {
            table.beat(*lane, *beat_ms, 0);
        }
        table
    }

    #[test]
    fn a_lane_is_dead_when_its_beat_has_not_changed_over_four_beats_of_another() {
        let mut pulse = Pulse::default();
        let silent = table(&[(0, 7), (1, 5)]);
        for beat in 0..SILENT_BEATS_MAX {
            assert_eq!(pulse.listen(0, &silent), [], "beat {beat}");
        }
        assert_eq!(pulse.listen(0, &silent).iter().map(|entry| entry.lane).collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn a_lane_that_beats_now_and_then_lives() {
        let mut pulse = Pulse::default();
        for beat_ms in 0..20 {
            let table = table(&[(0, beat_ms), (1, beat_ms / 4)]);
            assert_eq!(pulse.listen(0, &table), []);
        }
    }
}
