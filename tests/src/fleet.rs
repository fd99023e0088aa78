//! Workers that count: how many requests each has, and how many it ever had at once.

use std::collections::BTreeMap;

use crate::host::StreamId;

/// The workers of a test, by base URL.
#[derive(Debug, Clone, Default)]
pub struct Fleet {
    workers: BTreeMap<String, Load>,
    places: BTreeMap<StreamId, String>,
    arrivals: Vec<String>,
}

/// What one worker has seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Load {
    /// Requests that it has now.
    pub now: u32,
    /// The most that it had at once.
    pub highest: u32,
    /// All that it ever got.
    pub total: u64,
    /// How many it may have.
    pub capacity: u32,
    /// What is left of the requests that had its slots when its capacity was last lowered: they may still arrive.
    surplus: u32,
}

impl Fleet {
    /// Says how many requests a worker may have from now on. The `under_way` ones that have slots at this moment, at
    /// the worker or on their way to it, may stay.
    pub fn set_capacity(&mut self, worker: &str, capacity: u32, under_way: u32) {
        let load = self.workers.entry(worker.to_owned()).or_default();
        (load.capacity, load.surplus) = (capacity, under_way);
    }

    /// Every worker that anything was ever said of.
    #[must_use]
    pub fn workers(&self) -> Vec<String> {
        self.workers.keys().cloned().collect()
    }

    /// A request arrives at a worker.
    ///
    /// # Panics
    /// If the worker has as many as it may have: the promise of this project is broken.
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

    /// The worker is done with a request, one way or the other; `None` if it has no such request.
    pub fn leave(&mut self, stream: StreamId) -> Option<String> {
        let worker = self.places.remove(&stream)?;
        if let Some(load) = self.workers.get_mut(&worker) {
            load.now -= 1;
            load.surplus = load.surplus.saturating_sub(1);
        }
        Some(worker)
    }

    /// Where a request is now.
    #[must_use]
    pub fn place(&self, stream: StreamId) -> Option<&str> {
        self.places.get(&stream).map(String::as_str)
    }

    /// The requests that are at workers now.
    #[must_use]
    pub fn running(&self) -> Vec<StreamId> {
        self.places.keys().copied().collect()
    }

    /// What a worker has seen.
    #[must_use]
    pub fn load(&self, worker: &str) -> Load {
        self.workers.get(worker).copied().unwrap_or_default()
    }

    /// The workers in the order in which requests arrived at them.
    #[must_use]
    pub fn arrivals(&self) -> &[String] {
        &self.arrivals
    }
}
