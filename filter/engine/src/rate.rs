//! How fast slots become free. `Retry-After` is computed from it.

use crate::{Abort, codec::Reader};

/// The mean gap between two releases while no slot was free, exponentially weighted: the last eight gaps count for two thirds.
/// Only times of shortage count, because the rate of an idle pool says nothing about how fast its slots could come back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ReleaseRate {
    /// The time of the last release, or the time since which no slot is free.
    since_ms: u64,
    /// In 1/256 ms, so that a thousand releases a second are still a number; 0 before the first.
    gap_ms_256: u64,
}

impl ReleaseRate {
    /// Notes that the last free slot was taken.
    pub(crate) fn note_shortage(&mut self, now_ms: u64) {
        self.since_ms = now_ms;
    }

    /// Notes a release while no slot was free.
    pub(crate) fn note_release(&mut self, now_ms: u64) {
        let gap = now_ms.saturating_sub(self.since_ms).min(u64::from(u32::MAX)) * 256;
        self.gap_ms_256 = if self.gap_ms_256 == 0 { gap } else { (self.gap_ms_256 * 7 + gap) / 8 };
        self.since_ms = now_ms;
    }

    /// Returns in how many milliseconds a request that comes now, behind `waiting` others, can expect a slot. `None` before the
    /// first release.
    pub(crate) fn wait_ms(&self, waiting: u32) -> Option<u64> {
        let wait_ms = self.gap_ms_256.saturating_mul(u64::from(waiting) + 1) / 256;
        (self.gap_ms_256 > 0).then_some(wait_ms)
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.since_ms.to_le_bytes());
        out.extend_from_slice(&self.gap_ms_256.to_le_bytes());
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, Abort> {
        let rate = Self { since_ms: reader.u64()?, gap_ms_256: reader.u64()? };
        if rate.gap_ms_256 > u64::from(u32::MAX) * 256 {
            return Err(Abort::Corrupt("a gap is longer than any"));
        }
        Ok(rate)
    }
}
