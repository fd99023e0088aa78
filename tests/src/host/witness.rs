//! The module as an access logger: the witness (Envoy's `envoy.access_loggers.wasm`).
//!
//! It has a VM of its own on each thread. Envoy asks it about streams that the control plane's access-log filter lets
//! through, after the stream's own filter has heard of the end.

use crate::{
    HostError,
    host::{Callback, Context, PluginId, StreamId, VmThread, lane::Lane, stream::Stream, vm::Vm},
};

/// The plugin configuration that makes the module the witness.
const CONFIGURATION: &[u8] = b"witness";
const PLUGIN: PluginId = PluginId(u64::MAX);
/// Envoy calls it for streams that took longer, even if they ended well.
const ASKED_FROM_NS: u64 = slotway_config::limits::WITNESS_ASKED_FROM_MS * 1_000_000;
/// Where the module puts a stream's mark in the filter state.
const MARK: &str = "slotway.slot";

impl Lane {
    /// A stream is logged, if the access-log filter lets it through.
    pub(crate) async fn bear_witness(&mut self, id: StreamId) {
        let (asked, now_ns) = {
            let process = self.process.lock();
            (process.options.witness, process.clock.monotonic_ns())
        };
        if !asked || self.with_stream(id, |stream| is_told(stream, now_ns)) != Some(true) {
            return;
        }
        let mut vm = match self.witness.take() {
            Some(vm) => vm,
            None => match self.start_witness().await {
                Ok(vm) => vm,
                Err(error) => {
                    let mut process = self.process.lock();
                    process.witnesses_lost += 1;
                    return process.note(|| format!("no witness: {error}"));
                }
            },
        };
        let of_vm = vm.id;
        let context =
            self.process.lock().vms.get_mut(&of_vm).map(|state| state.add_context(Context::Stream(id)));
        let Some(context) = context else { return };
        self.with_stream(id, |stream| stream.logging = true);
        let called = vm.call(Callback::OnLog, context, &[context]).await;
        self.with_stream(id, |stream| stream.logging = false);
        self.state(of_vm, |state| state.contexts.remove(&context));
        match called {
            Ok(_) => self.witness = Some(vm),
            Err(_) => self.process.lock().witnesses_lost += 1,
        }
    }

    async fn start_witness(&self) -> Result<Vm, HostError> {
        let mut vm = Vm::start(&self.filter, &self.process, VmThread::Lane(self.id)).await?;
        let refused = |what: &str| HostError::Configure(what.to_owned());
        let root = {
            let mut process = self.process.lock();
            process.plugins.insert(PLUGIN, CONFIGURATION.to_vec());
            let state = process.vms.get_mut(&vm.id).ok_or_else(|| refused("there is no VM"))?;
            state.configuring = Some(PLUGIN);
            state.add_context(Context::Root(PLUGIN))
        };
        let configured = vm.call(Callback::OnConfigure, root, &[root, CONFIGURATION.len() as u32]).await;
        self.state(vm.id, |state| state.configuring = None);
        match configured {
            Ok(Some(0)) => Err(refused("the witness refused its configuration")),
            Ok(_) => Ok(vm),
            Err(_) => Err(refused("the witness trapped")),
        }
    }
}

/// Returns what the control plane's access-log filter lets through: a stream that took long or ended other than well, and
/// still carries a mark.
fn is_told(stream: &Stream, now_ns: u64) -> bool {
    let seen = &stream.seen;
    let failed = seen.received.status.is_none_or(|status| status >= 500) || seen.received.reset;
    let conspicuous = failed || seen.local_reply.is_some() || now_ns >= stream.since_ns + ASKED_FROM_NS;
    conspicuous && seen.filter_state.get(MARK).is_some_and(|mark| !mark.is_empty())
}
