//! What one node shall have, as resources.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use slotway_config::{ConfigError, Worker};
use tokio::time::Instant;

use super::{
    ResourceType,
    limits::LINGER,
    resource_set::{Resource, ResourceSet},
    resources::{cluster, filter, listener, route, runtime::Limits},
};
use crate::model::Desired;

/// All resources of one [`Desired`] for one node.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) generation: u64,
    pub(crate) clusters: Arc<ResourceSet>,
    /// Those of them that the filter's configuration names: all but those of workers that drain. A worker that drains needs its
    /// cluster where it is, but nothing has to wait for one that Envoy does not have, or has refused.
    pub(crate) named: Arc<ResourceSet>,
    /// The limits that its capacities need.
    pub(crate) limits: Arc<Limits>,
    /// The limits that the node shall have: those, and higher ones that linger from before.
    pub(crate) lingering: Arc<Limits>,
    /// When the next of those no longer lingers.
    pub(crate) lingers_until: Option<Instant>,
    pub(crate) listeners: Arc<ResourceSet>,
    pub(crate) routes: Arc<ResourceSet>,
    /// The only part that differs between nodes: it carries the node's id.
    pub(crate) filters: Arc<ResourceSet>,
}

impl Snapshot {
    /// The resources of one type.
    pub(crate) fn set(&self, ty: ResourceType) -> &Arc<ResourceSet> {
        match ty {
            ResourceType::Runtime => self.lingering.resources(),
            ResourceType::Cluster => &self.clusters,
            ResourceType::Listener => &self.listeners,
            ResourceType::Route => &self.routes,
            ResourceType::Filter => &self.filters,
        }
    }
}

/// What is the same for every node.
#[derive(Debug)]
struct Shared {
    desired: Arc<Desired>,
    clusters: Arc<ResourceSet>,
    named: Arc<ResourceSet>,
    limits: Arc<Limits>,
    /// Limits that were higher before, and until when they linger.
    peaks: BTreeMap<String, (u32, Instant)>,
    listeners: Arc<ResourceSet>,
    routes: Arc<ResourceSet>,
    /// Each worker's cluster, kept for the next build: one changed worker must not cost encoding all others.
    by_worker: HashMap<String, (Worker, Arc<Resource>)>,
}

/// Builds snapshots, the common part once for all nodes.
#[derive(Debug)]
pub(crate) struct Snapshots {
    last: Mutex<Option<Arc<Shared>>>,
    linger: Duration,
}

impl Default for Snapshots {
    fn default() -> Self {
        Self::lingering(LINGER)
    }
}

impl Snapshots {
    /// Snapshots in which a lowered limit lingers for so long.
    pub(crate) fn lingering(linger: Duration) -> Self {
        Self { last: Mutex::default(), linger }
    }

    /// The snapshot of `desired` for the node `node_id`.
    pub(crate) fn of(&self, desired: &Arc<Desired>, node_id: &str) -> Result<Arc<Snapshot>, ConfigError> {
        let shared = self.shared(desired);
        Ok(Arc::new(Snapshot {
            generation: desired.generation,
            clusters: shared.clusters.clone(),
            named: shared.named.clone(),
            limits: shared.limits.clone(),
            lingering: shared.lingering(),
            lingers_until: shared.lingers_until(),
            listeners: shared.listeners.clone(),
            routes: shared.routes.clone(),
            filters: Arc::new(ResourceSet::from_iter([Arc::new(filter::resource(desired, node_id)?)])),
        }))
    }

    fn shared(&self, desired: &Arc<Desired>) -> Arc<Shared> {
        // Held while building: the other streams wait for the one build instead of each doing its own.
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let lingers = |shared: &Shared| shared.lingers_until().is_none_or(|until| now < until);
        match &*last {
            Some(shared) if Arc::ptr_eq(&shared.desired, desired) && lingers(shared) => shared.clone(),
            _ => {
                let shared = Arc::new(Shared::build(desired, last.as_deref(), now, self.linger));
                *last = Some(shared.clone());
                shared
            }
        }
    }
}

