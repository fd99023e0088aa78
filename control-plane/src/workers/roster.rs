use std::collections::{BTreeMap, HashMap, HashSet};

use slotway_config::{FieldError, Pool, PoolName, Scheme, Worker, WorkerUrl, check_pools};

use super::{
    WorkerEntry,
    held::Held,
    record::{PoolWorker, Standing, WorkerRecord},
};
use crate::{
    error::Error,
    model::{Desired, Draining, ListenerSettings},
};

/// The pools and all workers that are known: a plain value, whose changes are pure functions.
#[derive(Debug, Clone)]
pub(crate) struct Roster {
    /// In match order; their `workers` are empty, those are in `records`.
    pub(crate) pools: Vec<Pool>,
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
    next_position: u64,
}

/// Most workers that an error names.
const NAMED_MAX: usize = 20;

impl Roster {
    /// Brings the stored workers and those of the file together (see [`super`]), under a new generation.
    ///
    /// # Errors
    /// [`Error::Roster`] where both together break a rule, for example too many slots in a pool.
    pub(crate) fn new(
        declared: &[Pool],
        listener: ListenerSettings,
        records: BTreeMap<WorkerUrl, WorkerRecord>,
        generation: u64,
    ) -> Result<Self, Error> {
        let pools = declared.iter().map(|pool| Pool { workers: Vec::new(), ..pool.clone() }).collect();
        let next_position = records.values().map(|record| record.position + 1).max().unwrap_or_default();
        let (held, revision, generation_revision) = (BTreeMap::new(), 0, 0);
        let mut roster =
            Self { pools, listener, records, generation, revision, generation_revision, held, next_position };
        let mut in_file = HashSet::new();
        for pool in declared {
            for worker in &pool.workers {
                in_file.insert(worker.worker.clone());
                roster.declare(PoolWorker { pool: pool.name.clone(), worker: worker.clone() });
            }
        }
        let gone = |(url, record): (&WorkerUrl, &WorkerRecord)| {
            (record.declared.is_some() && !in_file.contains(url)).then(|| url.clone())
        };
        for url in roster.records.iter().filter_map(gone).collect::<Vec<_>>() {
            roster.undeclare(&url);
        }
        check_pools(&roster.pools_at_most()).map_err(|error| Error::Roster(error.to_string()))?;
        Ok(roster)
    }

    /// The file's word for one worker: it counts where it is new.
    fn declare(&mut self, said: PoolWorker) {
        let position = self.next_position();
        let url = said.worker.worker.clone();
        match self.records.get_mut(&url) {
            Some(record) if record.declared.as_ref() == Some(&said) => {}
            Some(record) => {
                record.move_to(&said.pool, self.generation);
                record.bring_back();
                record.entry = said.clone();
                record.declared = Some(said);
            }
            None => {
                let entry = said.clone();
                let record = WorkerRecord { declared: Some(said), ..WorkerRecord::new(position, entry) };
                self.records.insert(url, record);
            }
        }
    }

    /// The file no longer names a worker that it named before.
    fn undeclare(&mut self, url: &WorkerUrl) {
        let since_generation = self.generation;
        match self.records.get_mut(url) {
            Some(record) if record.standing == Standing::Removed => {
                self.records.remove(url);
            }
            Some(record) => {
                record.declared = None;
                record.remove(since_generation);
            }
            None => {}
        }
    }

    /// Adds the workers, or changes those that are there: all of them, or none.
    ///
    /// # Errors
    /// [`Error::BadBody`] or [`Error::Conflict`], with the index of the entry.
    pub(crate) fn upsert(&mut self, entries: &[WorkerEntry]) -> Result<(), Error> {
        let mut seen = BTreeMap::new();
        for (index, entry) in entries.iter().enumerate() {
            if let Some(first) = seen.insert(&entry.worker, index) {
                let reason = format!("the same worker cannot stand twice; the first is entry {first}");
                return Err(bad(index, "worker", reason));
            }
            self.upsert_one(index, entry)?;
        }
        check_pools(&self.pools_at_most()).map_err(|error| self.blame(&error, entries))
    }

    fn upsert_one(&mut self, index: usize, entry: &WorkerEntry) -> Result<(), Error> {
        let position = self.next_position();
        let known = self.records.get(&entry.worker);
        let pool = match (&entry.pool, known) {
            (Some(pool), _) if self.pools.iter().all(|other| other.name != *pool) => {
                let pools: Vec<_> = self.pools.iter().map(|pool| pool.name.as_str()).collect();
                let reason = format!("there is no pool {:?}; there is {}", pool.as_str(), pools.join(", "));
                return Err(bad(index, "pool", reason));
            }
            (Some(pool), _) => pool.clone(),
            (None, Some(known)) => known.entry.pool.clone(),
            (None, None) => self.first_pool()?,
        };
        if let Some(known) =
            known.filter(|known| known.entry.pool != pool && known.standing != Standing::Removed)
        {
            // Two pools with slots of one worker would together exceed its capacity.
            let reason = format!(
                "{} is in pool {}; remove it there first and let it drain, a worker belongs to one pool",
                entry.worker, known.entry.pool
            );
            return Err(Error::Conflict { index: Some(index), field: Some("pool"), reason });
        }
        let mut worker = Worker {
            worker: entry.worker.clone(),
            capacity: entry.capacity,
            protocol: entry.protocol.or(known.map(|known| known.entry.worker.protocol)).unwrap_or_default(),
            tls: entry.tls.clone(),
        };
        if worker.tls.is_none() {
            worker.tls = known.and_then(|known| known.entry.worker.tls.clone());
        }
        if worker.tls.is_some() && worker.worker.scheme() == Scheme::Http {
            return Err(bad(index, "tls", "only an https worker can have TLS settings".to_owned()));
        }
        let mut record = known.cloned().unwrap_or_else(|| {
            WorkerRecord::new(position, PoolWorker { pool: pool.clone(), worker: worker.clone() })
        });
        record.entry = PoolWorker { pool, worker };
        record.bring_back();
        self.records.insert(entry.worker.clone(), record);
        Ok(())
    }

