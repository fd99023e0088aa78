//! Invariant 1, counted by the worker: its requests in flight, and their limit at this moment.

use std::sync::Mutex;

/// One worker's count, and its bound.
///
/// The bound is the capacity. A change raises it before the change is sent, and lowers it only when the coordinator has reported that the
/// change is in force and the surplus has drained: until then the larger one of both counts.
#[derive(Debug, Default)]
pub(crate) struct Bound(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    bound: u32,
    current: u32,
    highest: u32,
    /// The largest bound so far.
    largest: u32,
    wanted: Option<AcknowledgedChange>,
    /// Counts the changes.
    changes: u64,
}

/// An acknowledged change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AcknowledgedChange {
    /// 0: the worker is removed.
    pub(crate) capacity: u32,
    /// The change is in force where this generation is.
    pub(crate) generation: u64,
    change: u64,
}

impl Bound {
    /// Creates the bound of a worker with a capacity in the configuration file.
    pub(crate) fn new(capacity: u32) -> Self {
        let wanted = Some(AcknowledgedChange { capacity, generation: 0, change: 0 });
        Self(Mutex::new(State { bound: capacity, largest: capacity, wanted, ..State::default() }))
    }

    /// Counts a new request. Returns the count and the bound if the count exceeds it.
    pub(crate) fn enter(&self) -> Result<(), (u32, u32)> {
        let mut state = self.0.lock().unwrap();
        state.current += 1;
        state.highest = state.highest.max(state.current);
        if state.current > state.bound { Err((state.current, state.bound)) } else { Ok(()) }
    }

    /// Counts the end of a request.
    pub(crate) fn leave(&self) {
        self.0.lock().unwrap().current -= 1;
    }

    /// Records that a change to this capacity is about to be sent. Until its acknowledgement the wanted capacity is unknown.
    pub(crate) fn change(&self, capacity: u32) {
        let mut state = self.0.lock().unwrap();
        state.bound = state.bound.max(capacity);
        state.largest = state.largest.max(state.bound);
        state.wanted = None;
        state.changes += 1;
    }

    /// Records the acknowledgement of the last change.
    pub(crate) fn acknowledged(&self, capacity: u32, generation: u64) {
        let mut state = self.0.lock().unwrap();
        state.wanted = Some(AcknowledgedChange { capacity, generation, change: state.changes });
    }

    /// Returns the last acknowledged change, if no other one was sent since.
    pub(crate) fn wanted(&self) -> Option<AcknowledgedChange> {
        self.0.lock().unwrap().wanted
    }

    /// Records that the change is in force, and that no request beyond it is in flight.
    pub(crate) fn settle(&self, wanted: AcknowledgedChange) {
        let mut state = self.0.lock().unwrap();
        if state.wanted == Some(wanted) {
            state.bound = wanted.capacity;
        }
    }

    pub(crate) fn current(&self) -> u32 {
        self.0.lock().unwrap().current
    }

    /// Returns the highest number of requests in flight, and the largest bound.
    pub(crate) fn highest(&self) -> (u32, u32) {
        let state = self.0.lock().unwrap();
        (state.highest, state.largest)
    }
}
