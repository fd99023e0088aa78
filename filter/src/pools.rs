//! The pools that a lane knows, and the transitions of each.

mod lane_pool;
mod metrics;

use slotway_config::{Pool as PoolSettings, PoolMatch, PoolName};
use slotway_policy::RequestOutcome;

pub(crate) use lane_pool::{LanePool, OnGrants, Target};
pub(crate) use metrics::SlotLevels;

use crate::host::Host;

/// A pool of this lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PoolIndex(usize);

/// Every pool that any configuration of this VM has named. A pool that the newest configuration does not name drains.
#[derive(Debug)]
pub(crate) struct Pools<H: Host> {
    host: H,
    pools: Vec<LanePool<H>>,
    /// When the metrics are passed to the host; `None` with nothing to pass.
    flush_at_ms: Option<u64>,
}

impl<H: Host> Pools<H> {
    pub(crate) fn new(host: H) -> Self {
        Self { host, pools: Vec::new(), flush_at_ms: None }
    }

    pub(crate) fn get(&self, index: PoolIndex) -> Option<&LanePool<H>> {
        self.pools.get(index.0)
    }

    pub(crate) fn get_mut(&mut self, index: PoolIndex) -> Option<&mut LanePool<H>> {
        self.pools.get_mut(index.0)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &LanePool<H>> {
        self.pools.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut LanePool<H>> {
        self.pools.iter_mut()
    }

    /// Returns the indexes of all pools.
    pub(crate) fn indexes(&self) -> impl Iterator<Item = PoolIndex> + use<H> {
        (0..self.pools.len()).map(PoolIndex)
    }

    /// Returns the index of the pool of that name.
    pub(crate) fn find(&self, name: &str) -> Option<PoolIndex> {
        self.pools.iter().position(|pool| pool.settings.name.as_str() == name).map(PoolIndex)
    }

    /// Returns the names of all pools.
    pub(crate) fn names(&self) -> Vec<PoolName> {
        self.pools.iter().map(|pool| pool.settings.name.clone()).collect()
    }

    /// Takes over the pools of a configuration. A pool that it does not name keeps its policy and has no workers. Returns the
    /// index of each pool of the configuration.
    pub(crate) fn configure(&mut self, settings: &[PoolSettings]) -> Vec<PoolIndex> {
        for pool in &mut self.pools {
            pool.settings.workers.clear();
        }
        let adopt = |settings: &PoolSettings| match self.find(settings.name.as_str()) {
            Some(index) => {
                if let Some(pool) = self.get_mut(index) {
                    pool.configure(settings.clone());
                }
                index
            }
            None => self.add(settings.clone()),
        };
        settings.iter().map(adopt).collect()
    }

    /// Adds the pools of other lanes that this one does not know, without workers.
    pub(crate) fn add_unknown(&mut self, names: Vec<PoolName>) {
        for name in names {
            if self.find(name.as_str()).is_none() {
                self.add(PoolSettings::new(name, PoolMatch::default()));
            }
        }
    }

    fn add(&mut self, settings: PoolSettings) -> PoolIndex {
        self.pools.push(LanePool::new(self.host.clone(), settings));
        PoolIndex(self.pools.len().saturating_sub(1))
    }

    /// Counts the end of a request.
    pub(crate) fn count(&mut self, index: PoolIndex, outcome: RequestOutcome) {
        if let Some(pool) = self.pools.get_mut(index.0) {
            pool.metrics.count(outcome);
            if self.flush_at_ms.is_none() {
                self.flush_at_ms = Some(self.host.now_ms().saturating_add(metrics::FLUSH_MS));
            }
        }
    }

    /// Counts a wait that is over.
    pub(crate) fn note_wait(&mut self, index: PoolIndex, waited_ms: u64, now_ms: u64) {
        if let Some(pool) = self.pools.get_mut(index.0) {
            pool.metrics.note_wait(&self.host, waited_ms);
            self.flush_at_ms = self.flush_at_ms.or(Some(now_ms.saturating_add(metrics::FLUSH_MS)));
        }
    }

    /// Returns when the metrics are passed to the host next.
    pub(crate) fn flush_at_ms(&self) -> u64 {
        self.flush_at_ms.unwrap_or(u64::MAX)
    }

    /// Passes the metrics to the host, if it is time to.
    pub(crate) fn flush_if_due(&mut self, now_ms: u64) {
        if self.flush_at_ms() <= now_ms {
            self.flush_at_ms = None;
            self.pools.iter_mut().for_each(|pool| pool.metrics.flush(&self.host));
        }
    }
}
