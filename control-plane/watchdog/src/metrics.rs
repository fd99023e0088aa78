//! The metrics of the heartbeats.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};
use slotway_config::PoolName;

use crate::Watchdog;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PoolLabels {
    pool: String,
}

impl Watchdog {
    /// Registers the current metrics of the watchdog. Each of these pools has each of them.
    pub fn register_metrics<'a>(&self, pools: impl Iterator<Item = &'a PoolName>, registry: &mut Registry) {
        let failures = Family::<PoolLabels, Counter>::default();
        let kept = Family::<PoolLabels, Gauge>::default();
        for pool in pools {
            let labels = PoolLabels { pool: pool.to_string() };
            drop(failures.get_or_create(&labels));
            drop(kept.get_or_create(&labels));
        }
        for (pool, number) in self.outcomes.failures() {
            failures.get_or_create(&PoolLabels { pool: pool.to_string() }).inc_by(number);
        }
        for (pool, number) in self.outcomes.kept() {
            let number = i64::try_from(number).unwrap_or(i64::MAX);
            kept.get_or_create(&PoolLabels { pool: pool.to_string() }).set(number);
        }
        registry.register("worker_heartbeat_failures", "Failed heartbeats of workers", failures);
        let help = "Workers with requests although their heartbeat failed, because too many fail at once";
        registry.register("workers_kept", help, kept);
        let watching = Gauge::<i64>::default();
        watching.set(i64::from(self.is_watching()));
        registry.register("watchdog_watching", "Whether this control plane sends the heartbeats", watching);
    }
}
