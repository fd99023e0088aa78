//! What one node shall have, as resources.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use slotway_config::{ConfigError, Worker};

use super::{
    ResourceType,
    resource_set::{Resource, ResourceSet},
    resources::{cluster, filter, listener, route, runtime::Limits},
};
use crate::model::Desired;

/// All resources of one [`Desired`] for one node.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) generation: u64,
    pub(crate) clusters: Arc<ResourceSet>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) listeners: Arc<ResourceSet>,
    pub(crate) routes: Arc<ResourceSet>,
    /// The only part that differs between nodes: it carries the node's id.
    pub(crate) filters: Arc<ResourceSet>,
}

impl Snapshot {
    /// The resources of one type.
    pub(crate) fn set(&self, ty: ResourceType) -> &Arc<ResourceSet> {
        match ty {
            ResourceType::Runtime => self.limits.resources(),
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
    limits: Arc<Limits>,
    listeners: Arc<ResourceSet>,
    routes: Arc<ResourceSet>,
    /// Each worker's cluster, kept for the next build: one changed worker must not cost encoding all others.
    by_worker: HashMap<String, (Worker, Arc<Resource>)>,
}

/// Builds snapshots, the common part once for all nodes.
#[derive(Debug, Default)]
pub(crate) struct Snapshots(Mutex<Option<Arc<Shared>>>);

impl Snapshots {
    /// The snapshot of `desired` for the node `node_id`.
    pub(crate) fn of(&self, desired: &Arc<Desired>, node_id: &str) -> Result<Arc<Snapshot>, ConfigError> {
        let shared = self.shared(desired);
        Ok(Arc::new(Snapshot {
            generation: desired.generation,
            clusters: shared.clusters.clone(),
            limits: shared.limits.clone(),
            listeners: shared.listeners.clone(),
            routes: shared.routes.clone(),
            filters: Arc::new(ResourceSet::from_iter([Arc::new(filter::resource(desired, node_id)?)])),
        }))
    }

    fn shared(&self, desired: &Arc<Desired>) -> Arc<Shared> {
        // Held while building: the other streams wait for the one build instead of each doing its own.
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some(shared) if Arc::ptr_eq(&shared.desired, desired) => shared.clone(),
            _ => {
                let shared = Arc::new(Shared::build(desired, last.as_deref()));
                *last = Some(shared.clone());
                shared
            }
        }
    }
}

impl Shared {
    fn build(desired: &Arc<Desired>, last: Option<&Self>) -> Self {
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
        Self {
            clusters: Arc::new(by_worker.values().map(|(_, resource)| resource.clone()).collect()),
            limits: Arc::new(Limits::new(workers(), desired.listener.lanes)),
            listeners: Arc::new(ResourceSet::from_iter([Arc::new(listener::resource(&desired.listener))])),
            routes: Arc::new(ResourceSet::from_iter([Arc::new(route::resource(
                &desired.pools,
                &desired.draining,
            ))])),
            desired: desired.clone(),
            by_worker,
        }
    }
}
