use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use slotway_config::{Pool, PoolName, Worker, WorkerUrl, check_pools, limits};

use crate::{
    CaDirectories, Desired, DrainingWorker, ListenerSettings, RuleSubject, RuleViolation, WorkerField,
    listener_record::StoredListener,
    pool_set::PoolSet,
    worker_record::{Membership, RetainedWorker, WorkerRecord},
};

/// All pools and workers: a plain value whose changes are pure functions. `declare` has the changes of the configuration file, `upsert`,
/// `put_worker` and `put_pool` those of REST.
#[derive(Debug, Clone)]
pub struct PoolsState {
    pub(crate) pools: PoolSet,
    pub(crate) listener: ListenerSettings,
    /// The settings that the store has, as far as this control plane has read or written them.
    pub(crate) stored_listener: Option<StoredListener>,
    pub(crate) records: BTreeMap<WorkerUrl, WorkerRecord>,
    pub(crate) generation: u64,
    /// The store's revision that this reflects.
    pub(crate) revision: u64,
    /// The store's revision that wrote the generation, 0 if there is none yet. Every change expects it, so that of two control planes
    /// that change something at once one gets a conflict.
    pub(crate) generation_revision: u64,
    /// Workers that the store has released, and that the coordinators of this control plane may still have requests at.
    pub(crate) retained: BTreeMap<WorkerUrl, RetainedWorker>,
    pub(crate) next_position: u64,
    /// Where files of authorities may be that clients name.
    pub(crate) ca_directories: Arc<CaDirectories>,
}

impl PoolsState {
    /// Returns the state of an empty store.
    pub(crate) fn empty(listener: ListenerSettings, ca_directories: CaDirectories) -> Self {
        Self {
            pools: PoolSet::default(),
            listener,
            stored_listener: None,
            records: BTreeMap::new(),
            generation: 0,
            revision: 0,
            generation_revision: 0,
            retained: BTreeMap::new(),
            next_position: 0,
            ca_directories: Arc::new(ca_directories),
        }
    }

    /// Returns the revision of the store that the state reflects.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Returns the pools and their policies.
    #[must_use]
    pub fn pools(&self) -> &PoolSet {
        &self.pools
    }

    /// Returns a worker that exists: it is in a pool, or drains from one.
    #[must_use]
    pub fn worker(&self, url: &WorkerUrl) -> Option<&WorkerRecord> {
        self.records.get(url).filter(|record| record.membership != Membership::Removed)
    }

    /// Returns a worker for display, including one that is only retained.
    #[must_use]
    pub fn shown_worker(&self, url: &WorkerUrl) -> Option<&WorkerRecord> {
        self.worker(url).or_else(|| self.retained.get(url).map(|retained| &retained.record))
    }

    /// Returns all workers that get requests or drain. For a retained worker, returns the retained record.
    pub(crate) fn present(&self) -> impl Iterator<Item = (&WorkerUrl, &WorkerRecord)> {
        let known = self.records.iter().filter(|(url, record)| {
            record.membership != Membership::Removed && !self.retained.contains_key(*url)
        });
        known.chain(self.retained.iter().map(|(url, retained)| (url, &retained.record)))
    }

    /// Returns the draining workers, each with the first generation without it.
    pub(crate) fn draining(&self) -> impl Iterator<Item = (&WorkerUrl, u64)> {
        self.records.iter().filter_map(|(url, record)| Some((url, record.membership.drains_since()?)))
    }

    /// Returns the active workers whose pool the file no longer has. They get no requests until the pool exists again.
    pub(crate) fn without_pool(&self) -> impl Iterator<Item = &WorkerRecord> {
        let active = self.records.values().filter(|record| record.membership == Membership::Active);
        active.filter(|record| !self.pools.has(&record.entry.pool))
    }

    /// Returns the desired state of Envoy.
    pub(crate) fn desired(&self) -> Desired {
        let draining = |record: &WorkerRecord| DrainingWorker {
            worker: record.entry.worker.clone(),
            pool: record.pool_of_requests().filter(|pool| self.pools.has(pool)).cloned(),
        };
        // A worker that is cordoned or down, or whose pool is missing, keeps its cluster as well: it may have requests,
        // and may return at any time.
        let gets_none = |record: &&WorkerRecord| {
            record.membership != Membership::Removed
                && (record.in_force().is_none() || !self.pools.has(&record.entry.pool))
        };
        let retained = self.retained.values().map(|retained| &retained.record);
        let mut clusters = BTreeMap::new();
        // Retained workers come last: each keeps the cluster of its requests.
        for record in self.records.values().filter(gets_none).chain(retained) {
            clusters.insert(&record.entry.worker.worker, draining(record));
        }
        let in_force = |url: &WorkerUrl, record: &WorkerRecord| {
            if self.retained.contains_key(url) { None } else { record.in_force() }
        };
        Desired {
            generation: self.generation,
            revision: self.generation_revision,
            pools: pools_with(&self.pools, &self.records, in_force),
            draining: clusters.into_values().collect(),
            listener: self.listener.clone(),
        }
    }

