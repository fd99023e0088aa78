use std::collections::{BTreeMap, VecDeque};

use crate::host::{CallAnswer, LaneIndex, PluginId, SentReply, StreamId};

/// The thread that a VM runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum VmThread {
    /// Envoy's main thread, where canary VMs run.
    Main,
    /// A worker thread.
    Lane(LaneIndex),
}

/// The meaning of a context of a VM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Context {
    /// Context 0: the VM itself.
    Vm,
    Root(PluginId),
    /// A root context that is not done yet (`proxy_on_done` returned false).
    Closing(PluginId),
    Stream(StreamId),
}

/// An action that a module asked for. It is done when its call has returned.
#[derive(Debug)]
pub(crate) enum AfterCall {
    Continue { stream: StreamId, request: bool },
    Close(StreamId),
    SendReply { stream: StreamId, reply: SentReply },
    DeleteRoot(u32),
}

/// The host's side of one VM (`WasmBase`).
pub(crate) struct VmState {
    pub(crate) place: VmThread,
    pub(crate) failed: bool,
    pub(crate) next_context: u32,
    pub(crate) contexts: BTreeMap<u32, Context>,
    /// How many streams each plugin's root context has.
    pub(crate) streams_of: BTreeMap<PluginId, usize>,
    /// The context of the running VM call.
    pub(crate) current: u32,
    /// The context that the module chose instead; 0 for none.
    pub(crate) effective: u32,
    pub(crate) stop_iteration: bool,
    pub(crate) after_call: VecDeque<AfterCall>,
    /// The plugin whose configuration can be read now.
    pub(crate) configuring: Option<PluginId>,
    /// The answer that can be read now.
    pub(crate) call_answer: Option<CallAnswer>,
    pub(crate) call_status: (u32, String),
    pub(crate) last_call_token: u32,
    /// The shared queue that it registered first: its own.
    pub(crate) own_queue: Option<u32>,
    pub(crate) metric_names: BTreeMap<u32, String>,
    pub(crate) last_metric: [u32; 3],
}

impl VmState {
    pub(crate) fn new(place: VmThread) -> Self {
        Self {
            place,
            failed: false,
            next_context: 1,
            contexts: BTreeMap::from([(0, Context::Vm)]),
            streams_of: BTreeMap::new(),
            current: 0,
            effective: 0,
            stop_iteration: false,
            after_call: VecDeque::new(),
            configuring: None,
            call_answer: None,
            call_status: (0, String::new()),
            last_call_token: 0,
            own_queue: None,
            metric_names: BTreeMap::new(),
            last_metric: [0, 1, 2],
        }
    }

    pub(crate) fn lane(&self) -> Option<LaneIndex> {
        match self.place {
            VmThread::Main => None,
            VmThread::Lane(lane) => Some(lane),
        }
    }

    /// Returns the context that host calls count for (`contextOrEffectiveContext`).
    pub(crate) fn context(&self) -> u32 {
        if self.effective != 0 && self.contexts.contains_key(&self.effective) {
            self.effective
        } else {
            self.current
        }
    }

    pub(crate) fn add_context(&mut self, context: Context) -> u32 {
        while self.contexts.contains_key(&self.next_context) {
            self.next_context = self.next_context.wrapping_add(1);
        }
        let id = self.next_context;
        self.next_context = self.next_context.wrapping_add(1);
        self.contexts.insert(id, context);
        id
    }

    /// Returns the root context of a plugin that is in use.
    pub(crate) fn root_of(&self, plugin: PluginId) -> Option<u32> {
        self.contexts.iter().find(|(_, context)| **context == Context::Root(plugin)).map(|(id, _)| *id)
    }
}
