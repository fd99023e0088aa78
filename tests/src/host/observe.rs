//! What a test can observe, and which faults it can cause.

use crate::{
    HostError,
    host::{
        Context, Event, Faults, Host, HostCall, HostMetrics, LaneIndex, LogLine, Process, SharedData,
        SharedQueues, Status, Usage, Verdict, VirtualClock, VmId, schedule::Slot,
    },
};

impl Host {
    /// Reads or changes the process without a copy.
    pub(crate) fn inspect<R>(&self, look: impl FnOnce(&mut Process) -> R) -> R {
        look(&mut self.process.lock())
    }

    /// Returns the shared data as they are now.
    #[must_use]
    pub fn shared_data(&self) -> SharedData {
        self.process.lock().data.clone()
    }

    /// Changes shared data from outside, as another process or another version of the filter would.
    pub fn change_shared_data<R>(&mut self, change: impl FnOnce(&mut SharedData) -> R) -> R {
        change(&mut self.process.lock().data)
    }

    /// Returns the shared queues as they are now.
    #[must_use]
    pub fn shared_queues(&self) -> SharedQueues {
        self.process.lock().queues.clone()
    }

    /// Envoy's stats as they are now.
    #[must_use]
    pub fn metrics(&self) -> HostMetrics {
        self.process.lock().metrics.clone()
    }

    /// Returns everything that was logged.
    #[must_use]
    pub fn logs(&self) -> Vec<LogLine> {
        self.process.lock().logs.clone()
    }

    /// Returns the cost of all VM calls so far.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.process.lock().usage.clone()
    }

    /// Returns the cost of taking configurations.
    #[must_use]
    pub fn usage_of_configuring(&self) -> Usage {
        self.process.lock().usage_of_configuring.clone()
    }

    /// Returns the clocks.
    #[must_use]
    pub fn clock(&self) -> VirtualClock {
        self.process.lock().clock.clone()
    }

    /// Returns milliseconds of the monotonic clock.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.process.lock().clock.monotonic_ns() / 1_000_000
    }

    /// Returns what Envoy tolerates, and a module should not do, such as continuing a stream that is not held.
    #[must_use]
    pub fn anomalies(&self) -> Vec<String> {
        self.process.lock().anomalies.clone()
    }

    /// Writes down every event, callback and host call from now on.
    pub fn start_trace(&mut self) {
        self.process.lock().trace = Some(Vec::new());
    }

    /// Returns the trace since [`Host::start_trace`].
    #[must_use]
    pub fn trace(&self) -> Vec<String> {
        self.process.lock().trace.clone().unwrap_or_default()
    }

    /// Returns the root contexts that a lane's VM has, by number, and how often each ticks, in milliseconds (0: never).
    ///
    /// # Panics
    /// If the lane is busy.
    #[must_use]
    pub fn roots(&self, lane: LaneIndex) -> Vec<(u32, u64)> {
        let Slot::Idle(idle) = &self.lanes[lane.0] else { panic!("{lane:?} is busy") };
        let Some(vm) = idle.vm.as_ref().map(|vm| vm.id) else { return Vec::new() };
        let process = self.process.lock();
        let contexts = process.vms.get(&vm).into_iter().flat_map(|state| &state.contexts);
        contexts
            .filter(|(_, context)| matches!(context, Context::Root(_) | Context::Closing(_)))
            .map(|(id, _)| (*id, process.timers.period_ms(vm, *id)))
            .collect()
    }

    /// Returns the VM of an idle lane, if it has one that has not failed.
    pub(crate) fn vm_of(&self, lane: LaneIndex) -> Option<VmId> {
        match &self.lanes[lane.0] {
            Slot::Idle(idle) => idle.vm.as_ref().map(|vm| vm.id),
            _ => None,
        }
    }

    /// Returns whether an idle lane has a configuration to serve requests by.
    pub(crate) fn is_configured(&self, lane: LaneIndex) -> bool {
        matches!(&self.lanes[lane.0], Slot::Idle(idle) if idle.plugin.is_some())
    }

    /// Returns whether a lane has a VM that has not failed.
    ///
    /// # Panics
    /// If the lane is busy.
    #[must_use]
    pub fn is_alive(&self, lane: LaneIndex) -> bool {
        let Slot::Idle(idle) = &self.lanes[lane.0] else { panic!("{lane:?} is busy") };
        idle.vm.is_some()
    }

    /// Makes a lane's VM trap: at the host call where it stands, or now, between two calls, if it is idle.
    pub fn trap(&mut self, lane: LaneIndex) {
        match &mut self.lanes[lane.0] {
            Slot::Idle(idle) => {
                if let Some(vm) = idle.vm.take() {
                    self.process.lock().fail_vm(vm.id);
                }
            }
            Slot::Running(_) => {
                self.process.lock().traps.insert(lane);
            }
            Slot::Empty => {}
        }
    }

    /// Gives a lane whose VM has failed a new one, as the next request would.
    ///
    /// # Errors
    /// [`HostError::Configure`] if the new VM refuses the configuration.
    pub fn reload(&mut self, lane: LaneIndex) -> Result<(), HostError> {
        self.run(lane, Event::Reload)
    }

    /// The next time that this host call is made, by whichever lane, it is not done and answers `status`.
    pub fn fail_next(&mut self, call: HostCall, status: Status) {
        self.process.lock().faults.order(call, Verdict::Fail(status));
    }

    /// The next time that this host call is made, by whichever lane, the VM traps at it.
    pub fn trap_next(&mut self, call: HostCall) {
        self.process.lock().faults.order(call, Verdict::Trap);
    }

    /// Returns whether all faults that were ordered one by one have happened.
    #[must_use]
    pub fn faults_are_spent(&self) -> bool {
        self.process.lock().faults.is_spent()
    }

    /// Asks `faults` before each host call from now on; `None` stops that.
    pub fn set_faults(&mut self, faults: Option<Box<dyn Faults>>) {
        self.process.lock().faults.install(faults);
    }
}
