use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::host::{
    Callback, Context, FaultPlan, HostCall, HostMetrics, HttpCall, LaneIndex, PluginId, SharedData,
    SharedQueues, Stream, StreamId, Timers, Usage, VirtualClock, VmId, VmState, VmThread,
};

/// A line that the module logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// The lane; `None` in a canary VM.
    pub lane: Option<LaneIndex>,
    /// 0 trace, 1 debug, 2 info, 3 warn, 4 error, 5 critical.
    pub level: u32,
    /// The text.
    pub message: String,
}

/// A call of `proxy_on_queue_ready` that was posted to a thread and has not run yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wakeup {
    /// Counts up over all wake-ups of this host.
    pub serial: u64,
    /// The lane that it goes to.
    pub lane: LaneIndex,
    /// The context that had registered the queue, whatever has that number when the wake-up arrives.
    pub context: u32,
    /// The queue's token.
    pub token: u32,
}

/// What all threads of one Envoy process share, and the host's side of every VM and stream. Host calls of all
/// lanes come here; only one runs at a time.
#[derive(Default)]
pub(crate) struct Process {
    pub(crate) vm_id: String,
    pub(crate) vm_configuration: Vec<u8>,
    pub(crate) clock: VirtualClock,
    pub(crate) data: SharedData,
    pub(crate) queues: SharedQueues,
    pub(crate) metrics: HostMetrics,
    pub(crate) timers: Timers,
    pub(crate) logs: Vec<LogLine>,
    pub(crate) wakeups: VecDeque<Wakeup>,
    pub(crate) calls: Vec<HttpCall>,
    pub(crate) clusters: BTreeSet<String>,
    pub(crate) plugins: BTreeMap<PluginId, Vec<u8>>,
    pub(crate) vms: BTreeMap<VmId, VmState>,
    pub(crate) streams: BTreeMap<StreamId, Stream>,
    pub(crate) faults: FaultPlan,
    pub(crate) usage: Usage,
    /// The part of it that was used while configurations came.
    pub(crate) usage_of_configuring: Usage,
    /// The cost of the running or the last VM call.
    pub(crate) call_usage: BTreeMap<VmId, Usage>,
    pub(crate) log_level: u32,
    pub(crate) random: u64,
    /// The lanes that stop at each host call for the scheduler.
    pub(crate) yielding: BTreeSet<LaneIndex>,
    /// The host calls at which lanes stand.
    pub(crate) at: BTreeMap<LaneIndex, HostCall>,
    /// The lanes that trap when they continue.
    pub(crate) traps: BTreeSet<LaneIndex>,
    pub(crate) trace: Option<Vec<String>>,
    pub(crate) anomalies: Vec<String>,
    /// Streams whose requests reached the router, in that order, until a test takes them.
    pub(crate) arrivals: Vec<StreamId>,
    pub(crate) serial: u64,
    /// The number of writes of shared data that failed because of another write.
    pub(crate) conflicts: u64,
    /// The number of look-ups of a queue that was not registered.
    pub(crate) unresolved: u64,
    /// How many witnesses trapped.
    pub(crate) witnesses_lost: u64,
    /// How many root contexts were ended.
    pub(crate) retired: u64,
    pub(crate) options: HostOptions,
}

/// How the host behaves where Envoy's behaviour depends on its surroundings.
#[derive(Debug, Clone)]
pub struct HostOptions {
    /// A stream that the module or Envoy answers is over with the answer's last byte. Off: the client reads
    /// slowly, and [`crate::host::Host::finish`] ends the stream.
    pub finish_local_replies: bool,
    /// A local reply passes the module's own `on_response_headers` and `on_response_body`, as it does in
    /// Envoy.
    pub local_replies_pass_filter: bool,
    /// How long after the start of a VM that failed the next request waits for a new one, in milliseconds
    /// (`reload_config.backoff.base_interval`; Envoy's default is 1 s). Until then requests get 503.
    pub reload_backoff_ms: u64,
    /// What the module asked for within a call that then trapped (going on with a stream, say) is done all
    /// the same, as in the C++ host: `~DeferAfterCallActions` does not look whether the VM has failed.
    pub actions_survive_trap: bool,
    /// The module is an access logger too, on each lane in a VM of its own: the witness, as the control plane configures it.
    pub witness: bool,
    /// The number of the active seeded defect (`slotway_test_hooks::Defect`), in the variant of the module for tests.
    pub defect: Option<u32>,
    /// Compare-and-swap always swaps. No host does that: with it, a test that proves anything must fail.
    pub ignores_cas: bool,
}

impl Default for HostOptions {
    fn default() -> Self {
        Self {
            finish_local_replies: true,
            local_replies_pass_filter: true,
            reload_backoff_ms: 0,
            actions_survive_trap: true,
            witness: false,
            defect: None,
            ignores_cas: false,
        }
    }
}

impl Process {
    pub(crate) fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    pub(crate) fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            let now_us = self.clock.monotonic_ns() / 1_000;
            trace.push(format!("{:>9}.{:03} {}", now_us / 1_000, now_us % 1_000, line()));
        }
    }

    /// Something that Envoy lets pass, but that a module should not do.
    pub(crate) fn anomaly(&mut self, text: String) {
        self.note(|| text.clone());
        self.anomalies.push(text);
    }

    /// Returns the root context of any context of a VM.
    pub(crate) fn root_context(&self, vm: VmId, context: u32) -> u32 {
        match self.vms.get(&vm).and_then(|state| state.contexts.get(&context)) {
            Some(Context::Stream(stream)) => self.streams.get(stream).map_or(context, |stream| stream.root),
            _ => context,
        }
    }

    pub(crate) fn post_wakeup(&mut self, place: VmThread, context: u32, token: u32) {
        // The main thread has no VM of its own that could be found there, so its wake-ups come to nothing.
        if let VmThread::Lane(lane) = place {
            let serial = self.next_serial();
            self.wakeups.push_back(Wakeup { serial, lane, context, token });
        }
    }

    /// Adds the cost of a call to the stream whose context was called.
    pub(crate) fn charge(&mut self, vm: VmId, context: u32, usage: &Usage) {
        let of = self.vms.get(&vm).and_then(|state| state.contexts.get(&context)).copied();
        if let Some(Context::Stream(stream)) = of
            && let Some(stream) = self.streams.get_mut(&stream)
        {
            stream.seen.usage.add(usage);
        }
    }

    /// What Envoy logs when a VM traps, at level critical.
    pub(crate) fn log_trap(&mut self, vm: VmId, callback: Callback, trap: &wasmtime::Error) {
        let lane = self.vms.get(&vm).and_then(VmState::lane);
        let message = format!("Function: {} failed: {trap:?}", callback.name());
        self.note(|| format!("{vm:?} trapped: {message}"));
        self.logs.push(LogLine { lane, level: 5, message });
    }

    /// A trap: the VM is never called again.
    pub(crate) fn fail_vm(&mut self, vm: VmId) {
        if let Some(state) = self.vms.get_mut(&vm) {
            state.failed = true;
            if !self.options.actions_survive_trap {
                state.after_call.clear();
            }
        }
        self.timers.remove_vm(vm);
        self.calls.retain(|call| call.vm != vm);
    }
}

/// The process, for the host and for the host calls of all VMs.
#[derive(Clone, Default)]
pub(crate) struct SharedProcess(Arc<Mutex<Process>>);

impl SharedProcess {
    /// Locks the process. Everything runs on one thread, so no thread ever waits here; a panic of a test does not poison it for
    /// `Drop`.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Process> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
