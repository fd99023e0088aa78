//! The table of lanes: which lanes exist, and when each was last heard of.

use slotway_engine::{Abort, FORMAT, LaneId};

use super::exchange::exchange;
use crate::{error::FilterError, host::Host};

const KEY: &str = "slotway/1/lanes";
/// Most lanes in the table, including dead ones that still hold slots.
const LANES_MAX: usize = 4_096;
const ENTRY_BYTES: usize = 19;
const HEAD_BYTES: usize = 3;

/// One lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LaneEntry {
    pub(crate) lane: LaneId,
    /// When it was last heard of.
    pub(crate) beat_ms: u64,
    /// How long one of its requests can hold a slot after that, in milliseconds; `u64::MAX` for no limit.
    pub(crate) hold_ms_max: u64,
    /// It was silent for longer than a lease, and another lane recovers its slots.
    pub(crate) is_dead: bool,
}

/// The table of lanes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LaneTable {
    /// The number of the next lane. No number is used twice while Envoy runs.
    next: LaneId,
    pub(crate) lanes: Vec<LaneEntry>,
}

impl LaneTable {
    /// Reads the table; `None` before the first lane.
    pub(crate) fn read<H: Host>(host: &H) -> Result<Option<Self>, FilterError> {
        host.shared_data(KEY)?.map(|(bytes, _)| Ok(Self::decode(&bytes)?)).transpose()
    }

    /// Changes the table. `change` is called again if another lane has changed it meanwhile.
    pub(crate) fn update<H: Host, R>(
        host: &H,
        mut change: impl FnMut(&mut Self) -> Result<R, FilterError>,
    ) -> Result<(R, Self), FilterError> {
        exchange(host, KEY, |bytes| {
            let before = bytes.map_or_else(|| Ok(Self::default()), Self::decode)?;
            let mut table = before.clone();
            let result = change(&mut table)?;
            let changed = (table != before).then(|| table.encode());
            Ok((changed, (result, table)))
        })
    }

    /// Adds a new lane, and returns its number.
    pub(crate) fn enrol(&mut self, now_ms: u64, hold_ms_max: u64) -> Result<LaneId, FilterError> {
        // No lane gets the highest number.
        let lane = self.next;
        let next = lane.checked_add(1).filter(|next| *next < LaneId::MAX && self.lanes.len() < LANES_MAX);
        self.next = next.ok_or(FilterError::NoLaneNumber)?;
        self.lanes.push(LaneEntry { lane, beat_ms: now_ms, hold_ms_max, is_dead: false });
        Ok(lane)
    }

    /// Notes a sign of life of a lane. Returns whether it had been declared dead.
    pub(crate) fn beat(&mut self, lane: LaneId, now_ms: u64, hold_ms_max: u64) -> bool {
        match self.lanes.iter_mut().find(|entry| entry.lane == lane) {
            Some(entry) => {
                entry.beat_ms = now_ms;
                entry.hold_ms_max = hold_ms_max;
                std::mem::take(&mut entry.is_dead)
            }
            None => {
                self.lanes.push(LaneEntry { lane, beat_ms: now_ms, hold_ms_max, is_dead: false });
                true
            }
        }
    }

    /// Raises the time for which a lane's requests can hold slots.
    pub(crate) fn raise_hold_bound(&mut self, lane: LaneId, hold_ms_max: u64) {
        if let Some(entry) = self.lanes.iter_mut().find(|entry| entry.lane == lane) {
            entry.hold_ms_max = entry.hold_ms_max.max(hold_ms_max);
        }
    }

    /// Declares a lane dead, unless it was heard of after `beat_ms`.
    pub(crate) fn declare_dead(&mut self, lane: LaneId, beat_ms: u64) {
        let silent = self.lanes.iter_mut().find(|entry| entry.lane == lane && entry.beat_ms == beat_ms);
        if let Some(entry) = silent {
            entry.is_dead = true;
        }
    }

    /// Adds a lane that the table does not have, as dead.
    pub(crate) fn add_dead(&mut self, lane: LaneId, now_ms: u64, hold_ms_max: u64) {
        if !self.lanes.iter().any(|entry| entry.lane == lane) {
            self.lanes.push(LaneEntry { lane, beat_ms: now_ms, hold_ms_max, is_dead: true });
        }
    }

    /// Removes a dead lane that holds nothing any more.
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
            bytes.extend_from_slice(&entry.hold_ms_max.to_le_bytes());
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
        let (hold_ms_max, rest) = rest.split_first_chunk::<8>()?;
        let (is_dead, rest) = rest.split_first()?;
        let entry = Self {
            lane: LaneId::from_le_bytes(*lane),
            beat_ms: u64::from_le_bytes(*beat_ms),
            hold_ms_max: u64::from_le_bytes(*hold_ms_max),
            is_dead: *is_dead != 0,
        };
        Some((entry, rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_decoded_as_it_was_encoded() {
        let mut table = LaneTable::default();
        for lane in 0..3 {
            assert_eq!(table.enrol(100, u64::MAX).ok(), Some(lane));
        }
        table.declare_dead(1, 100);
        assert_eq!(LaneTable::decode(&table.encode()), Ok(table));
    }

    #[test]
    fn a_lane_that_is_heard_of_again_learns_that_it_was_declared_dead() {
        let mut table = LaneTable::default();
        assert_eq!(table.enrol(100, 5).ok(), Some(0));
        assert!(!table.beat(0, 200, 5));
        table.declare_dead(0, 100);
        assert!(!table.beat(0, 300, 5), "it was heard of since");
        table.declare_dead(0, 300);
        table.remove(9);
        assert!(table.beat(0, 400, 5));
        table.declare_dead(0, 400);
        table.remove(0);
        assert!(table.lanes.is_empty());
        assert!(table.beat(0, 500, 5));
    }

    #[test]
    fn a_damaged_table_and_one_of_another_format_are_refused() {
        let mut table = LaneTable::default();
        let _ = table.enrol(1, 2);
        let bytes = table.encode();
        for end in (0..3).chain(4..bytes.len()) {
            assert!(LaneTable::decode(&bytes[..end]).is_err(), "{end}");
        }
        // The first format had the next number alone.
        assert_eq!(LaneTable::decode(&[1, 0]), Err(Abort::Format { found: 1, known: FORMAT }));
    }
}