impl Shared {
    fn build(desired: &Arc<Desired>, last: Option<&Self>, now: Instant, linger: Duration) -> Self {
        let workers = || desired.pools.iter().flat_map(|pool| &pool.workers).chain(&desired.draining);
        let by_worker: HashMap<_, _> = workers()
            .map(|worker| {
                let name = worker.worker.as_str();
                let known = last.and_then(|last| last.by_worker.get(name));
                let resource = match known {
                    Some((before, resource)) if cluster::is_same(before, worker) => resource.clone(),
                    _ => Arc::new(cluster::resource(worker)),
                };
                (name.to_owned(), (worker.clone(), resource))
            })
            .collect();
        let limits = Limits::new(workers(), desired.listener.lanes);
        let clusters: Arc<ResourceSet> =
            Arc::new(by_worker.values().map(|(_, resource)| resource.clone()).collect());
        let named = if desired.draining.is_empty() {
            clusters.clone()
        } else {
            let drains: HashSet<_> = desired.draining.iter().map(|worker| worker.worker.as_str()).collect();
            Arc::new(clusters.select(|name| !drains.contains(name)))
        };
        Self {
            peaks: last.map(|last| last.peaks_before(&limits, now, linger)).unwrap_or_default(),
            clusters,
            named,
            limits: Arc::new(limits),
            listeners: Arc::new(ResourceSet::from_iter([Arc::new(listener::resource(&desired.listener))])),
            routes: Arc::new(ResourceSet::from_iter([Arc::new(route::resource(
                &desired.pools,
                &desired.draining,
            ))])),
            desired: desired.clone(),
            by_worker,
        }
    }

    /// What lingers when `next` follows this at `now`: what it lowers, and what lingered already.
    fn peaks_before(
        &self,
        next: &Limits,
        now: Instant,
        linger: Duration,
    ) -> BTreeMap<String, (u32, Instant)> {
        let mut peaks = self.peaks.clone();
        peaks.retain(|_, (_, until)| now < *until);
        for (cluster, limit) in self.limits.lowered_in(next).filter(|_| !linger.is_zero()) {
            let peak = peaks.entry(cluster.to_owned()).or_insert((limit, now));
            *peak = (peak.0.max(limit), now + linger);
        }
        peaks
    }

    fn lingering(&self) -> Arc<Limits> {
        let peaks = self.peaks.iter().map(|(cluster, (limit, _))| (cluster.clone(), *limit));
        Limits::highest([&self.limits, &Arc::new(peaks.collect())])
    }

    fn lingers_until(&self) -> Option<Instant> {
        self.peaks.values().map(|(_, until)| *until).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xds::testing::desired;

    const WORKER: &str = "http://a";

    /// What the node shall have, once it has nothing else in force.
    fn limit(snapshots: &Snapshots, desired: &Arc<Desired>) -> u32 {
        let snapshot = snapshots.of(desired, "node").unwrap();
        assert!(snapshot.lingering.covers(&snapshot.limits));
        snapshot.lingering.of(WORKER).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_lowered_limit_lingers_and_goes_and_a_raised_one_is_there_at_once() {
        let snapshots = Snapshots::default();
        let with = |generation, capacity| Arc::new(desired(generation, &[(WORKER, capacity)]));
        let four = limit(&snapshots, &with(1, 4));
        assert_eq!(limit(&snapshots, &with(2, 1)), four, "it lingers");
        tokio::time::advance(LINGER / 2).await;
        assert_eq!(limit(&snapshots, &with(3, 6)), four + 2);
        let two = with(4, 2);
        assert_eq!(limit(&snapshots, &two), four + 2, "lowered again, from the higher one");
        tokio::time::advance(LINGER).await;
        assert_eq!(limit(&snapshots, &two), four - 2, "without another change");
        assert!(snapshots.of(&two, "node").unwrap().lingers_until.is_none());
    }
}
