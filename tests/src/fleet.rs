//! Workers that count their requests.

use std::collections::BTreeMap;

use crate::host::StreamId;

/// The workers of a test, by base URL.
#[derive(Debug, Clone, Default)]
pub struct Fleet {
    workers: BTreeMap<String, Load>,
    places: BTreeMap<StreamId, String>,
    arrivals: Vec<String>,
}

/// The counts of one worker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Load {
    /// Its requests now.
    pub now: u32,
    /// The most requests that it had at once.
    pub highest: u32,
    /// All its requests so far.
    pub total: u64,
    /// Its capacity.
    pub capacity: u32,
    /// Requests that had its slots when its capacity was last lowered, and are not over: they may still arrive.
    surplus: u32,
}

impl Fleet {
    /// Sets a worker's capacity. The `under_way` requests that have slots at this moment, at the worker or on their way to
    /// it, may stay.
    pub fn set_capacity(&mut self, worker: &str, capacity: u32, under_way: u32) {
        let load = self.workers.entry(worker.to_owned()).or_default();
        (load.capacity, load.surplus) = (capacity, under_way);
    }

    /// Returns every worker that was ever named.
    #[must_use]
    pub fn workers(&self) -> Vec<String> {
        self.workers.keys().cloned().collect()
    }

    /// Notes that a request arrives at a worker.
    ///
    /// # Panics
    /// If the worker has as many requests as its capacity: the promise of this project is broken.
    pub fn arrive(&mut self, stream: StreamId, worker: &str) {
        let load = self.workers.entry(worker.to_owned()).or_default();
        load.now += 1;
        load.total += 1;
        load.highest = load.highest.max(load.now);
        let allowed = load.capacity.max(load.surplus);
        assert!(load.now <= allowed, "{worker} has {} requests at once, of {allowed}", load.now);
        let before = self.places.insert(stream, worker.to_owned());
        assert!(before.is_none(), "{stream:?} arrives a second time, at {worker}");
        self.arrivals.push(worker.to_owned());
    }

    /// Notes that a request is over for its worker. `None`: the worker has no such request.
    pub fn leave(&mut self, stream: StreamId) -> Option<String> {
        let worker = self.places.remove(&stream)?;
        if let Some(load) = self.workers.get_mut(&worker) {
            load.now -= 1;
            load.surplus = load.surplus.saturating_sub(1);
        }
        Some(worker)
    }

    /// Returns the worker of a request.
    #[must_use]
    pub fn place(&self, stream: StreamId) -> Option<&str> {
        self.places.get(&stream).map(String::as_str)
    }

    /// Returns the requests that are at workers.
    #[must_use]
    pub fn running(&self) -> Vec<StreamId> {
        self.places.keys().copied().collect()
    }

    /// Returns the counts of a worker.
    #[must_use]
    pub fn load(&self, worker: &str) -> Load {
        self.workers.get(worker).copied().unwrap_or_default()
    }

    /// Returns the workers in the order in which requests arrived at them.
    #[must_use]
    pub fn arrivals(&self) -> &[String] {
        &self.arrivals
    }
}
