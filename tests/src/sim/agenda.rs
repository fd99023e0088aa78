//! The events of a run, and when each is due at the earliest.

use crate::host::{CallAnswer, LaneIndex, PluginId, StreamId, VmId, Wakeup, WorkerFailure};

/// A planned event.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) due_ns: u64,
    /// Its position in the order of planning.
    pub(crate) serial: u64,
    /// Its lane; `None` for the whole process.
    pub(crate) lane: Option<LaneIndex>,
    pub(crate) what: What,
}

/// What happens.
#[derive(Debug, Clone)]
pub(crate) enum What {
    /// A client sends a request.
    Request,
    /// The end of a request's body arrives.
    Body(StreamId),
    /// The worker sends the next part of its answer, or fails.
    Answer(StreamId),
    /// The worker fails, or the route's timeout ends the request.
    Fail(StreamId, WorkerFailure),
    /// The client leaves.
    Gone(StreamId),
    /// The client has read the answer.
    Finish(StreamId),
    /// A worker that computed after its client had left has finished.
    Done(StreamId),
    /// A wake-up, and the VM that was registered for it.
    Wakeup(Wakeup, Option<VmId>),
    /// A configuration arrives on a lane.
    Configure(PluginId),
    /// One of the module's own requests is answered.
    Call(u64, CallAnswer),
    /// The control plane pushes a configuration.
    Push,
    /// A lane stalls.
    Stall,
    /// A lane's VM traps between two callbacks.
    Trap,
    /// The monotonic clock jumps.
    Jump,
    /// The operator's clock is set.
    SetClock,
}

impl What {
    /// Returns the stream of the event.
    fn stream(&self) -> Option<StreamId> {
        match self {
            Self::Body(stream)
            | Self::Answer(stream)
            | Self::Fail(stream, _)
            | Self::Gone(stream)
            | Self::Finish(stream) => Some(*stream),
            _ => None,
        }
    }
}

/// All planned events. There are few, so a scan finds the next one.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    items: Vec<Item>,
    serial: u64,
}

impl Agenda {
    pub(crate) fn add(&mut self, due_ns: u64, lane: Option<LaneIndex>, what: What) {
        self.serial += 1;
        self.items.push(Item { due_ns, serial: self.serial, lane, what });
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Item> {
        self.items.iter()
    }

    pub(crate) fn take(&mut self, serial: u64) -> Option<Item> {
        let at = self.items.iter().position(|item| item.serial == serial)?;
        Some(self.items.swap_remove(at))
    }

    /// Removes all events of this kind.
    pub(crate) fn drop_all(&mut self, of: impl Fn(&What) -> bool) {
        self.items.retain(|item| !of(&item.what));
    }

    /// Removes all events of a stream, except the end of a worker that computes after its client has left.
    pub(crate) fn drop_stream(&mut self, stream: StreamId) {
        self.items.retain(|item| item.what.stream() != Some(stream));
    }

    /// Removes what the worker of a stream would have done.
    pub(crate) fn drop_answer(&mut self, stream: StreamId) {
        let of_worker = |what: &What| matches!(what, What::Answer(of) | What::Fail(of, _) if *of == stream);
        self.items.retain(|item| !of_worker(&item.what));
    }
}
