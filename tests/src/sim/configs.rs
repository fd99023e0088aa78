//! The configurations of a run: the newest one, and the capacities of each generation.

use std::collections::BTreeMap;

use slotway_config::{Capacity, FilterConfig, Pool, PoolMatch, Protocol, WaitDuration, Worker};

use crate::sim::{
    fleet::{self, Fleet, WorkerAt},
    plan::Plan,
};

/// The configurations that the control plane has sent.
pub(crate) struct Configs {
    pub(crate) config: FilterConfig,
    /// Each worker's capacity by generation. A worker without an entry has none.
    capacities: BTreeMap<u64, BTreeMap<WorkerAt, u32>>,
    /// The workers of each pool with their last capacities, also of a pool that is removed at the moment.
    pub(crate) wanted: Vec<PoolWanted>,
}

/// A pool of the operator.
pub(crate) struct PoolWanted {
    pub(crate) there: bool,
    pub(crate) settings: Pool,
    pub(crate) workers: Vec<(WorkerAt, u32)>,
}

/// Returns the name of a pool.
pub(crate) fn pool_name(at: usize) -> String {
    ["preannotation", "training", "ocr"][at].to_owned()
}

/// Returns the prefix of a pool's paths.
pub(crate) fn pool_prefix(at: usize, pools: usize) -> String {
    // A single pool takes every path, so that the filter does not read it.
    if pools == 1 { "/".to_owned() } else { format!("/{}/", pool_name(at)) }
}

impl Configs {
    pub(crate) fn new(plan: &Plan, fleet: &mut Fleet) -> Self {
        let count = plan.pools.len();
        let wanted = plan.pools.iter().enumerate().map(|(at, pool)| {
            let prefix = PoolMatch { prefix: pool_prefix(at, count) };
            let mut settings = Pool::new(pool_name(at).parse().expect("a pool's name"), prefix);
            settings.free_worker_timeout = WaitDuration::from_ms(pool.wait_ms);
            settings.max_waiting = pool.waiting_max;
            settings.abandoned_hold = WaitDuration::from_ms(pool.hold_ms);
            settings.answer_timeout = WaitDuration::from_ms(pool.answer_timeout_ms);
            let url = |number: usize| format!("http://{}-{number}.test:9000", settings.name);
            let workers = pool.capacities.iter().enumerate();
            let workers = workers
                .map(|(number, capacity)| {
                    (fleet.add(at, url(number), pool.reuse.connections(number)), *capacity)
                })
                .collect();
            PoolWanted { there: true, settings, workers }
        });
        let wanted = wanted.collect();
        let config = FilterConfig {
            generation: 0,
            coordinator: "sim".to_owned(),
            report_cluster: plan.reports.then(|| "xds".to_owned()),
            debug_headers: plan.debug_headers,
            access_log_fields: plan.access_log_fields,
            lane_lease: WaitDuration::from_ms(plan.lane_lease_ms),
            pools: Vec::new(),
        };
        Self { config, capacities: BTreeMap::new(), wanted }
    }

    /// Returns the next generation of the configuration, as JSON.
    pub(crate) fn next(&mut self, fleet: &Fleet) -> String {
        self.config.generation += 1;
        let mut capacities = BTreeMap::new();
        self.config.pools =
            self.wanted.iter().filter(|pool| pool.there).map(|pool| pool.settings.clone()).collect();
        let there = self.wanted.iter().filter(|pool| pool.there);
        for (settings, pool) in self.config.pools.iter_mut().zip(there) {
            let workers = pool.workers.iter().filter(|(_, capacity)| *capacity > 0);
            settings.workers =
                workers.clone().map(|(at, capacity)| worker(fleet.at(*at), *capacity)).collect();
            capacities.extend(workers.copied());
        }
        self.capacities.insert(self.config.generation, capacities);
        self.config.to_json().expect("a configuration")
    }

    /// Returns a worker's capacity in a generation.
    pub(crate) fn capacity(&self, generation: u64, worker: WorkerAt) -> u32 {
        self.capacities.get(&generation).and_then(|workers| workers.get(&worker)).copied().unwrap_or(0)
    }
}

fn worker(worker: &fleet::Worker, capacity: u32) -> Worker {
    Worker {
        worker: worker.url.parse().expect("a base URL"),
        capacity: Capacity::new(capacity).expect("a capacity"),
        protocol: Protocol::default(),
        connections: Some(worker.connections),
        tls: None,
    }
}
