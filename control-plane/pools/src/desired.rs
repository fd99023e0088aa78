//! The desired state of Envoy: the interface between this domain, which decides it, and xDS, which delivers it.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use slotway_config::{Pool, PoolName, WaitDuration, Worker};

use crate::{DEFAULT_GROUP, Groups};

/// The whole desired state of Envoy. Each change creates a new value; a published value is never modified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desired {
    /// The generation. It always increases, even over restarts and a lost database: it is the greater of the stored
    /// generation plus 1 and the current Unix time in microseconds.
    pub generation: u64,
    /// The revision of the store that wrote the generation. The audit rows between the revisions of two generations are
    /// the changes between them.
    pub revision: u64,
    /// The pools in match order, each with the workers that get requests.
    pub pools: Vec<Pool>,
    /// Workers without requests (removed, moved, cordoned or down) whose clusters must remain. None of them is in
    /// `pools`.
    pub draining: Vec<DrainingWorker>,
    /// The settings of Envoy's listener.
    pub listener: ListenerSettings,
}

/// A worker that gets no requests. Its cluster must remain until it has drained, or because it may return.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrainingWorker {
    /// The worker.
    pub worker: Worker,
    /// The pool that its requests are in; none if that pool no longer exists.
    pub pool: Option<PoolName>,
}

impl Desired {
    /// Returns the desired state of the Envoys of a group; none if no pool belongs to the group.
    #[must_use]
    pub fn of_group(self: &Arc<Self>, group: &str) -> Option<Arc<Self>> {
        let groups = &self.listener.groups;
        if groups.is_one() {
            return (group == DEFAULT_GROUP).then(|| self.clone());
        }
        let is_in = |pool: &PoolName| groups.of(pool) == group;
        let pools: Vec<_> = self.pools.iter().filter(|pool| is_in(&pool.name)).cloned().collect();
        if pools.is_empty() {
            return None;
        }
        // If it is unknown which group still needs a cluster, all groups keep it: a missing cluster breaks requests, a
        // superfluous one does not.
        let drains = |draining: &&DrainingWorker| draining.pool.as_ref().is_none_or(is_in);
        let draining = self.draining.iter().filter(drains).cloned().collect();
        Some(Arc::new(Self { pools, draining, ..Self::clone(self) }))
    }
}

/// The default of [`ListenerSettings::ready_path`].
pub const DEFAULT_READY_PATH: &str = "/-/slotway/ready";

/// The settings of Envoy's listener and of the filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerSettings {
    /// The address that clients connect to.
    pub listen: SocketAddr,
    /// Whether answers get `x-slotway-worker` and `x-slotway-wait-ms`.
    pub debug_headers: bool,
    /// How long a lane may be silent before other lanes consider it dead.
    pub lane_lease: WaitDuration,
    /// The path of Envoy's access log; none if absent.
    pub access_log: Option<PathBuf>,
    /// The filter's module, an absolute path on Envoy's machine.
    pub filter_wasm: PathBuf,
    /// The path that Envoy answers itself, for health checks of load balancers.
    pub ready_path: String,
    /// The group of each pool.
    pub groups: Groups,
    /// Envoy's concurrency: the number of its worker threads, and so of lanes.
    pub lanes: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker(url: &str) -> Worker {
        serde_json::from_value(serde_json::json!({ "worker": url, "capacity": 1 })).unwrap()
    }

    fn pool(name: &str, url: &str) -> Pool {
        let matches = serde_json::json!({ "prefix": format!("/{name}") });
        serde_json::from_value(
            serde_json::json!({ "name": name, "match": matches, "workers": [{ "worker": url, "capacity": 1 }] }),
        )
        .unwrap()
    }

    #[test]
    fn a_group_has_its_own_pools_and_the_workers_that_drain_from_them() {
        let draining = |url, pool: Option<&str>| DrainingWorker {
            worker: worker(url),
            pool: pool.map(|pool| pool.parse().unwrap()),
        };
        let mut all = Desired {
            generation: 1,
            revision: 1,
            pools: vec![pool("main", "http://a"), pool("other", "http://b")],
            draining: vec![
                draining("http://c", Some("main")),
                draining("http://d", Some("other")),
                draining("http://e", None),
            ],
            listener: ListenerSettings {
                listen: "127.0.0.1:10000".parse().unwrap(),
                debug_headers: false,
                lane_lease: slotway_config::default_lane_lease(),
                access_log: None,
                filter_wasm: "/f.wasm".into(),
                ready_path: DEFAULT_READY_PATH.to_owned(),
                groups: Groups::default(),
                lanes: 2,
            },
        };
        let one = Arc::new(all.clone());
        assert!(Arc::ptr_eq(&one.of_group(DEFAULT_GROUP).unwrap(), &one), "a single group has everything");
        assert!(one.of_group("gpu").is_none());

        all.listener.groups = [("other".parse().unwrap(), "gpu".to_owned())].into_iter().collect();
        let all = Arc::new(all);
        let urls = |group: &str| {
            let own = all.of_group(group).unwrap();
            let workers = own.pools.iter().flat_map(|pool| &pool.workers);
            let all = workers.chain(own.draining.iter().map(|draining| &draining.worker));
            all.map(|worker| worker.worker.as_str().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(urls(DEFAULT_GROUP), ["http://a", "http://c", "http://e"]);
        assert_eq!(urls("gpu"), ["http://b", "http://d", "http://e"]);
        assert!(all.of_group("another").is_none());
    }
}
