//! The table of lanes in shared data: which there are, and when each was last heard of.

use slotway_engine::{Abort, FORMAT, LaneId};

use crate::{error::FilterError, host, shared};

const KEY: &str = "slotway/1/lanes";
/// Lanes in the table, dead ones included that still hold slots.
const LANES_MAX: usize = 4_096;
const ENTRY_BYTES: usize = 19;
const HEAD_BYTES: usize = 3;

/// One lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LaneEntry {
    pub(crate) lane: LaneId,
    /// When it was last heard of.
    pub(crate) beat_ms: u64,
    /// The longest that one of its requests can have a slot after that; `u64::MAX` is for ever.
    pub(crate) held_ms_max: u64,
    /// It was silent for too long, and is being looked after.
    pub(crate) is_dead: bool,
}

/// The table of lanes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LaneTable {
    /// The next lane's number. Numbers are not used again while Envoy runs.
    next: LaneId,
    pub(crate) lanes: Vec<LaneEntry>,
}

impl LaneTable {
    /// Reads the table; `None` where there is none yet.
    pub(crate) fn read() -> Result<Option<Self>, FilterError> {
        host::shared_data(KEY)?.map(|(bytes, _)| Ok(Self::decode(&bytes)?)).transpose()
    }

    /// Changes the table. `change` is called again where another lane was faster.
    pub(crate) fn update<R>(
        mut change: impl FnMut(&mut Self) -> Result<R, FilterError>,
    ) -> Result<(R, Self), FilterError> {
        shared::exchange(KEY, |bytes| {
            let before = bytes.map_or_else(|| Ok(Self::default()), Self::decode)?;
            let mut table = before.clone();
            let result = change(&mut table)?;
            let changed = (table != before).then(|| table.encode());
            Ok((changed, (result, table)))
        })
    }

    /// A number for a new lane.
    pub(crate) fn enrol(&mut self, now_ms: u64, held_ms_max: u64) -> Result<LaneId, FilterError> {
        // The highest number is nobody's.
        let lane = self.next;
        let next = lane.checked_add(1).filter(|next| *next < LaneId::MAX && self.lanes.len() < LANES_MAX);
        self.next = next.ok_or(FilterError::NoLaneNumber)?;
        self.lanes.push(LaneEntry { lane, beat_ms: now_ms, held_ms_max, is_dead: false });
        Ok(lane)
    }

    /// A lane says that it lives. Returns whether it was believed dead.
    pub(crate) fn beat(&mut self, lane: LaneId, now_ms: u64, held_ms_max: u64) -> bool {
        match self.lanes.iter_mut().find(|entry| entry.lane == lane) {
            Some(entry) => {
                entry.beat_ms = now_ms;
                entry.held_ms_max = held_ms_max;
                std::mem::take(&mut entry.is_dead)
            }
            None => {
                self.lanes.push(LaneEntry { lane, beat_ms: now_ms, held_ms_max, is_dead: false });
                true
            }
        }
    }

    /// A lane's requests can have slots for longer than it has said so far.
    pub(crate) fn raise_bound(&mut self, lane: LaneId, held_ms_max: u64) {
        if let Some(entry) = self.lanes.iter_mut().find(|entry| entry.lane == lane) {
            entry.held_ms_max = entry.held_ms_max.max(held_ms_max);
        }
    }

    /// Marks a lane as dead, unless it was heard of meanwhile.
    pub(crate) fn bury(&mut self, lane: LaneId, beat_ms: u64) {
        let silent = self.lanes.iter_mut().find(|entry| entry.lane == lane && entry.beat_ms == beat_ms);
        if let Some(entry) = silent {
            entry.is_dead = true;
        }
    }

    /// Puts a lane that is not in the table into it, as dead.
    pub(crate) fn take_in(&mut self, lane: LaneId, now_ms: u64, held_ms_max: u64) {
        if !self.lanes.iter().any(|entry| entry.lane == lane) {
            self.lanes.push(LaneEntry { lane, beat_ms: now_ms, held_ms_max, is_dead: true });
        }
    }

    /// Takes a dead lane out: nothing of it is left.
    pub(crate) fn remove(&mut self, lane: LaneId) {
        self.lanes.retain(|entry| entry.lane != lane || !entry.is_dead);
    }

    fn encode(&self) -> Vec<u8> {
        let size = self.lanes.len().saturating_mul(ENTRY_BYTES).saturating_add(HEAD_BYTES);
        let mut bytes = Vec::with_capacity(size);
        bytes.push(FORMAT);
        bytes.extend_from_slice(&self.next.to_le_bytes());
        for entry in &self.lanes {
            bytes.extend_from_slice(&entry.lane.to_le_bytes());
            bytes.extend_from_slice(&entry.beat_ms.to_le_bytes());
            bytes.extend_from_slice(&entry.held_ms_max.to_le_bytes());
            bytes.push(u8::from(entry.is_dead));
        }
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Self, Abort> {
        let short = Abort::Corrupt("the table of lanes ends too early");
        let (format, rest) = bytes.split_first().ok_or(short)?;
        if *format != FORMAT {
            return Err(Abort::Format { found: *format, known: FORMAT });
        }
        let (next, mut rest) = rest.split_first_chunk::<2>().ok_or(short)?;
        let mut table = Self { next: LaneId::from_le_bytes(*next), lanes: Vec::new() };
        while !rest.is_empty() {
            let (entry, after) = LaneEntry::decode(rest).ok_or(short)?;
            table.lanes.push(entry);
            rest = after;
        }
        Ok(table)
    }
}

impl LaneEntry {
    fn decode(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (lane, rest) = bytes.split_first_chunk::<2>()?;
        let (beat_ms, rest) = rest.split_first_chunk::<8>()?;
        let (held_ms_max, rest) = rest.split_first_chunk::<8>()?;
        let (is_dead, rest) = rest.split_first()?;
        let entry = Self {
            lane: LaneId::from_le_bytes(*lane),
            beat_ms: u64::from_le_bytes(*beat_ms),
            held_ms_max: u64::from_le_bytes(*held_ms_max),
            is_dead: *is_dead != 0,
        };
        Some((entry, rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_comes_back_as_it_was() {
        let mut table = LaneTable::default();
        for lane in 0..3 {
            assert_eq!(table.enrol(100, u64::MAX).ok(), Some(lane));
        }
        table.bury(1, 100);
        assert_eq!(LaneTable::decode(&table.encode()), Ok(table));
    }

    #[test]
    fn a_lane_that_is_heard_of_again_is_told_that_it_was_believed_dead() {
        let mut table = LaneTable::default();
        assert_eq!(table.enrol(100, 5).ok(), Some(0));
        assert!(!table.beat(0, 200, 5));
        table.bury(0, 100);
        assert!(!table.beat(0, 300, 5), "it was heard of since");
        table.bury(0, 300);
        table.remove(9);
        assert!(table.beat(0, 400, 5));
        table.bury(0, 400);
        table.remove(0);
        assert!(table.lanes.is_empty());
        assert!(table.beat(0, 500, 5));
    }

    #[test]
    fn what_is_damaged_or_of_another_version_is_refused() {
        let mut table = LaneTable::default();
        let _ = table.enrol(1, 2);
        let bytes = table.encode();
        for end in (0..3).chain(4..bytes.len()) {
            assert!(LaneTable::decode(&bytes[..end]).is_err(), "{end}");
        }
        // What the first version wrote there was the next number alone.
        assert_eq!(LaneTable::decode(&[1, 0]), Err(Abort::Format { found: 1, known: FORMAT }));
    }
}
