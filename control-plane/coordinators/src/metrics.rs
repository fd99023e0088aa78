//! The metrics of the coordinators: connections, rejections, and the slots that they report.

use std::{collections::BTreeMap, time::Instant};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};
use slotway_config::PoolName;
use slotway_xds::XdsRefusal;

use super::{Coordinators, Reports};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SlotLabels {
    pool: String,
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PoolLabels {
    pool: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TypeLabels {
    type_url: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    reason: &'static str,
}

impl Coordinators {
    /// Registers the current metrics of connections.
    pub fn register_metrics(&self, registry: &mut Registry) {
        let connected = Gauge::<i64>::default();
        connected.set(i64::try_from(self.nodes().len()).unwrap_or(i64::MAX));
        registry.register("coordinators_connected", "Envoys with an xDS stream", connected);
        let nacks = Family::<TypeLabels, Counter>::default();
        for (type_url, number) in self.nodes().nacks_total() {
            nacks.get_or_create(&TypeLabels { type_url }).inc_by(number);
        }
        registry.register("xds_nack", "Configurations that an Envoy rejected", nacks);
        let refused = Family::<ReasonLabels, Counter>::default();
        for reason in XdsRefusal::ALL {
            let number = self.nodes().refusals().of(reason);
            refused.get_or_create(&ReasonLabels { reason: reason.as_str() }).inc_by(number);
        }
        registry.register("xds_refused", "Refused connections, streams and reports", refused);
    }
}

impl Reports {
    /// Registers the current sums of the fresh reports for these pools; 0 for a pool without reports.
    pub fn register_metrics<'a>(
        &self,
        pools: impl IntoIterator<Item = &'a PoolName>,
        registry: &mut Registry,
    ) {
        let mut sums: BTreeMap<&str, [i64; 4]> =
            pools.into_iter().map(|name| (name.as_str(), [0; 4])).collect();
        let latest = self.latest(Instant::now());
        for report in latest.iter().filter(|report| report.is_fresh()).flat_map(|latest| &latest.pools) {
            if let Some(sums) = sums.get_mut(report.pool.as_str()) {
                let figures = [report.free, report.in_flight, report.parked, report.waiting];
                sums.iter_mut().zip(figures).for_each(|(sum, figure)| *sum += i64::from(figure));
            }
        }
        let slots = Family::<SlotLabels, Gauge>::default();
        let waiting = Family::<PoolLabels, Gauge>::default();
        for (pool, [free, in_flight, parked, in_line]) in sums {
            for (state, number) in [("free", free), ("in_flight", in_flight), ("parked", parked)] {
                slots.get_or_create(&SlotLabels { pool: pool.to_owned(), state }).set(number);
            }
            waiting.get_or_create(&PoolLabels { pool: pool.to_owned() }).set(in_line);
        }
        registry.register("slots", "Slots over all coordinators", slots);
        registry.register("waiting", "Requests that wait for a slot", waiting);
    }
}
