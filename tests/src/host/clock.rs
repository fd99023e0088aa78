/// The two clocks of a machine, moved by hand.
#[derive(Debug, Clone)]
pub struct VirtualClock {
    monotonic_ns: u64,
    realtime_ns: u64,
}

/// 2026-01-01T00:00:00Z, so that a confusion of the two clocks shows.
const REALTIME_START_NS: u64 = 1_767_225_600_000_000_000;
const NS_PER_MS: u64 = 1_000_000;

impl Default for VirtualClock {
    fn default() -> Self {
        Self { monotonic_ns: 3_600_000 * NS_PER_MS, realtime_ns: REALTIME_START_NS }
    }
}

impl VirtualClock {
    /// Nanoseconds of the clock that never goes back.
    #[must_use]
    pub fn monotonic_ns(&self) -> u64 {
        self.monotonic_ns
    }

    /// Returns nanoseconds since 1970 by the operator's clock.
    #[must_use]
    pub fn realtime_ns(&self) -> u64 {
        self.realtime_ns
    }

    /// Lets time pass on both clocks.
    pub(crate) fn advance_to(&mut self, monotonic_ns: u64) {
        let passed_ns = monotonic_ns.saturating_sub(self.monotonic_ns);
        self.monotonic_ns += passed_ns;
        self.realtime_ns += passed_ns;
    }

    /// Sets the operator's clock forward or back, as NTP or an administrator may.
    pub(crate) fn jump_ms(&mut self, ms: i64) {
        self.realtime_ns = self.realtime_ns.saturating_add_signed(ms * NS_PER_MS as i64);
    }
}
