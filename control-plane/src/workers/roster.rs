use std::collections::{BTreeMap, HashMap};

use slotway_config::{Pool, PoolName, Worker, WorkerUrl, check_pools, limits};

use super::{
    held::Held,
    pools::Pools,
    record::{Standing, WorkerRecord},
};
use crate::{
    error::Error,
    model::{Desired, Draining, ListenerSettings},
};

/// The pools and all workers that are known: a plain value, whose changes are pure functions. What the configuration file
/// changes stands in `file_word`, what REST changes in `upsert`, `put_worker` and `put_pool`.
#[derive(Debug, Clone)]
pub(crate) struct Roster {
    pub(crate) pools: Pools,
    pub(crate) listener: ListenerSettings,
    pub(crate) records: BTreeMap<WorkerUrl, WorkerRecord>,
    pub(crate) generation: u64,
    /// The store's revision that this reflects.
    pub(crate) revision: u64,
    /// The store's revision that wrote the generation, 0 where there is none yet. Whoever changes workers expects it, so
    /// that of two control planes that change something at once one has to look again.
    pub(crate) generation_revision: u64,
    /// Workers that another control plane has let go of, and whose requests our own coordinators may still have.
    pub(crate) held: BTreeMap<WorkerUrl, Held>,
    pub(super) next_position: u64,
}

/// A rule that all pools together do not keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Breach {
    /// The pool; none where there are too many of them.
    pub(crate) pool: Option<PoolName>,
    /// Another pool that has to do with it.
    pub(crate) other: Option<PoolName>,
    /// Which part of it: of a pool's spec, or of a worker's.
    pub(crate) of: BreachOf,
    /// What is wrong and what would be right.
    pub(crate) reason: String,
}

/// What breaks a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BreachOf {
    /// That there is such a pool.
    Pool,
    /// A pool's match.
    Match,
    /// The workers of a pool.
    Workers,
}

impl From<Breach> for Error {
    fn from(Breach { of, reason, .. }: Breach) -> Self {
        let field = match of {
            BreachOf::Pool => None,
            BreachOf::Match => Some("spec.match"),
            BreachOf::Workers => Some("spec.capacity"),
        };
        Self::Conflict { index: None, field, reason }
    }
}

impl Roster {
    /// A worker that is there: it is in a pool, or drains from one.
    pub(crate) fn worker(&self, url: &WorkerUrl) -> Option<&WorkerRecord> {
        self.records.get(url).filter(|record| record.standing != Standing::Removed)
    }

    /// A worker as it is shown: one, too, that is only held.
    pub(crate) fn shown_worker(&self, url: &WorkerUrl) -> Option<&WorkerRecord> {
        self.worker(url).or_else(|| self.held.get(url).map(|held| &held.record))
    }

    /// All workers that take requests or drain; of one that is held, what it was.
    pub(crate) fn present(&self) -> impl Iterator<Item = (&WorkerUrl, &WorkerRecord)> {
        let known = self.records.iter();
        let known = known
            .filter(|(url, record)| record.standing != Standing::Removed && !self.held.contains_key(*url));
        known.chain(self.held.iter().map(|(url, held)| (url, &held.record)))
    }

    /// The workers that drain, each with the first generation without it.
    pub(crate) fn draining(&self) -> impl Iterator<Item = (&WorkerUrl, u64)> {
        self.records.iter().filter_map(|(url, record)| Some((url, record.standing.drains_since()?)))
    }

    /// Workers that REST added to a pool that the file no longer has: they wait for the pool to come back.
    pub(crate) fn without_pool(&self) -> impl Iterator<Item = &WorkerRecord> {
        let active = self.records.values().filter(|record| record.standing == Standing::Active);
        active.filter(|record| !self.pools.has(&record.entry.pool))
    }

