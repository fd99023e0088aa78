//! How fast slots come free: what `Retry-After` is reckoned from.

use crate::{Abort, codec::Reader};

/// The mean gap between two slots coming free while none was, exponentially weighted: the last eight gaps
/// count for two thirds. Only times of shortage count: how slow a pool is that nobody uses says nothing about
/// how fast it could be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ReleaseRate {
    /// The last release, or the moment since which no slot is free.
    since_ms: u64,
    /// In 1/256 ms, so that a thousand releases a second still leave a number; 0 before the first.
    gap_ms_256: u64,
}

impl ReleaseRate {
    /// The last free slot was taken.
    pub(crate) fn note_shortage(&mut self, now_ms: u64) {
        self.since_ms = now_ms;
    }

    /// A slot came free where none was.
    pub(crate) fn note_release(&mut self, now_ms: u64) {
        let gap = now_ms.saturating_sub(self.since_ms).min(u64::from(u32::MAX)) * 256;
        self.gap_ms_256 = if self.gap_ms_256 == 0 { gap } else { (self.gap_ms_256 * 7 + gap) / 8 };
        self.since_ms = now_ms;
    }

    /// In how long a request that came now, behind `waiting` others, could have a slot. `None` before
    /// anything is known.
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
            return Err(Abort::Corrupt("a gap that is longer than any"));
        }
        Ok(rate)
    }
}
