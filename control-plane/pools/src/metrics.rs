use std::{sync::atomic::AtomicU64, time::Instant};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{family::Family, gauge::Gauge},
    registry::Registry,
};

use crate::{Health, Pools, WorkerCondition};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    pool: String,
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PoolLabels {
    pool: String,
}

impl Pools {
    /// Registers the current metrics of pools and workers. Each pool has every metric.
    pub fn register_metrics(&self, registry: &mut Registry) {
        let desired = self.desired().borrow().clone();
        let generation = Gauge::<u64, AtomicU64>::default();
        generation.set(desired.generation);
        registry.register("config_generation", "Generation of the wanted configuration", generation);

        let down = Family::<PoolLabels, Gauge>::default();
        let workers = Family::<StateLabels, Gauge>::default();
        for pool in &desired.pools {
            drop(down.get_or_create(&PoolLabels { pool: pool.name.to_string() }));
            for state in WorkerCondition::ALL {
                let labels = StateLabels { pool: pool.name.to_string(), state: state.as_str() };
                workers.get_or_create(&labels).set(0);
            }
        }
        for worker in self.watched() {
            if matches!(worker.health, Health::Down { .. }) {
                down.get_or_create(&PoolLabels { pool: worker.pool.to_string() }).inc();
            }
        }
        for (_, record, status) in self.view(Instant::now()).workers() {
            let labels = StateLabels { pool: record.entry.pool.to_string(), state: status.state.as_str() };
            workers.get_or_create(&labels).inc();
        }
        registry.register("workers", "Workers by state", workers);
        registry.register("workers_down", "Workers without requests because their heartbeat failed", down);
    }
}