    /// Takes a worker out of its pool. It drains from this generation on.
    ///
    /// # Errors
    /// [`Error::UnknownWorker`].
    pub(crate) fn remove(&mut self, url: &WorkerUrl) -> Result<(), Error> {
        let known: Vec<_> = self.present().take(NAMED_MAX).map(|(url, _)| url.to_string()).collect();
        match self.records.get_mut(url) {
            Some(record) if record.standing != Standing::Removed => {
                record.remove(self.generation);
                Ok(())
            }
            Some(_) | None => Err(Error::UnknownWorker { worker: url.to_string(), known }),
        }
    }

    /// Forgets a worker that has drained since this generation, or keeps only that it was removed where the
    /// file still declares it. One that takes requests again since stays.
    pub(crate) fn drained(&mut self, url: &WorkerUrl, since_generation: u64) {
        let Some(record) = self.records.get_mut(url) else { return };
        if record.standing.drains_since() != Some(since_generation) {
            return;
        }
        match record.standing {
            Standing::Moving { .. } => {
                tracing::info!("worker {url} has drained and moves to pool {}", record.entry.pool);
                record.drained();
            }
            Standing::Draining { .. } | Standing::Active | Standing::Removed => {
                tracing::info!("worker {url} has drained and is gone");
                if record.declared.is_some() {
                    record.drained();
                } else {
                    self.records.remove(url);
                }
            }
        }
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
        self.records
            .values()
            .filter(|record| record.standing == Standing::Active && !self.has(&record.entry.pool))
    }

    /// What Envoy shall have.
    pub(crate) fn desired(&self) -> Desired {
        let drains = |record: &WorkerRecord| Draining {
            worker: record.entry.worker.clone(),
            pool: record.pool_of_requests().cloned(),
        };
        // One that is cordoned or down, or whose pool is gone, has nothing to drain for, but it may come back at any time.
        let out = |record: &&WorkerRecord| {
            record.standing != Standing::Removed
                && (record.in_force().is_none() || !self.has(&record.entry.pool))
        };
        let held = self.held.values().map(|held| &held.record);
        let mut clusters = BTreeMap::new();
        // A worker that is held keeps the cluster that its requests are at, so it comes last.
        for record in self.records.values().filter(out).chain(held) {
            clusters.insert(&record.entry.worker.worker, drains(record));
        }
        Desired {
            generation: self.generation,
            revision: self.generation_revision,
            pools: self.pools_with(
                |url, record| {
                    if self.held.contains_key(url) { None } else { record.in_force() }
                },
            ),
            draining: clusters.into_values().collect(),
            listener: self.listener.clone(),
        }
    }

    /// The pools with all workers that may get requests in them without anybody's word, at their full capacity: what has to keep
    /// within the bounds.
    fn pools_at_most(&self) -> Vec<Pool> {
        self.pools_with(|_, record| {
            let comes = matches!(record.standing, Standing::Active | Standing::Moving { .. });
            comes.then(|| record.entry.worker.clone())
        })
    }

    /// The pools, each with its workers as `wanted` has them.
    fn pools_with(&self, wanted: impl Fn(&WorkerUrl, &WorkerRecord) -> Option<Worker>) -> Vec<Pool> {
        let mut by_pool: HashMap<&PoolName, Vec<(u64, Worker)>> = HashMap::new();
        for (url, record) in &self.records {
            if let Some(worker) = wanted(url, record) {
                by_pool.entry(&record.entry.pool).or_default().push((record.position, worker));
            }
        }
        let mut pools = self.pools.clone();
        for pool in &mut pools {
            let mut members = by_pool.remove(&pool.name).unwrap_or_default();
            members.sort_by_key(|(position, _)| *position);
            pool.workers = members.into_iter().map(|(_, worker)| worker).collect();
        }
        pools
    }

    fn has(&self, pool: &PoolName) -> bool {
        self.pools.iter().any(|other| other.name == *pool)
    }

    fn first_pool(&self) -> Result<PoolName, Error> {
        let none = || Error::Roster("there is no pool".to_owned());
        self.pools.first().map(|pool| pool.name.clone()).ok_or_else(none)
    }

    fn next_position(&mut self) -> u64 {
        self.next_position += 1;
        self.next_position - 1
    }

    /// The entry of the request that brought about what [`check_pools`] found: the last one in that pool.
    fn blame(&self, error: &FieldError, entries: &[WorkerEntry]) -> Error {
        let number = error.path.split(['[', ']']).nth(1).and_then(|number| number.parse::<usize>().ok());
        let pool = number.and_then(|number| self.pools.get(number)).map(|pool| &pool.name);
        let in_pool =
            |entry: &WorkerEntry| self.records.get(&entry.worker).map(|record| &record.entry.pool) == pool;
        let index = entries.iter().rposition(in_pool);
        let field = Some("capacity".to_owned());
        Error::BadBody { index, field, reason: format!("{}: {}", error.path, error.reason) }
    }
}

fn bad(index: usize, field: &'static str, reason: String) -> Error {
    Error::BadBody { index: Some(index), field: Some(field.to_owned()), reason }
}
