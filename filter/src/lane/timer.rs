//! When a lane has to be woken.

use std::time::Duration;

use super::Lane;
use crate::{host::Host, pools::LanePool};

/// How soon after its configuration a lane without requests joins the others, in milliseconds. The VM in which Envoy tries a
/// configuration is gone by then, so that it never becomes a lane.
const JOIN_AFTER_MS: u64 = 10;

/// The host's timer.
#[derive(Debug)]
pub(super) struct Timer {
    /// When it fires next; `u64::MAX` for never.
    armed_ms: u64,
}

impl Default for Timer {
    fn default() -> Self {
        Self { armed_ms: u64::MAX }
    }
}

impl<H: Host> Lane<H> {
    /// Notes that the timer has fired. It is set again when the callback ends.
    pub(super) fn timer_fired(&mut self) {
        if self.core.context != self.core.root && self.core.settings.is_some() {
            // An older root context, which lives until its last stream ends. The timer of the newest one is enough.
            let _ = self.core.host.set_tick_period(Duration::ZERO);
        }
        self.timer.armed_ms = u64::MAX;
    }

    /// Notes that the newest root context has no timer yet.
    pub(super) fn reset_timer(&mut self) {
        self.timer.armed_ms = u64::MAX;
    }

    /// Sets the host's timer, if something is due sooner than it fires.
    pub(super) fn schedule(&mut self) {
        let due_ms = self.due_ms();
        if due_ms < self.timer.armed_ms {
            self.arm(due_ms);
        }
    }

    /// Sets the host's timer to `due_ms`, on the newest root context.
    fn arm(&mut self, due_ms: u64) {
        let period_ms = due_ms.saturating_sub(self.core.host.now_ms()).max(1);
        let period = Duration::from_millis(period_ms);
        match self.core.as_context(self.core.root, || self.core.host.set_tick_period(period)).flatten() {
            Ok(()) => self.timer.armed_ms = due_ms,
            Err(error) => self.core.log_error("no timer", &error.into()),
        }
    }

    /// Returns when something is due. Every callback computes it, so it is simple.
    fn due_ms(&self) -> u64 {
        if self.core.settings.is_none() {
            return u64::MAX;
        }
        if self.core.enrolment.is_none() {
            // Once: the timer fires again by itself until the lane has joined.
            return if self.timer.armed_ms == u64::MAX {
                self.core.host.now_ms().saturating_add(JOIN_AFTER_MS)
            } else {
                u64::MAX
            };
        }
        if self.has_new_root {
            return 0;
        }
        let probe_ms = self.core.pools.iter().filter_map(LanePool::probe_at_ms).min().unwrap_or(u64::MAX);
        self.reporting
            .due_ms()
            .min(self.recovery.due_ms())
            .min(self.requests.due_ms())
            .min(self.grants.due_ms())
            .min(self.core.pools.flush_at_ms())
            .min(probe_ms)
    }
}
