//! Workers by the list, as `/coordinator/workers` has them, and how they go.

use std::collections::BTreeMap;

use slotway_config::{PoolName, Scheme, Worker, WorkerUrl};

use super::{
    WorkerEntry,
    record::{PoolWorker, Standing, WorkerRecord},
    roster::{Breach, Roster},
};
use crate::error::Error;

/// Most workers that an error names.
const NAMED_MAX: usize = 20;

impl Roster {
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
        self.check().map_err(|breach| self.blame(breach, entries))
    }

    fn upsert_one(&mut self, index: usize, entry: &WorkerEntry) -> Result<(), Error> {
        let known = self.records.get(&entry.worker);
        let pool = self.pool_for(entry.pool.as_ref(), known).map_err(|reason| bad(index, "pool", reason))?;
        let there = known.filter(|known| known.standing != Standing::Removed);
        if let Some(known) = there.filter(|known| known.entry.pool != pool) {
            // Two pools with slots of one worker would together exceed its capacity.
            let reason = format!(
                "{} is in pool {}; remove it there first and let it drain, a worker belongs to one pool",
                entry.worker, known.entry.pool
            );
            return Err(Error::Conflict { index: Some(index), field: Some("pool"), reason });
        }
        let before = known.map(|known| &known.entry.worker);
        let worker = Worker {
            worker: entry.worker.clone(),
            capacity: entry.capacity,
            protocol: entry.protocol.or(before.map(|before| before.protocol)).unwrap_or_default(),
            tls: entry.tls.clone().or_else(|| before.and_then(|before| before.tls.clone())),
        };
        if worker.tls.is_some() && worker.worker.scheme() == Scheme::Http {
            return Err(bad(index, "tls", "only an https worker can have TLS settings".to_owned()));
        }
        let position = self.next_position();
        let entry = PoolWorker { pool, worker };
        let url = entry.worker.worker.clone();
        let record = self.records.entry(url).or_insert_with(|| WorkerRecord::new(position, entry.clone()));
        record.entry = entry;
        record.bring_back();
        Ok(())
    }

    /// The pool that is meant for a worker: the one that is named, else the one that it is in, else the first.
    ///
    /// # Errors
    /// In words: there is no such pool.
    pub(super) fn pool_for(
        &self,
        named: Option<&PoolName>,
        known: Option<&WorkerRecord>,
    ) -> Result<PoolName, String> {
        let is_there =
            |known: &&WorkerRecord| known.standing != Standing::Removed || self.pools.has(&known.entry.pool);
        let own = known.filter(is_there).map(|known| &known.entry.pool);
        let pool = named.or(own).or_else(|| self.pools.first());
        let pool = pool.ok_or("there is no pool; make one first")?;
        // One that was in a pool that is gone may stay there and wait for it.
        if named.is_none() || self.pools.has(pool) {
            return Ok(pool.clone());
        }
        let pools: Vec<_> = self.pools.names().iter().map(ToString::to_string).collect();
        Err(format!("there is no pool {:?}; there is {}", pool.as_str(), pools.join(", ")))
    }

    /// Takes a worker out of its pool. It drains from this generation on.
    ///
    /// # Errors
    /// [`Error::UnknownWorker`].
    pub(crate) fn remove(&mut self, url: &WorkerUrl) -> Result<(), Error> {
        let generation = self.generation;
        let unknown = self.unknown_worker(url);
        match self.records.get_mut(url) {
            Some(record) if record.standing != Standing::Removed => {
                record.remove(generation);
                Ok(())
            }
            // It is gone for others, and goes here once its requests have ended.
            Some(_) | None if self.held.contains_key(url) => Ok(()),
            Some(_) | None => Err(unknown),
        }
    }

    /// That there is no such worker, and which ones there are.
    pub(crate) fn unknown_worker(&self, url: &WorkerUrl) -> Error {
        let known = self.present().take(NAMED_MAX).map(|(url, _)| url.to_string()).collect();
        Error::UnknownWorker { worker: url.to_string(), known }
    }

    /// Forgets a worker that has drained since this generation, or keeps only that it was removed where the
    /// file still declares it. One that takes requests again since stays.
    pub(crate) fn drained(&mut self, url: &WorkerUrl, since_generation: u64) {
        let Some(record) = self.records.get_mut(url) else { return };
        if record.standing.drains_since() != Some(since_generation) {
            return;
        }
        if matches!(record.standing, Standing::Moving { .. }) {
            tracing::info!("worker {url} has drained and moves to pool {}", record.entry.pool);
        } else {
            tracing::info!("worker {url} has drained and is gone");
        }
        record.drained();
        if record.standing == Standing::Removed && record.declared.is_none() {
            self.records.remove(url);
        }
    }

    /// The entry of the request that broke a rule: the last one in that pool.
    fn blame(&self, breach: Breach, entries: &[WorkerEntry]) -> Error {
        let in_pool = |entry: &WorkerEntry| {
            self.records.get(&entry.worker).map(|record| &record.entry.pool) == breach.pool.as_ref()
        };
        let index = entries.iter().rposition(in_pool);
        Error::BadBody { index, field: Some("capacity".to_owned()), reason: breach.reason }
    }
}

fn bad(index: usize, field: &'static str, reason: String) -> Error {
    Error::BadBody { index: Some(index), field: Some(field.to_owned()), reason }
}
