//! What Envoy shall have: the seam between the domain, which decides it, and xDS, which brings it there.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use slotway_config::{Pool, PoolName, WaitDuration, Worker};

use crate::groups::{DEFAULT_GROUP, Groups};

/// What Envoy shall have: the whole wanted state. One value for each change, never altered once it is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desired {
    /// Only rises, also over restarts and lost databases: the greater of the stored one plus 1 and the Unix time in
    /// microseconds at which it was made.
    pub generation: u64,
    /// The store's revision that made this generation: what was changed since another one stands in the audit rows between.
    pub revision: u64,
    /// The pools in match order, each with the workers in force.
    pub pools: Vec<Pool>,
    /// Workers that get no requests (removed, moved, cordoned or down), and whose clusters must stay. None of them stands in `pools`.
    pub draining: Vec<Draining>,
    /// How Envoy listens to clients.
    pub listener: ListenerSettings,
}

/// A worker that gets no requests, and whose cluster must stay: until it has drained, or as it may come back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draining {
    /// The worker.
    pub worker: Worker,
    /// The pool that its requests are in; none where that is no longer there.
    pub pool: Option<PoolName>,
}

impl Desired {
    /// What the Envoys of a group shall have; nothing if no pool belongs to it.
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
        // Where it is not known which group still needs a cluster, all keep it: one too many is better than one too few.
        let drains = |draining: &&Draining| draining.pool.as_ref().is_none_or(is_in);
        let draining = self.draining.iter().filter(drains).cloned().collect();
        Some(Arc::new(Self { pools, draining, ..Self::clone(self) }))
    }
}

/// How Envoy listens to clients and runs the filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerSettings {
    /// The address that clients connect to.
    pub listen: SocketAddr,
    /// Adds `x-slotway-worker` and `x-slotway-wait-ms` to answers.
    pub debug_headers: bool,
    /// How long a lane may be silent before it is believed dead.
    pub lane_lease: WaitDuration,
    /// Envoy's access log; none is written without it.
    pub access_log: Option<PathBuf>,
    /// The filter's code, an absolute path on Envoy's machine.
    pub filter_wasm: PathBuf,
    /// Which Envoys have which pools.
    pub groups: Groups,
    /// Envoy's concurrency: how many worker threads, and so lanes, it runs.
    pub lanes: u32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coordinators::testing::{desired, worker};

    #[test]
    fn a_group_has_its_own_pools_and_what_drains_from_them() {
        let mut all = desired(1, &[("http://a", 1)]);
        let mut other = all.pools[0].clone();
        other.name = "other".parse().unwrap();
        other.workers = vec![worker("http://b", 1)];
        all.pools.push(other);
        let drains = |url, pool: Option<&str>| Draining {
            worker: worker(url, 1),
            pool: pool.map(|pool| pool.parse().unwrap()),
        };
        all.draining = vec![
            drains("http://c", Some("main")),
            drains("http://d", Some("other")),
            drains("http://e", None),
        ];
        let one = Arc::new(all.clone());
        assert!(Arc::ptr_eq(&one.of_group(DEFAULT_GROUP).unwrap(), &one), "one group has everything");
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
