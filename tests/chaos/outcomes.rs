//! The outcome of each request at the workers, with which the client's answer is compared.

use std::{
    collections::{HashMap, HashSet},
    sync::Mutex,
    time::{Duration, Instant},
};

/// The end of a request at its worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The worker answered.
    Answered,
    /// The worker closed the connection without an answer.
    ResetHead,
    /// The worker closed the connection in the middle of the answer.
    ResetBody,
    /// The connection closed: the worker stopped, or the coordinator gave up the request.
    Gone,
}

/// One request at a worker.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RequestOutcome {
    pub(crate) worker: usize,
    arrived: Instant,
    ended: Option<(Instant, End)>,
}

impl RequestOutcome {
    /// Returns its end, if it has ended.
    pub(crate) fn end(&self) -> Option<End> {
        self.ended.map(|(_, end)| end)
    }

    /// Returns the time that the worker has spent on it.
    pub(crate) fn lasted(&self) -> Duration {
        self.ended.map_or_else(Instant::now, |(ended, _)| ended).duration_since(self.arrived)
    }
}

/// The outcomes of all requests that reached a worker.
#[derive(Debug, Default)]
pub(crate) struct RequestOutcomes {
    seen: Mutex<HashSet<u64>>,
    /// Outcomes that were not taken yet.
    outcomes: Mutex<HashMap<u64, RequestOutcome>>,
}

impl RequestOutcomes {
    /// Records the arrival of a request. Returns false if it arrived before.
    pub(crate) fn arrive(&self, id: u64, worker: usize) -> bool {
        self.outcomes
            .lock()
            .unwrap()
            .insert(id, RequestOutcome { worker, arrived: Instant::now(), ended: None });
        self.seen.lock().unwrap().insert(id)
    }

    /// Records the end of a request. Only the first call has an effect.
    pub(crate) fn end(&self, id: u64, end: End) {
        if let Some(outcome) = self.outcomes.lock().unwrap().get_mut(&id) {
            outcome.ended.get_or_insert((Instant::now(), end));
        }
    }

    /// Removes and returns the outcome of a request.
    pub(crate) fn take(&self, id: u64) -> Option<RequestOutcome> {
        self.outcomes.lock().unwrap().remove(&id)
    }

    /// Returns the number of requests that reached a worker.
    pub(crate) fn count(&self) -> usize {
        self.seen.lock().unwrap().len()
    }
}
