//! The fake workers: their requests, their capacities, and their health.

use std::collections::BTreeMap;

use slotway_config::Connections;

use crate::{
    host::StreamId,
    sim::violation::{Check, violated},
};

/// A worker's index in the fleet.
pub(crate) type WorkerAt = usize;

/// A worker with its own counts.
#[derive(Debug, Clone)]
pub(crate) struct Worker {
    pub(crate) url: String,
    /// Its pool.
    pub(crate) pool: usize,
    pub(crate) running: u32,
    /// The capacity of the newest configuration in force.
    pub(crate) capacity: u32,
    /// Requests that had slots when its capacity was last changed, and are not over: they may still arrive.
    surplus: u32,
    /// How many requests a connection serves.
    pub(crate) connections: Connections,
    /// Its connections that have a request, or whose request has ended within the event under way.
    open: u32,
    /// Connections that may stay or be opened since the capacity was last changed.
    surplus_open: u32,
    /// The time until which it fails every request.
    pub(crate) sick_until_ns: u64,
}

/// All workers of a run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fleet {
    workers: Vec<Worker>,
    places: BTreeMap<StreamId, WorkerAt>,
    /// The open connection of each request.
    connections: BTreeMap<StreamId, WorkerAt>,
}

impl Fleet {
    pub(crate) fn add(&mut self, pool: usize, url: String, connections: Connections) -> WorkerAt {
        let none = Worker {
            url,
            pool,
            running: 0,
            capacity: 0,
            surplus: 0,
            connections,
            open: 0,
            surplus_open: 0,
            sick_until_ns: 0,
        };
        self.workers.push(none);
        self.workers.len() - 1
    }

    pub(crate) fn at(&self, at: WorkerAt) -> &Worker {
        &self.workers[at]
    }

    pub(crate) fn at_mut(&mut self, at: WorkerAt) -> &mut Worker {
        &mut self.workers[at]
    }

    pub(crate) fn find(&self, url: &str) -> Option<WorkerAt> {
        self.workers.iter().position(|worker| worker.url == url)
    }

    pub(crate) fn of_pool(&self, pool: usize) -> impl Iterator<Item = (WorkerAt, &Worker)> {
        self.workers.iter().enumerate().filter(move |(_, worker)| worker.pool == pool)
    }

    /// Puts another capacity in force while `under_way` requests have slots of the worker: they may stay, or arrive.
    pub(crate) fn set_capacity(&mut self, at: WorkerAt, capacity: u32, under_way: u32) {
        let worker = &mut self.workers[at];
        (worker.capacity, worker.surplus, worker.surplus_open) = (capacity, under_way, under_way);
    }

    /// Notes that a request arrives.
    pub(crate) fn arrive(&mut self, stream: StreamId, at: WorkerAt) -> Check {
        let worker = &mut self.workers[at];
        worker.running += 1;
        let allowed = worker.capacity.max(worker.surplus);
        if worker.running > allowed {
            return violated(
                "capacity",
                format!(
                    "a worker never has more requests than the capacity in force: {} has {}, of {allowed} (capacity {}, {} more may \
                     stay since it was lowered)",
                    worker.url, worker.running, worker.capacity, worker.surplus
                ),
            );
        }
        worker.open += 1;
        let allowed = worker.capacity.max(worker.surplus_open);
        if worker.connections == Connections::PerRequest && worker.open > allowed {
            return violated(
                "connections",
                format!(
                    "a worker with a connection for each request never has more of them than its capacity: {} has {}, of {allowed}",
                    worker.url, worker.open
                ),
            );
        }
        self.connections.insert(stream, at);
        if self.places.insert(stream, at).is_some() {
            return violated(
                "once",
                format!("a request goes to one worker, once: {stream:?} arrives a second time"),
            );
        }
        Ok(())
    }

    /// Notes that a request is over for its worker. `None`: the worker has no such request.
    pub(crate) fn leave(&mut self, stream: StreamId) -> Option<WorkerAt> {
        let at = self.places.remove(&stream)?;
        let worker = &mut self.workers[at];
        worker.running -= 1;
        worker.surplus = worker.surplus.saturating_sub(1);
        Some(at)
    }

    /// Closes the connections of requests that are over for Envoy, as `is_over` says: at the end of an event.
    pub(crate) fn close(&mut self, is_over: impl Fn(StreamId) -> bool) {
        let workers = &mut self.workers;
        self.connections.retain(|stream, at| {
            let stays = !is_over(*stream);
            if !stays {
                workers[*at].open -= 1;
                workers[*at].surplus_open = workers[*at].surplus_open.saturating_sub(1);
            }
            stays
        });
    }

    pub(crate) fn place(&self, stream: StreamId) -> Option<WorkerAt> {
        self.places.get(&stream).copied()
    }

    pub(crate) fn running(&self) -> usize {
        self.places.len()
    }
}