    /// What Envoy shall have.
    pub(crate) fn desired(&self) -> Desired {
        let drains = |record: &WorkerRecord| Draining {
            worker: record.entry.worker.clone(),
            pool: record.pool_of_requests().filter(|pool| self.pools.has(pool)).cloned(),
        };
        // One that is cordoned or down, or whose pool is gone, keeps its cluster, too: for its requests, and as it may come back at
        // any time.
        let gets_none = |record: &&WorkerRecord| {
            record.standing != Standing::Removed
                && (record.in_force().is_none() || !self.pools.has(&record.entry.pool))
        };
        let held = self.held.values().map(|held| &held.record);
        let mut clusters = BTreeMap::new();
        // A worker that is held keeps the cluster that its requests are at, so it comes last.
        for record in self.records.values().filter(gets_none).chain(held) {
            clusters.insert(&record.entry.worker.worker, drains(record));
        }
        let in_force = |url: &WorkerUrl, record: &WorkerRecord| {
            if self.held.contains_key(url) { None } else { record.in_force() }
        };
        Desired {
            generation: self.generation,
            revision: self.generation_revision,
            pools: self.pools_with(in_force),
            draining: clusters.into_values().collect(),
            listener: self.listener.clone(),
        }
    }

    /// Looks whether pools and workers together keep the rules: those, too, that may get requests without anybody's word, at
    /// their full capacity.
    ///
    /// # Errors
    /// The first [`Breach`].
    pub(crate) fn check(&self) -> Result<(), Breach> {
        check(&self.pools, &self.records)
    }

    /// The pools, each with its workers as `wanted` has them.
    fn pools_with(&self, wanted: impl Fn(&WorkerUrl, &WorkerRecord) -> Option<Worker>) -> Vec<Pool> {
        pools_with(&self.pools, &self.records, wanted)
    }

    /// What a change makes of this, under a new generation if it is something to Envoy, or to what waits for an Envoy.
    ///
    /// # Errors
    /// What `make` says.
    pub(super) fn changed_by<R>(
        &self,
        generation: u64,
        make: impl Fn(&mut Self) -> Result<R, Error>,
    ) -> Result<(Self, R), Error> {
        let mut next = Self { generation, ..self.clone() };
        let result = make(&mut next)?;
        if !self.is_other_to_envoy(&next) {
            next.generation = self.generation;
        }
        Ok((next, result))
    }

    /// Whether Envoy shall have something else, or it is waited for the Envoys' word on something else. Labels, notes and heartbeats
    /// are nothing to it.
    fn is_other_to_envoy(&self, next: &Self) -> bool {
        let differs = |one: &WorkerRecord, other: &WorkerRecord| {
            (one.position, &one.entry, one.standing, &one.leaves)
                != (other.position, &other.entry, other.standing, &other.leaves)
                || (&one.cordoned, &one.health) != (&other.cordoned, &other.health)
        };
        self.records.len() != next.records.len()
            || self
                .records
                .iter()
                .zip(&next.records)
                .any(|((url, one), (other_url, other))| url != other_url || differs(one, other))
            || self.pools.without_workers() != next.pools.without_workers()
            || self.held != next.held
    }

    /// The place of the next new worker: behind all others.
    pub(super) fn next_position(&mut self) -> u64 {
        self.next_position += 1;
        self.next_position - 1
    }
}

/// As [`Roster::check`].
pub(super) fn check(pools: &Pools, records: &BTreeMap<WorkerUrl, WorkerRecord>) -> Result<(), Breach> {
    let order = pools.in_order();
    if order.len() > limits::POOLS_MAX {
        let reason = format!("{} pools are too many: at most {}", order.len(), limits::POOLS_MAX);
        return Err(Breach { pool: None, other: None, of: BreachOf::Pool, reason });
    }
    for (name, record) in &order {
        if let Some(other) = pools.with_match(&record.matches, name) {
            let prefix = &record.matches.prefix;
            let reason = format!(
                "pools {name} and {other} have the same match, the prefix {prefix:?}; only one of them would get requests"
            );
            return Err(Breach {
                pool: Some((*name).clone()),
                other: Some(other.clone()),
                of: BreachOf::Match,
                reason,
            });
        }
    }
    let pools = pools_with(pools, records, |_, record| {
        let comes = matches!(record.standing, Standing::Active | Standing::Moving { .. });
        comes.then(|| record.entry.worker.clone())
    });
    check_pools(&pools).map_err(|error| {
        let number = error.path.split(['[', ']']).nth(1).and_then(|number| number.parse::<usize>().ok());
        let pool = number.and_then(|number| pools.get(number)).map(|pool| pool.name.clone());
        let reason = match &pool {
            Some(pool) => format!("pool {pool}: {}", error.reason),
            None => error.reason,
        };
        Breach { pool, other: None, of: BreachOf::Workers, reason }
    })
}

fn pools_with(
    pools: &Pools,
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