    /// Checks the settings of a worker that a client of the API has set. A file of authorities that the configuration file or the
    /// store has for this worker may stay.
    ///
    /// # Errors
    /// The field and the reason.
    pub(crate) fn check_worker(&self, worker: &Worker) -> Result<(), (WorkerField, String)> {
        if let Some((setting, reason)) = worker.contradiction() {
            return Err((setting.into(), reason.to_owned()));
        }
        let ca_file = |worker: &Worker| worker.tls.as_ref().and_then(|tls| tls.ca_file.clone());
        let Some(file) = ca_file(worker) else { return Ok(()) };
        let record = self.records.get(&worker.worker);
        let known = record.into_iter().flat_map(|record| {
            [Some(&record.entry.worker), record.declared.as_ref().map(|declared| &declared.worker)]
        });
        if known.flatten().any(|known| ca_file(known).as_ref() == Some(&file)) {
            return Ok(());
        }
        self.ca_directories.check(&file).map_err(|reason| (WorkerField::Tls, reason))
    }

    /// Checks the rules for all pools and workers together, with every worker that can get requests at its full
    /// capacity.
    ///
    /// # Errors
    /// The first violation.
    pub fn check_rules(&self) -> Result<(), RuleViolation> {
        check_rules(&self.pools, &self.records)
    }

    /// Makes a change, under a new generation if it changes the desired state of Envoy or the confirmations that Envoys
    /// owe.
    ///
    /// # Errors
    /// Those of `make`.
    pub(crate) fn under_new_generation<R, E>(
        &mut self,
        now_us: u64,
        make: impl FnOnce(&mut Self) -> Result<R, E>,
    ) -> Result<R, E> {
        let before = self.clone();
        self.generation = next_generation(before.generation, now_us);
        let result = make(self)?;
        self.release_returned();
        if !before.differs_for_envoy(self) {
            self.generation = before.generation;
        }
        Ok(result)
    }

    /// Returns whether `next` changes the desired state of Envoy, or the confirmations that Envoys owe. Labels, notes
    /// and heartbeats do not concern Envoy.
    fn differs_for_envoy(&self, next: &Self) -> bool {
        let differs = |one: &WorkerRecord, other: &WorkerRecord| {
            (one.position, &one.entry, one.membership, &one.leaves)
                != (other.position, &other.entry, other.membership, &other.leaves)
                || (&one.cordoned, &one.health) != (&other.cordoned, &other.health)
        };
        self.records.len() != next.records.len()
            || self
                .records
                .iter()
                .zip(&next.records)
                .any(|((url, one), (other_url, other))| url != other_url || differs(one, other))
            || self.pools.without_workers() != next.pools.without_workers()
            || self.retained != next.retained
    }

    /// Returns whether both states have the same documents.
    pub(crate) fn has_same_documents(&self, next: &Self) -> bool {
        self.records == next.records
            && self.pools == next.pools
            && self.stored_listener == next.stored_listener
    }

    /// Returns the position of the next new worker: after all others.
    pub(crate) fn next_position(&mut self) -> u64 {
        self.next_position += 1;
        self.next_position - 1
    }
}

/// Returns the generation after `generation`. It includes the clock, so that a lost database does not decrease it.
pub(crate) fn next_generation(generation: u64, now_us: u64) -> u64 {
    now_us.max(generation.saturating_add(1))
}

/// See [`PoolsState::check_rules`].
pub(crate) fn check_rules(
    pools: &PoolSet,
    records: &BTreeMap<WorkerUrl, WorkerRecord>,
) -> Result<(), RuleViolation> {
    let order = pools.in_order();
    if order.len() > limits::POOLS_MAX {
        let reason = format!("{} pools are too many: at most {}", order.len(), limits::POOLS_MAX);
        return Err(RuleViolation { pool: None, other: None, subject: RuleSubject::PoolCount, reason });
    }
    for (name, record) in &order {
        if let Some(other) = pools.with_match(&record.matches, name) {
            let prefix = &record.matches.prefix;
            let reason = format!(
                "pools {name} and {other} have the same match, the prefix {prefix:?}; only one of them would get requests"
            );
            let (pool, other) = (Some((*name).clone()), Some(other.clone()));
            return Err(RuleViolation { pool, other, subject: RuleSubject::Match, reason });
        }
    }
    let pools = pools_with(pools, records, |_, record| {
        let can_get_requests = matches!(record.membership, Membership::Active | Membership::Moving { .. });
        can_get_requests.then(|| record.entry.worker.clone())
    });
    check_pools(&pools).map_err(|error| {
        let pool = error.pool.and_then(|index| pools.get(index)).map(|pool| pool.name.clone());
        let reason = match &pool {
            Some(pool) => format!("pool {pool}: {}", error.reason),
            None => error.reason,
        };
        RuleViolation { pool, other: None, subject: RuleSubject::Workers, reason }
    })
}

/// Returns the pools with their workers from `wanted`.
fn pools_with(
    pools: &PoolSet,
    records: &BTreeMap<WorkerUrl, WorkerRecord>,
    wanted: impl Fn(&WorkerUrl, &WorkerRecord) -> Option<Worker>,
) -> Vec<Pool> {
    let mut by_pool: HashMap<&PoolName, Vec<(u64, Worker)>> = HashMap::new();
    for (url, record) in records {
        if let Some(worker) = wanted(url, record) {
            by_pool.entry(&record.entry.pool).or_default().push((record.position, worker));
        }
    }
    let mut pools = pools.without_workers();
    for pool in &mut pools {
        let mut members = by_pool.remove(&pool.name).unwrap_or_default();
        members.sort_by_key(|(position, _)| *position);
        pool.workers = members.into_iter().map(|(_, worker)| worker).collect();
    }
    pools
}
