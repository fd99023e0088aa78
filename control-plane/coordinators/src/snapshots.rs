//! Snapshots for Envoys: the resources of the published pools, built once for all nodes of a group.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use slotway_agents_proto::AgentResources;
use slotway_config::{ConfigError, Worker};
use slotway_pools::Desired;
use slotway_xds::{LingeringBounds, ResourceSet, Snapshot, XdsResource};
use tokio::time::Instant;

use super::{
    resources::{agents, cluster, filter::Filter, limits, listener, route},
    types::{FILTER, LISTENER, ROUTE},
};

/// How long a worker's limit in Envoy remains after its capacity was lowered: longer than Envoy's threads take to apply
/// a configuration, and longer than requests are on their way to the worker.
pub(super) const LINGER: Duration = Duration::from_secs(5);

/// The resources of each type, by type URL.
type Sets = BTreeMap<&'static str, Arc<ResourceSet>>;

/// Builds snapshots. The part that all nodes of a group share is built once for all of them.
#[derive(Debug)]
pub(super) struct Snapshots {
    /// The last build of each group.
    last: Mutex<HashMap<String, Arc<GroupBuild>>>,
    agents: Mutex<Option<(Arc<AgentResources>, Arc<Sets>)>>,
    linger: Duration,
    /// Number of builds of groups.
    built: AtomicU64,
}

/// The part of a snapshot that all nodes of a group share.
#[derive(Debug)]
struct GroupBuild {
    desired: Arc<Desired>,
    filter: Arc<Filter>,
    clusters: Arc<ResourceSet>,
    named: Arc<ResourceSet>,
    limits: LingeringBounds,
    listener: Arc<ResourceSet>,
    routes: Arc<ResourceSet>,
    /// Each worker's cluster, reused by the next build, so that one changed worker does not require encoding all others
    /// again.
    by_worker: HashMap<String, (Worker, Arc<XdsResource>)>,
}

impl Snapshots {
    /// Returns snapshots in which a lowered limit lingers for this duration.
    pub(super) fn lingering(linger: Duration) -> Self {
        Self { last: Mutex::default(), agents: Mutex::default(), linger, built: AtomicU64::new(0) }
    }

    /// Returns how long a lowered limit lingers.
    pub(super) fn linger(&self) -> Duration {
        self.linger
    }

    /// Returns the snapshot for the node `node_id` of a group; `None` if no pool belongs to the group.
    ///
    /// # Errors
    /// The filter's configuration cannot be written.
    pub(super) fn of(
        &self,
        desired: &Arc<Desired>,
        for_agents: &Arc<AgentResources>,
        group: &str,
        node_id: &str,
    ) -> Result<Option<Arc<Snapshot>>, ConfigError> {
        let Some(build) = self.build(desired, group)? else { return Ok(None) };
        // The only part that differs between the nodes of a group: it carries the node's id.
        let filter = one(build.filter.of(node_id));
        let mut others = Sets::clone(&self.agents(for_agents));
        others.insert(LISTENER.type_url(), build.listener.clone());
        others.insert(ROUTE.type_url(), build.routes.clone());
        others.insert(FILTER.type_url(), filter);
        Ok(Some(Arc::new(Snapshot {
            generation: desired.generation,
            revision: desired.revision,
            referenced: build.clusters.clone(),
            named: build.named.clone(),
            bounds: build.limits.clone(),
            others,
        })))
    }

    fn agents(&self, for_agents: &Arc<AgentResources>) -> Arc<Sets> {
        let mut last = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some((known, sets)) if Arc::ptr_eq(known, for_agents) => sets.clone(),
            _ => {
                let sets = Arc::new(agents::sets(for_agents));
                *last = Some((for_agents.clone(), sets.clone()));
                sets
            }
        }
    }

    fn build(&self, desired: &Arc<Desired>, group: &str) -> Result<Option<Arc<GroupBuild>>, ConfigError> {
        // Held while building: the other streams wait for this build and do none of their own.
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let is_current = |build: &GroupBuild| {
            Arc::ptr_eq(&build.desired, desired) && build.limits.until().is_none_or(|until| now < until)
        };
        match last.get(group) {
            Some(build) if is_current(build) => Ok(Some(build.clone())),
            known => {
                // Unknown groups are not kept, so that nodes cannot fill the map.
                let Some(own) = desired.of_group(group) else { return Ok(None) };
                self.built.fetch_add(1, Ordering::Relaxed);
                let build = GroupBuild::new(desired, &own, known.map(Arc::as_ref), now, self.linger)?;
                let build = Arc::new(build);
                last.insert(group.to_owned(), build.clone());
                Ok(Some(build))
            }
        }
    }
}

