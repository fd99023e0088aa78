//! Envoy's side of proxy-wasm, without Envoy: real modules, several lanes, one thread, and a clock that the test moves.
//!
//! A [`Host`] is one Envoy process. It has lanes (worker threads), each with its own VM of the same module. Lanes share what
//! they share in Envoy: data and queues of a `vm_id`, stats, and the wake-ups that one posts to another. The semantics are
//! those of proxy-wasm-cpp-host and of Envoy 1.40; each file names the source that it follows.
//!
//! The work of a lane is an [`Event`]. An event is a future that may stop at each host call. [`Host::run`] runs it to its
//! end. With [`Host::begin`] and [`Host::step`] a scheduler decides, at each host call of each lane, which lane continues.
//! No two things happen at the same time, and nothing depends on real time, so one sequence of choices gives one result.

mod abi;
mod call;
mod clock;
mod ending;
mod event;
mod faults;
mod filter;
mod flow;
mod headers;
mod http_calls;
mod ids;
mod imports;
mod lane;
mod metrics;
mod observe;
mod process;
mod schedule;
mod shared_data;
mod shared_queue;
mod stream;
mod timers;
mod traffic;
mod usage;
mod vm;
mod vm_data;
mod vm_state;
mod witness;

pub(crate) use abi::{Action, BufferKind, MapKind};
pub use abi::{Callback, HostCall, Status};
pub use clock::VirtualClock;
pub use event::{Event, WorkerFailure};
pub(crate) use faults::FaultPlan;
pub use faults::{CallSite, Faults, Verdict};
pub use filter::Filter;
pub use headers::Headers;
pub use http_calls::{CallAnswer, HttpCall};
pub use ids::{LaneIndex, PluginId, VmId};
pub use metrics::{HostMetrics, MetricKind};
pub use process::{HostOptions, LogLine, Wakeup};
pub(crate) use process::{Process, SharedProcess};
pub use schedule::Step;
pub use shared_data::SharedData;
pub use shared_queue::SharedQueues;
pub(crate) use stream::Stream;
pub use stream::{Received, ReplyBy, Seen, SentReply, StreamId};
pub(crate) use timers::Timers;
pub use traffic::RequestState;
pub use usage::Usage;
pub(crate) use vm_data::VmData;
pub use vm_state::VmThread;
pub(crate) use vm_state::{AfterCall, Context, VmState};

use std::collections::BTreeMap;

use crate::HostError;
use lane::Lane;
use schedule::Slot;
use vm::Vm;

/// The `vm_id` that the control plane gives the filter.
const VM_ID: &str = "slotway";

/// One Envoy process with several lanes.
pub struct Host {
    filter: Filter,
    process: SharedProcess,
    lanes: Vec<Slot>,
    /// The configurations that a canary has taken (`true`) or refused (`plugin_canary_cache_`).
    canaries: BTreeMap<PluginId, bool>,
    wakeups_held: bool,
}

impl Host {
    /// Returns a host with `lanes` worker threads and no configuration.
    #[must_use]
    pub fn new(filter: &Filter, lanes: usize) -> Self {
        Self::with_options(filter, lanes, HostOptions::default())
    }

    /// Returns a host with other options.
    #[must_use]
    pub fn with_options(filter: &Filter, lanes: usize, options: HostOptions) -> Self {
        let process = SharedProcess::default();
        {
            let mut process = process.lock();
            (process.vm_id, process.log_level, process.options) = (VM_ID.to_owned(), 2, options);
        }
        let lanes = (0..lanes)
            .map(|id| Slot::Idle(Box::new(Lane::new(LaneIndex(id), filter.clone(), process.clone()))))
            .collect();
        Self { filter: filter.clone(), process, lanes, canaries: BTreeMap::new(), wakeups_held: false }
    }

    /// Returns the lanes.
    pub fn lanes(&self) -> impl Iterator<Item = LaneIndex> + use<> {
        (0..self.lanes.len()).map(LaneIndex)
    }

    /// Pushes a configuration: a canary VM on the main thread tries it, then every lane takes it, one after the other. The
    /// first push also starts the lanes' VMs.
    ///
    /// # Errors
    /// [`HostError::Configure`] if the canary refuses it, and then nothing has changed; or if a lane refuses it.
    pub fn configure(&mut self, configuration: &str) -> Result<PluginId, HostError> {
        let plugin = self.accept(configuration)?;
        for lane in self.lanes() {
            self.run(lane, Event::Configure(plugin))?;
        }
        Ok(plugin)
    }

    /// Makes the main thread's part of a push: the canary. The lanes take the plugin with [`Event::Configure`].
    ///
    /// # Errors
    /// [`HostError::Configure`] if the canary refuses it.
    pub fn accept(&mut self, configuration: &str) -> Result<PluginId, HostError> {
        let plugin = self.plugin(configuration.as_bytes());
        match self.canaries.get(&plugin) {
            Some(true) => return Ok(plugin),
            Some(false) => return Err(HostError::Configure("a canary refused it before".to_owned())),
            None => {}
        }
        let tried = schedule::run_to_end(self.canary(plugin));
        // A refusal is remembered; a trap is tried again.
        if let Err(HostError::Configure(_)) | Ok(()) = &tried {
            self.canaries.insert(plugin, tried.is_ok());
        }
        tried.map(|()| plugin)
    }

    async fn canary(&self, plugin: PluginId) -> Result<(), HostError> {
        let mut main = Lane::new(LaneIndex(usize::MAX), self.filter.clone(), self.process.clone());
        let vm = Vm::start(&self.filter, &self.process, VmThread::Main).await?;
        let id = vm.id;
        main.vm = Some(vm);
        let configured = main.configure_root(plugin).await;
        // The VM is ended at once: no callback tells it, and its timers and calls are gone.
        let mut process = self.process.lock();
        process.fail_vm(id);
        process.vms.remove(&id);
        configured
    }

    fn plugin(&self, configuration: &[u8]) -> PluginId {
        let mut process = self.process.lock();
        if let Some((plugin, _)) = process.plugins.iter().find(|(_, have)| have.as_slice() == configuration) {
            return *plugin;
        }
        let plugin = PluginId(process.plugins.len() as u64);
        process.plugins.insert(plugin, configuration.to_vec());
        plugin
    }
}
