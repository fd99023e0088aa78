use std::collections::BTreeMap;

use crate::host::VmId;

/// The tick timers of all root contexts (`Wasm::setTimerPeriod` and `Wasm::tickHandler` in Envoy).
#[derive(Debug, Default)]
pub(crate) struct Timers {
    timers: BTreeMap<(VmId, u32), Timer>,
    armed: u64,
}

#[derive(Debug)]
struct Timer {
    period_ns: u64,
    due_ns: u64,
    /// Timers due at one instant fire in the order in which they were armed.
    order: u64,
}

impl Timers {
    /// A period of 0 stops the timer; any other one starts it again from now.
    pub(crate) fn set_period(&mut self, vm: VmId, context: u32, period_ms: u32, now_ns: u64) {
        self.timers.remove(&(vm, context));
        if period_ms > 0 {
            let period_ns = u64::from(period_ms) * 1_000_000;
            self.armed += 1;
            let timer = Timer { period_ns, due_ns: now_ns + period_ns, order: self.armed };
            self.timers.insert((vm, context), timer);
        }
    }

    /// Called when a tick was handled: the timer runs again, unless the handler disabled it.
    pub(crate) fn rearm(&mut self, vm: VmId, context: u32, now_ns: u64) {
        self.armed += 1;
        if let Some(timer) = self.timers.get_mut(&(vm, context)) {
            (timer.due_ns, timer.order) = (now_ns + timer.period_ns, self.armed);
        }
    }

    /// Returns the timer that fires next, among those of some VMs: when, and whose it is.
    pub(crate) fn next(&self, of: impl Fn(VmId) -> bool) -> Option<(u64, VmId, u32)> {
        let timers = self.timers.iter().filter(|((vm, _), _)| of(*vm));
        let first = timers.min_by_key(|(_, timer)| (timer.due_ns, timer.order))?;
        Some((first.1.due_ns, first.0.0, first.0.1))
    }

    /// Returns all timers, and when each is due.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (VmId, u32, u64)> + '_ {
        self.timers.iter().map(|((vm, context), timer)| (*vm, *context, timer.due_ns))
    }

    /// Returns all timers that are due, in the order in which they fire.
    pub(crate) fn due(&self, now_ns: u64) -> Vec<(VmId, u32)> {
        let mut due: Vec<_> = self.timers.iter().filter(|(_, timer)| timer.due_ns <= now_ns).collect();
        due.sort_by_key(|(_, timer)| (timer.due_ns, timer.order));
        due.into_iter().map(|(key, _)| *key).collect()
    }

    /// Returns the period in force for a root context, in milliseconds; 0 if it does not tick.
    pub(crate) fn period_ms(&self, vm: VmId, context: u32) -> u64 {
        self.timers.get(&(vm, context)).map_or(0, |timer| timer.period_ns / 1_000_000)
    }

    pub(crate) fn remove_vm(&mut self, vm: VmId) {
        self.timers.retain(|(of, _), _| *of != vm);
    }

    pub(crate) fn remove(&mut self, vm: VmId, context: u32) {
        self.timers.remove(&(vm, context));
    }
}