impl GroupBuild {
    /// Builds the part of a group, `own`, after the build `last`.
    fn new(
        desired: &Arc<Desired>,
        own: &Desired,
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
        let clusters: Arc<ResourceSet> =
            Arc::new(by_worker.values().map(|(_, resource)| resource.clone()).collect());
        // The filter's configuration names no worker that drains. Such a worker needs its cluster where Envoy has it, but no
        // change waits for a cluster that Envoy does not have or has rejected.
        let named = if draining.is_empty() {
            clusters.clone()
        } else {
            let drains: HashSet<_> = draining.iter().map(|worker| worker.worker.as_str()).collect();
            Arc::new(clusters.select(|name| !drains.contains(name)))
        };
        let limits = limits::of(workers(), own.listener.lanes);
        Ok(Self {
            limits: match last {
                Some(last) => last.limits.followed_by(limits, now, linger),
                None => LingeringBounds::new(limits),
            },
            clusters,
            named,
            listener: one(listener::resource(&own.listener)),
            routes: one(route::resource(&own.pools, &draining)),
            desired: desired.clone(),
            filter: Arc::new(Filter::new(own)?),
            by_worker,
        })
    }
}

fn one(resource: XdsResource) -> Arc<ResourceSet> {
    Arc::new(ResourceSet::from_iter([Arc::new(resource)]))
}

#[cfg(test)]
mod tests {
    use slotway_pools::{DEFAULT_GROUP, DrainingWorker};

    use super::*;
    use crate::testing::{desired, worker};

    const WORKER: &str = "http://a";

    fn snapshot(snapshots: &Snapshots, desired: &Arc<Desired>) -> Arc<Snapshot> {
        snapshots.of(desired, &Arc::default(), DEFAULT_GROUP, "node").unwrap().unwrap()
    }

    /// Returns the node's limit for the worker, once it has acknowledged everything else.
    fn limit(snapshots: &Snapshots, desired: &Arc<Desired>) -> u32 {
        let snapshot = snapshot(snapshots, desired);
        assert!(snapshot.bounds.in_force().covers(snapshot.bounds.needed()));
        snapshot.bounds.in_force().get(WORKER).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_lowered_limit_lingers_and_a_raised_one_applies_at_once() {
        let snapshots = Snapshots::lingering(LINGER);
        let with = |generation, capacity| Arc::new(desired(generation, &[(WORKER, capacity)]));
        let four = limit(&snapshots, &with(1, 4));
        assert_eq!(limit(&snapshots, &with(2, 1)), four, "it lingers");
        tokio::time::advance(LINGER / 2).await;
        assert_eq!(limit(&snapshots, &with(3, 6)), four + 2 * 2);
        let two = with(4, 2);
        assert_eq!(limit(&snapshots, &two), four + 2 * 2, "lowered again, from the higher one");
        tokio::time::advance(LINGER).await;
        assert_eq!(limit(&snapshots, &two), four - 2 * 2, "without another change");
        assert!(snapshot(&snapshots, &two).bounds.until().is_none());
    }

    #[test]
    fn a_draining_worker_keeps_its_cluster_and_its_limit_and_is_not_named() {
        let snapshots = Snapshots::lingering(LINGER);
        let mut wanted = desired(1, &[("http://b", 1)]);
        wanted.draining = vec![DrainingWorker { worker: worker(WORKER, 1), pool: None }];
        let snapshot = snapshot(&snapshots, &Arc::new(wanted));
        let names = |set: &ResourceSet| set.iter().map(|own| own.name().to_string()).collect::<Vec<_>>();
        assert_eq!(names(&snapshot.referenced), [WORKER, "http://b"]);
        assert_eq!(names(&snapshot.named), ["http://b"]);
        assert!(snapshot.bounds.needed().get(WORKER).is_some());
    }

    #[test]
    fn an_unchanged_worker_is_not_encoded_again() {
        let snapshots = Snapshots::lingering(LINGER);
        let one = snapshot(&snapshots, &Arc::new(desired(1, &[(WORKER, 1)])));
        let two = snapshot(&snapshots, &Arc::new(desired(2, &[(WORKER, 2), ("http://b", 1)])));
        let cluster = |snapshot: &Snapshot| snapshot.referenced.get(WORKER).unwrap().clone();
        assert!(Arc::ptr_eq(&cluster(&one), &cluster(&two)));
    }

    #[test]
    fn ten_thousand_concurrent_nodes_need_one_build_and_an_unknown_group_none() {
        let snapshots = Snapshots::lingering(LINGER);
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
