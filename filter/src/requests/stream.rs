//! One request in the filter.
//!
//! ```text
//! (headers) --slot free-->   Running --answer ended, or failed-->  Done
//!     |                       ^            \--stream ended-->      Done
//!     |--none free-->      Waiting --deadline, client gone-->      Done
//!     \--refused-->         Done
//! ```

use std::rc::Rc;

use slotway_config::Connections;
use slotway_engine::{Serial, Ticket};

use crate::pools::{PoolIndex, Target};

/// One request in the filter.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) pool: PoolIndex,
    /// When the request came.
    pub(crate) since_ms: u64,
    /// How long it waited for its slot, in milliseconds.
    pub(crate) waited_ms: u64,
    pub(crate) phase: Phase,
    /// The slot that the stream's mark names, if the mark has to be removed at the end.
    pub(crate) mark: Option<Serial>,
    /// The host did not say where the answer comes from. When it ends, the worker may still be busy.
    pub(crate) has_unknown_answer: bool,
    /// The answer has no status from 500 on.
    pub(crate) is_fine: bool,
    /// The body that replaces the body of Envoy's answer.
    pub(crate) replacement: Option<String>,
}

impl Stream {
    /// Makes a stream that holds nothing yet.
    pub(crate) fn new(pool: PoolIndex, now_ms: u64) -> Self {
        Self {
            pool,
            since_ms: now_ms,
            waited_ms: 0,
            phase: Phase::Done,
            mark: None,
            has_unknown_answer: false,
            is_fine: false,
            replacement: None,
        }
    }
}

/// What a request holds.
#[derive(Debug, Clone)]
pub(crate) enum Phase {
    /// A place in the line.
    Waiting {
        /// The place.
        ticket: Ticket,
        /// When the wait ends.
        deadline_ms: u64,
    },
    /// A slot.
    Running(HeldSlot),
    /// Nothing, or nothing any more.
    Done,
}

/// A slot that a request holds.
#[derive(Debug, Clone)]
pub(crate) struct HeldSlot {
    pub(crate) serial: Serial,
    pub(crate) target: Rc<Target>,
}

impl HeldSlot {
    /// Returns whether Envoy closes the connection to the worker at the end of the request.
    pub(crate) fn closes(&self) -> bool {
        self.target.connections == Connections::PerRequest
    }
}
