//! Which lanes are alive.
//!
//! Every lane *beats*: it writes the time into the table of lanes, [`BEATS_PER_LEASE`] times in a `lane_lease`. A lane whose
//! beat has not changed over [`SILENT_BEATS_MAX`] beats of another lane is declared dead. A lane counts its own beats and
//! does not compare times, so that no lane is declared dead after the process or the machine was stopped as a whole.
//!
//! A lane that was only stalled learns with its next beat that it was declared dead. It can repair everything that was done
//! meanwhile: its waiters join the line again, and its slots come back by their serials, once.

use std::collections::BTreeMap;

use slotway_engine::LaneId;

use crate::shared_state::{LaneEntry, LaneTable};

/// How often a lane beats within a lease.
pub(super) const BEATS_PER_LEASE: u64 = 5;
/// The number of beats of another lane after which a silent lane is declared dead.
const SILENT_BEATS_MAX: u32 = 4;

/// The beats of the other lanes, as one lane sees them.
#[derive(Debug, Default)]
pub(super) struct LaneLiveness {
    /// The last beat of each other lane, and for how many own beats it has not changed.
    silence: BTreeMap<LaneId, (u64, u32)>,
}

impl LaneLiveness {
    /// Reads the table after an own beat. Returns the lanes that were silent for too long.
    pub(super) fn observe(&mut self, own: LaneId, table: &LaneTable) -> Vec<LaneEntry> {
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

    /// Returns whether any lane has missed a beat.
    pub(super) fn has_missed_beats(&self) -> bool {
        self.silence.values().any(|(_, beats)| *beats > 1)
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
        let mut liveness = LaneLiveness::default();
        let silent = table(&[(0, 7), (1, 5)]);
        for beat in 0..SILENT_BEATS_MAX {
            assert_eq!(liveness.observe(0, &silent), [], "beat {beat}");
        }
        assert_eq!(liveness.observe(0, &silent).iter().map(|entry| entry.lane).collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn a_lane_that_beats_now_and_then_lives() {
        let mut liveness = LaneLiveness::default();
        for beat_ms in 0..20 {
            let table = table(&[(0, beat_ms), (1, beat_ms / 4)]);
            assert_eq!(liveness.observe(0, &table), []);
        }
    }
}
