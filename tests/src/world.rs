//! The filter in the host, between clients and a fleet of workers.

use std::collections::BTreeMap;

use slotway_config::{
    Capacity, Connections, FilterConfig, Pool, PoolMatch, PoolName, Protocol, WaitDuration, Worker,
};
use slotway_engine::Survey;

use crate::{
    HostError,
    artifact::filter,
    fleet::Fleet,
    host::{Filter, Headers, Host, HostOptions, LaneIndex, RequestState, StreamId, WorkerFailure},
    inside,
};

/// The time after its configuration, in milliseconds, within which a lane has joined the others.
const JOINED_AFTER_MS: u64 = 20;
/// The filter puts a configuration in force with its next tick.
const IN_FORCE_AFTER_MS: u64 = 2;

/// Lanes with the real filter, and the workers behind it.
pub struct World {
    /// Envoy.
    pub host: Host,
    /// The workers.
    pub fleet: Fleet,
    config: FilterConfig,
}

/// Returns a pool of workers, each with its capacity, for every path.
#[must_use]
pub fn pool(workers: &[(&str, u32)]) -> Pool {
    let name: PoolName = "preannotation".parse().expect("a name");
    Pool { workers: workers_of(workers), ..Pool::new(name, PoolMatch::default()) }
}

/// Returns the pool with connections that serve many requests.
#[must_use]
pub fn with_reuse(mut pool: Pool) -> Pool {
    for worker in &mut pool.workers {
        worker.connections = Some(Connections::Reuse);
    }
    pool
}

/// Returns the list of workers for a pool.
#[must_use]
pub fn workers_of(workers: &[(&str, u32)]) -> Vec<Worker> {
    workers
        .iter()
        .map(|(url, capacity)| Worker {
            worker: url.parse().expect("a base URL"),
            capacity: Capacity::new(*capacity).expect("a capacity"),
            protocol: Protocol::default(),
            connections: None,
            tls: None,
        })
        .collect()
}

/// Returns a duration for a policy.
#[must_use]
pub fn ms(ms: u64) -> WaitDuration {
    WaitDuration::from_ms(ms)
}

/// Returns a request as an HTTP client sends it.
#[must_use]
pub fn get(path: &str) -> Headers {
    [(":method", "GET"), (":scheme", "http"), (":authority", "slotway.test"), (":path", path)]
        .into_iter()
        .collect()
}

impl World {
    /// Returns `lanes` lanes with one pool, all of which have joined.
    ///
    /// # Panics
    /// If the filter is missing or refuses the configuration.
    #[must_use]
    pub fn new(lanes: usize, pool: Pool) -> Self {
        Self::with_options(lanes, pool, HostOptions::default())
    }

    /// Returns them in a host with other options.
    ///
    /// # Panics
    /// If the filter is missing or refuses the configuration.
    #[must_use]
    pub fn with_options(lanes: usize, pool: Pool, options: HostOptions) -> Self {
        Self::with_filter(filter(), lanes, pool, options)
    }

    /// Returns them with another module.
    ///
    /// # Panics
    /// If the module refuses the configuration.
    #[must_use]
    pub fn with_filter(filter: &Filter, lanes: usize, pool: Pool, options: HostOptions) -> Self {
        let config = FilterConfig {
            generation: 1,
            coordinator: "test".to_owned(),
            report_cluster: None,
            debug_headers: false,
            access_log_fields: false,
            lane_lease: slotway_config::default_lane_lease(),
            pools: vec![pool],
        };
        let host = Host::with_options(filter, lanes, options);
        let mut world = Self { host, fleet: Fleet::default(), config };
        let json = world.config.to_json().expect("a configuration");
        world.host.configure(&json).expect("a configuration that the filter takes");
        world.tell_fleet();
        world.advance(JOINED_AFTER_MS);
        world
    }

    /// Returns the configuration in force.
    #[must_use]
    pub fn config(&self) -> &FilterConfig {
        &self.config
    }

    /// Changes the configuration and pushes it to every lane. It is in force when this returns.
    ///
    /// # Errors
    /// [`HostError::Configure`] if the filter refuses it.
    pub fn push(&mut self, change: impl FnOnce(&mut FilterConfig)) -> Result<(), HostError> {
        let json = self.change(change);
        self.host.configure(&json)?;
        self.host.advance(IN_FORCE_AFTER_MS);
        self.tell_fleet();
        self.see();
        Ok(())
    }

    /// Pushes the configuration to every lane. Nothing else happens before this returns.
    ///
    /// # Errors
    /// [`HostError::Configure`] if the filter refuses it.
    pub fn push_alone(&mut self, change: impl FnOnce(&mut FilterConfig)) -> Result<(), HostError> {
        let json = self.change(change);
        self.host.configure(&json)?;
        self.tell_fleet();
        Ok(())
    }

