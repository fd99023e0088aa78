//! How the heartbeats of the watched workers went: what the API and the metrics tell of them.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use slotway_config::{PoolName, WorkerUrl};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use slotway_pools::{HeartbeatStatus, WatchedWorker};

/// How heartbeats went, by worker and by pool, as the control plane that asks knows it.
#[derive(Debug, Default)]
pub struct Heartbeats(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    workers: HashMap<WorkerUrl, Sight>,
    failures: BTreeMap<PoolName, u64>,
}

#[derive(Debug)]
struct Sight {
    pool: PoolName,
    at: SystemTime,
    failures: u32,
    last_error: Option<String>,
    kept: bool,
}

impl Heartbeats {
    /// A worker was asked.
    pub(crate) fn note(&self, watched: &WatchedWorker, error: Option<String>, kept: bool) {
        let mut inner = self.lock();
        let url = &watched.worker.worker;
        let before = inner.workers.get(url).map_or(0, |sight| sight.failures);
        let failures = if error.is_some() { before.saturating_add(1) } else { 0 };
        if error.is_some() {
            *inner.failures.entry(watched.pool.clone()).or_default() += 1;
        }
        let pool = watched.pool.clone();
        let sight = Sight { pool, at: SystemTime::now(), failures, last_error: error, kept };
        inner.workers.insert(url.clone(), sight);
    }

    /// It is watched no longer.
    pub(crate) fn forget(&self, url: &WorkerUrl) {
        self.lock().workers.remove(url);
    }

    /// Nothing is watched here any longer; what was counted stays counted.
    pub(crate) fn forget_all(&self) {
        self.lock().workers.clear();
    }

    /// How a worker's heartbeat last went; nothing where it has none, was not asked yet, or another control plane asks it.
    #[must_use]
    pub fn status(&self, url: &WorkerUrl) -> Option<HeartbeatStatus> {
        self.lock().workers.get(url).map(|sight| HeartbeatStatus {
            ok: sight.last_error.is_none(),
            at: OffsetDateTime::from(sight.at).format(&Rfc3339).unwrap_or_default(),
            failures: sight.failures,
            last_error: sight.last_error.clone(),
            kept: sight.kept,
        })
    }

    /// Failed heartbeats since the start, by pool.
    #[must_use]
    pub fn failures(&self) -> BTreeMap<PoolName, u64> {
        self.lock().failures.clone()
    }

    /// Workers that have failed often enough and get requests all the same, by pool: so many fail at once that it is rather the control plane
    /// that is cut off.
    #[must_use]
    pub fn kept(&self) -> BTreeMap<PoolName, u64> {
        let mut kept = BTreeMap::new();
        for sight in self.lock().workers.values().filter(|sight| sight.kept) {
            *kept.entry(sight.pool.clone()).or_default() += 1;
        }
        kept
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
