//! What one node shall have, as resources.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use slotway_config::{ConfigError, Worker};
use tokio::time::Instant;

use super::{
    ResourceType,
    limits::LINGER,
    resource_set::{Resource, ResourceSet},
    resources::{agents::AgentSets, cluster, filter::Filter, listener, route, runtime::Limits},
};
use crate::{agents::ForAgents, model::Desired};

/// All resources of one [`Desired`] for one node.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) generation: u64,
    /// The store's revision that made the generation.
    pub(crate) revision: u64,
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
    /// The only part that differs between the nodes of a group: it carries the node's id.
    pub(crate) filters: Arc<ResourceSet>,
    /// What agents are told; the same for all groups.
    pub(crate) agents: Arc<AgentSets>,
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
            ResourceType::ServerLimits => &self.agents.server_limits,
            ResourceType::ResourceProfiles => &self.agents.resource_profiles,
            ResourceType::BackupJob => &self.agents.backup_jobs,
        }
    }
}

/// What is the same for every node of a group.
#[derive(Debug)]
struct Shared {
    desired: Arc<Desired>,
    filter: Arc<Filter>,
    clusters: Arc<ResourceSet>,
    named: Arc<ResourceSet>,
    limits: Arc<Limits>,
    /// Those, and what lingers.
    lingering: Arc<Limits>,
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
    /// The last one of each group.
    last: Mutex<HashMap<String, Arc<Shared>>>,
    agents: Mutex<Option<(Arc<ForAgents>, Arc<AgentSets>)>>,
    linger: Duration,
    /// How many common parts were built.
    built: AtomicU64,
}

impl Default for Snapshots {
    fn default() -> Self {
        Self::lingering(LINGER)
    }
}

impl Snapshots {
    /// Snapshots in which a lowered limit lingers for so long.
    pub(crate) fn lingering(linger: Duration) -> Self {
        Self { last: Mutex::default(), agents: Mutex::default(), linger, built: AtomicU64::new(0) }
    }

    /// How long a lowered limit lingers.
    pub(crate) fn linger(&self) -> Duration {
        self.linger
    }

    /// The snapshot of `desired` for the node `node_id` of a group; none if no pool belongs to the group.
    pub(crate) fn of(
        &self,
        desired: &Arc<Desired>,
        told: &Arc<ForAgents>,
        group: &str,
        node_id: &str,
    ) -> Result<Option<Arc<Snapshot>>, ConfigError> {
        let Some(shared) = self.shared(desired, group)? else { return Ok(None) };
        Ok(Some(Arc::new(Snapshot {
            generation: desired.generation,
            revision: desired.revision,
            clusters: shared.clusters.clone(),
            named: shared.named.clone(),
            limits: shared.limits.clone(),
            lingering: shared.lingering.clone(),
            lingers_until: shared.lingers_until(),
            listeners: shared.listeners.clone(),
            routes: shared.routes.clone(),
            filters: Arc::new(ResourceSet::from_iter([Arc::new(shared.filter.of(node_id))])),
            agents: self.agents(told),
        })))
    }

    fn agents(&self, told: &Arc<ForAgents>) -> Arc<AgentSets> {
        let mut last = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some((known, sets)) if Arc::ptr_eq(known, told) => sets.clone(),
            _ => {
                let sets = Arc::new(AgentSets::new(told));
                *last = Some((told.clone(), sets.clone()));
                sets
            }
        }
    }

    fn shared(&self, desired: &Arc<Desired>, group: &str) -> Result<Option<Arc<Shared>>, ConfigError> {
        // Held while building: the other streams wait for the one build instead of each doing its own.
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let lingers = |shared: &Shared| shared.lingers_until().is_none_or(|until| now < until);
        match last.get(group) {
            Some(shared) if Arc::ptr_eq(&shared.desired, desired) && lingers(shared) => {
                Ok(Some(shared.clone()))
            }
            known => {
                // What is not a group is not remembered, so that nobody can fill the map.
                let Some(own) = desired.of_group(group) else { return Ok(None) };
                self.built.fetch_add(1, Ordering::Relaxed);
                let known = known.map(Arc::as_ref);
                let shared = Arc::new(Shared::build(desired, own, known, now, self.linger)?);
                last.insert(group.to_owned(), shared.clone());
                Ok(Some(shared))
            }
        }
    }
}