    /// Changes the configuration and pushes nothing. Returns it as JSON.
    ///
    /// # Panics
    /// If it cannot be written as JSON.
    pub fn change(&mut self, change: impl FnOnce(&mut FilterConfig)) -> String {
        change(&mut self.config);
        self.config.generation += 1;
        self.config.to_json().expect("a configuration")
    }

    /// Pushes other workers for the first pool.
    ///
    /// # Panics
    /// If the filter refuses them.
    pub fn push_workers(&mut self, workers: &[(&str, u32)]) {
        self.push(|config| config.pools[0].workers = workers_of(workers))
            .expect("workers that the filter takes");
    }

    /// Sets the workers' capacities from the configuration. Requests that have slots may stay.
    fn tell_fleet(&mut self) {
        let data = self.host.shared_data();
        let mut capacities: BTreeMap<_, _> =
            self.fleet.workers().into_iter().map(|worker| (worker, (0, 0))).collect();
        for pool in &self.config.pools {
            for (worker, figures) in inside::workers(&data, pool.name.as_str()) {
                capacities.entry(worker).or_default().1 = figures.in_flight;
            }
            for worker in &pool.workers {
                capacities.entry(worker.worker.to_string()).or_default().0 = worker.capacity.get();
            }
        }
        for (worker, (capacity, under_way)) in capacities {
            self.fleet.set_capacity(&worker, capacity, under_way);
        }
    }

    /// Sends a request to a lane.
    pub fn send(&mut self, lane: usize) -> StreamId {
        self.send_with(lane, get("/extract"))
    }

    /// Sends a request with its own headers to a lane.
    pub fn send_with(&mut self, lane: usize, headers: Headers) -> StreamId {
        let stream = self.host.request(LaneIndex(lane), headers);
        self.see();
        stream
    }

    /// Passes the requests that the router has sent to the fleet.
    ///
    /// # Panics
    /// If a worker gets more requests than its capacity.
    pub fn see(&mut self) {
        for stream in self.host.take_arrivals() {
            let headers = self.host.forwarded(stream).expect("a request that was forwarded");
            let worker = headers.get("x-slotway-worker").expect("a request with a worker");
            self.fleet.arrive(stream, worker);
        }
    }

    /// Lets the worker answer a request in full, and the client read all of it.
    pub fn answer(&mut self, stream: StreamId) {
        self.fleet.leave(stream);
        self.host.answer(stream, 200, "{}");
        self.see();
    }

    /// Lets the client leave. The worker ends the request too, if it has it.
    pub fn go(&mut self, stream: StreamId) {
        self.fleet.leave(stream);
        self.go_unnoticed(stream);
    }

    /// Lets the client leave. The worker computes until [`Fleet::leave`].
    pub fn go_unnoticed(&mut self, stream: StreamId) {
        self.host.client_gone(stream);
        self.see();
    }

    /// Lets the worker be unreachable, or break the connection.
    pub fn fail(&mut self, stream: StreamId, failure: WorkerFailure) {
        self.fleet.leave(stream);
        self.host.worker_failed(stream, failure);
        self.host.finish(stream);
        self.see();
    }

    /// Lets time pass.
    pub fn advance(&mut self, ms: u64) {
        self.host.advance(ms);
        self.see();
    }

    /// Returns whether a request still waits.
    #[must_use]
    pub fn waits(&self, stream: StreamId) -> bool {
        self.host.request_state(stream) == RequestState::Paused
    }

    /// Returns the base URL of a request's worker.
    #[must_use]
    pub fn place(&self, stream: StreamId) -> Option<String> {
        self.fleet.place(stream).map(str::to_owned)
    }

    /// Returns the reason of a local reply, from its body; `None` if there was none.
    #[must_use]
    pub fn refusal(&self, stream: StreamId) -> Option<String> {
        let seen = self.host.seen(stream);
        seen.local_reply?;
        let body = String::from_utf8(seen.received.body).ok()?;
        let (_, rest) = body.split_once("\"reason\":\"")?;
        rest.split_once('"').map(|(word, _)| word.to_owned())
    }

    /// Surveys the first pool.
    #[must_use]
    pub fn survey(&self) -> Survey {
        inside::survey(&self.host.shared_data(), self.config.pools[0].name.as_str())
    }

    /// Returns all failures: log lines from level error on, and what a module must not do.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        let logs = self.host.logs().into_iter().filter(|line| line.level >= 4).map(|line| line.message);
        logs.chain(self.host.anomalies()).collect()
    }

    /// Checks that nothing waits, nothing runs, and every slot is back.
    ///
    /// # Panics
    /// If that is not so.
    pub fn assert_at_rest(&self) {
        let survey = self.survey();
        let capacity: u32 = self.config.pools[0].workers.iter().map(|worker| worker.capacity.get()).sum();
        assert_eq!((survey.waiting, survey.in_flight, survey.free), (0, 0, capacity), "{survey:#?}");
        assert_eq!(self.fleet.running(), [], "the fleet is at rest");
        assert_eq!(self.complaints(), Vec::<String>::new());
    }
}
