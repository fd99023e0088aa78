//! What became of each request at the workers: the truth that a client's answer is held against.

use std::{
    collections::{HashMap, HashSet},
    sync::Mutex,
    time::{Duration, Instant},
};

/// How a request ended at its worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It was answered.
    Answered,
    /// The worker closed the connection instead.
    ResetHead,
    /// The worker closed the connection in the midst of the answer.
    ResetBody,
    /// The connection went: the worker died, or the coordinator gave the request up.
    Gone,
}

/// One request at a worker.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fate {
    pub(crate) worker: usize,
    arrived: Instant,
    ended: Option<(Instant, End)>,
}

impl Fate {
    /// How it ended, if it has.
    pub(crate) fn end(&self) -> Option<End> {
        self.ended.map(|(_, end)| end)
    }

    /// How long the worker has had it.
    pub(crate) fn lasted(&self) -> Duration {
        self.ended.map_or_else(Instant::now, |(ended, _)| ended).duration_since(self.arrived)
    }
}

/// The fates of all requests that have reached a worker.
#[derive(Debug, Default)]
pub(crate) struct Fates {
    seen: Mutex<HashSet<u64>>,
    /// Of those that nobody has asked about yet.
    fates: Mutex<HashMap<u64, Fate>>,
}

impl Fates {
    /// A request has arrived; false if it has before.
    pub(crate) fn arrive(&self, id: u64, worker: usize) -> bool {
        self.fates.lock().unwrap().insert(id, Fate { worker, arrived: Instant::now(), ended: None });
        self.seen.lock().unwrap().insert(id)
    }

    /// It has ended; the first end counts.
    pub(crate) fn end(&self, id: u64, end: End) {
        if let Some(fate) = self.fates.lock().unwrap().get_mut(&id) {
            fate.ended.get_or_insert((Instant::now(), end));
        }
    }

    /// What became of it, for the one who asks about it last.
    pub(crate) fn take(&self, id: u64) -> Option<Fate> {
        self.fates.lock().unwrap().remove(&id)
    }

    /// How many requests have reached a worker.
    pub(crate) fn count(&self) -> usize {
        self.seen.lock().unwrap().len()
    }
}