impl Shared {
    fn build(
        desired: &Arc<Desired>,
        own: Arc<Desired>,
        last: Option<&Self>,
        now: Instant,
        linger: Duration,
    ) -> Result<Self, ConfigError> {
        let draining: Vec<_> = own.draining.iter().map(|draining| draining.worker.clone()).collect();
        let workers = || own.pools.iter().flat_map(|pool| &pool.workers).chain(&draining);
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
        let limits = Limits::new(workers(), own.listener.lanes);
        let clusters: Arc<ResourceSet> =
            Arc::new(by_worker.values().map(|(_, resource)| resource.clone()).collect());
        let named = if draining.is_empty() {
            clusters.clone()
        } else {
            let drains: HashSet<_> = draining.iter().map(|worker| worker.worker.as_str()).collect();
            Arc::new(clusters.select(|name| !drains.contains(name)))
        };
        let peaks = last.map(|last| last.peaks_before(&limits, now, linger)).unwrap_or_default();
        let limits = Arc::new(limits);
        Ok(Self {
            lingering: lingering(&limits, &peaks),
            peaks,
            clusters,
            named,
            limits,
            listeners: Arc::new(ResourceSet::from_iter([Arc::new(listener::resource(&own.listener))])),
            routes: Arc::new(ResourceSet::from_iter([Arc::new(route::resource(&own.pools, &draining))])),
            desired: desired.clone(),
            filter: Arc::new(Filter::new(&own)?),
            by_worker,
        })
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

    fn lingers_until(&self) -> Option<Instant> {
        self.peaks.values().map(|(_, until)| *until).min()
    }
}

fn lingering(limits: &Arc<Limits>, peaks: &BTreeMap<String, (u32, Instant)>) -> Arc<Limits> {
    let peaks = peaks.iter().map(|(cluster, (limit, _))| (cluster.clone(), *limit));
    Limits::highest([limits, &Arc::new(peaks.collect())])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{groups::DEFAULT_GROUP, xds::testing::desired};

    const WORKER: &str = "http://a";

    /// What the node shall have, once it has nothing else in force.
    fn limit(snapshots: &Snapshots, desired: &Arc<Desired>) -> u32 {
        let snapshot = snapshots.of(desired, &Arc::default(), DEFAULT_GROUP, "node").unwrap().unwrap();
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
        let now = snapshots.of(&two, &Arc::default(), DEFAULT_GROUP, "node").unwrap().unwrap();
        assert!(now.lingers_until.is_none());
    }

    #[test]
    fn ten_thousand_nodes_at_once_cost_one_build_and_a_group_of_nobody_none() {
        let snapshots = Snapshots::default();
        let wanted = Arc::new(desired(1, &[(WORKER, 1)]));
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let (snapshots, wanted) = (&snapshots, &wanted);
                scope.spawn(move || {
                    for node in 0..1_250 {
                        let node = format!("{thread}-{node}");
                        assert!(
                            snapshots.of(wanted, &Arc::default(), DEFAULT_GROUP, &node).unwrap().is_some()
                        );
                        assert!(snapshots.of(wanted, &Arc::default(), &node, &node).unwrap().is_none());
                    }
                });
            }
        });
        assert_eq!(snapshots.built.load(Ordering::Relaxed), 1);
        assert_eq!(snapshots.last.lock().unwrap().len(), 1);
        let next = Arc::new(desired(2, &[(WORKER, 2)]));
        (0..10).for_each(|node| drop(snapshots.of(&next, &Arc::default(), DEFAULT_GROUP, &node.to_string())));
        assert_eq!(snapshots.built.load(Ordering::Relaxed), 2);
    }
}
