use std::{sync::atomic::AtomicU64, time::Instant};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use super::{Health, WorkerCondition, Workers};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    pool: String,
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PoolLabels {
    pool: String,
}

impl Workers {
    /// Registers the current metrics of pools and workers. Every pool has each of them, also where nothing fails.
    pub fn register_metrics(&self, registry: &mut Registry) {
        let desired = self.desired().borrow().clone();
        let generation = Gauge::<u64, AtomicU64>::default();
        generation.set(desired.generation);
        registry.register("config_generation", "Generation of the wanted configuration", generation);

        let failures = Family::<PoolLabels, Counter>::default();
        let [down, kept] = [(); 2].map(|()| Family::<PoolLabels, Gauge>::default());
        let workers = Family::<StateLabels, Gauge>::default();
        for pool in &desired.pools {
            let labels = PoolLabels { pool: pool.name.to_string() };
            drop(failures.get_or_create(&labels));
            drop(down.get_or_create(&labels));
            drop(kept.get_or_create(&labels));
            for state in WorkerCondition::ALL {
                let labels = StateLabels { pool: pool.name.to_string(), state: state.as_str() };
                workers.get_or_create(&labels).set(0);
            }
        }
        for (pool, number) in self.heartbeats().failures() {
            failures.get_or_create(&PoolLabels { pool: pool.to_string() }).inc_by(number);
        }
        for worker in self.watched() {
            if matches!(worker.health, Health::Down { .. }) {
                down.get_or_create(&PoolLabels { pool: worker.pool.to_string() }).inc();
            }
        }
        for (pool, number) in self.heartbeats().kept() {
            let number = i64::try_from(number).unwrap_or(i64::MAX);
            kept.get_or_create(&PoolLabels { pool: pool.to_string() }).set(number);
        }
        for (_, record, status) in self.view(Instant::now()).workers() {
            let labels = StateLabels { pool: record.entry.pool.to_string(), state: status.state.as_str() };
            workers.get_or_create(&labels).inc();
        }
        registry.register("workers", "Workers by state", workers);
        registry.register("worker_heartbeat_failures", "Failed heartbeats of workers", failures);
        registry.register("workers_down", "Workers without requests because their heartbeat failed", down);
        let help = "Workers with requests although their heartbeat failed, because too many fail at once";
        registry.register("workers_kept", help, kept);
    }
}
