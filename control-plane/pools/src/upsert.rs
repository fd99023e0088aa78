//! Workers as a list, for `/coordinator/workers`.

use std::collections::BTreeMap;

use serde::Deserialize;
use slotway_config::{Capacity, Connections, PoolName, Protocol, Worker, WorkerTls, WorkerUrl};

use crate::{
    PoolsError, RuleViolation, WorkerField,
    state::PoolsState,
    worker_record::{Membership, PoolWorker, WorkerRecord},
};

/// The maximum number of workers that an error names.
const NAMED_MAX: usize = 20;

/// One entry of `POST /coordinator/workers`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkerEntry {
    /// The base URL.
    pub worker: WorkerUrl,
    /// The maximum number of its concurrent requests.
    pub capacity: Capacity,
    /// Its pool. Default: its current pool; for a new worker, the first pool of the file.
    #[serde(default)]
    pub pool: Option<PoolName>,
    /// The protocol towards it. Default: unchanged; for a new worker, HTTP/1.1.
    #[serde(default)]
    pub protocol: Option<Protocol>,
    /// Whether a connection serves one request or many. Default: unchanged; for a new worker, the default of the protocol.
    #[serde(default)]
    pub connections: Option<Connections>,
    /// How its certificate is verified. Default: unchanged.
    #[serde(default)]
    pub tls: Option<WorkerTls>,
}

impl PoolsState {
    /// Creates or updates workers: all of them, or none.
    ///
    /// # Errors
    /// [`PoolsError::Entry`] or [`PoolsError::EntryInOtherPool`], with the index of the entry.
    pub fn upsert(&mut self, entries: &[WorkerEntry]) -> Result<(), PoolsError> {
        let mut seen = BTreeMap::new();
        for (index, entry) in entries.iter().enumerate() {
            if let Some(first) = seen.insert(&entry.worker, index) {
                let reason = format!("the same worker cannot stand twice; the first is entry {first}");
                return Err(wrong(index, WorkerField::Worker, reason));
            }
            self.upsert_one(index, entry)?;
        }
        self.check_rules().map_err(|violation| self.violation_of_entry(violation, entries))
    }

    fn upsert_one(&mut self, index: usize, entry: &WorkerEntry) -> Result<(), PoolsError> {
        let known = self.records.get(&entry.worker);
        let pool = self.pool_for(entry.pool.as_ref(), known);
        let pool = pool.map_err(|reason| wrong(index, WorkerField::Pool, reason))?;
        let present = known.filter(|known| known.membership != Membership::Removed);
        if let Some(known) = present.filter(|known| known.entry.pool != pool) {
            // Two pools with slots of one worker would together exceed its capacity.
            let (worker, pool) = (entry.worker.clone(), known.entry.pool.clone());
            return Err(PoolsError::EntryInOtherPool { index, worker, pool });
        }
        let before = known.map(|known| &known.entry.worker);
        let worker = Worker {
            worker: entry.worker.clone(),
            capacity: entry.capacity,
            protocol: entry.protocol.or(before.map(|before| before.protocol)).unwrap_or_default(),
            connections: entry.connections.or(before.and_then(|before| before.connections)),
            tls: entry.tls.clone().or_else(|| before.and_then(|before| before.tls.clone())),
        };
        self.check_worker(&worker).map_err(|(field, reason)| wrong(index, field, reason))?;
        let position = self.next_position();
        let entry = PoolWorker { pool, worker };
        let url = entry.worker.worker.clone();
        let record = self.records.entry(url).or_insert_with(|| WorkerRecord::new(position, entry.clone()));
        record.entry = entry;
        record.bring_back();
        Ok(())
    }

    /// Returns the pool for a worker: the named one, else its current one, else the first.
    ///
    /// # Errors
    /// The reason why the pool does not exist.
    pub(crate) fn pool_for(
        &self,
        named: Option<&PoolName>,
        known: Option<&WorkerRecord>,
    ) -> Result<PoolName, String> {
        let is_present = |known: &&WorkerRecord| {
            known.membership != Membership::Removed || self.pools.has(&known.entry.pool)
        };
        let own = known.filter(is_present).map(|known| &known.entry.pool);
        let pool = named.or(own).or_else(|| self.pools.first());
        let pool = pool.ok_or("there is no pool; make one first")?;
        // A worker of a missing pool may stay in it and wait for the pool.
        if named.is_none() || self.pools.has(pool) {
            return Ok(pool.clone());
        }
        let pools: Vec<_> = self.pools.names().iter().map(ToString::to_string).collect();
        Err(format!("there is no pool {:?}; there is {}", pool.as_str(), pools.join(", ")))
    }

    /// Removes a worker from its pool. It drains from this generation on.
    ///
    /// # Errors
    /// [`PoolsError::UnknownWorker`].
    pub fn remove(&mut self, url: &WorkerUrl) -> Result<(), PoolsError> {
        let generation = self.generation;
        let unknown = self.unknown_worker(url);
        match self.records.get_mut(url) {
            Some(record) if record.membership != Membership::Removed => {
                record.remove(generation);
                Ok(())
            }
            // The store has released it already. Here it is deleted once its requests have ended.
            Some(_) | None if self.retained.contains_key(url) => Ok(()),
            Some(_) | None => Err(unknown),
        }
    }

    /// Returns the error for a worker that does not exist, with some existing ones.
    #[must_use]
    pub fn unknown_worker(&self, url: &WorkerUrl) -> PoolsError {
        let known = self.present().take(NAMED_MAX).map(|(url, _)| url.to_string()).collect();
        PoolsError::UnknownWorker { worker: url.to_string(), known }
    }

    /// Deletes a worker that has drained since this generation, or keeps only a marker of its removal if the file still
    /// declares it. Does nothing for a worker that takes requests again since then.
    pub(crate) fn drained(&mut self, url: &WorkerUrl, since_generation: u64) {
        let Some(record) = self.records.get_mut(url) else { return };
        if record.membership.drains_since() != Some(since_generation) {
            return;
        }
        if matches!(record.membership, Membership::Moving { .. }) {
            tracing::info!("worker {url} has drained and moves to pool {}", record.entry.pool);
        } else {
            tracing::info!("worker {url} has drained and is gone");
        }
        record.drained();
        if record.membership == Membership::Removed && record.declared.is_none() {
            self.records.remove(url);
        }
    }

    /// Attributes a violation to an entry of the request: the last one in the pool.
    fn violation_of_entry(&self, violation: RuleViolation, entries: &[WorkerEntry]) -> PoolsError {
        let is_in_pool = |entry: &WorkerEntry| {
            self.records.get(&entry.worker).map(|record| &record.entry.pool) == violation.pool.as_ref()
        };
        let index = entries.iter().rposition(is_in_pool);
        PoolsError::Entry { index, field: WorkerField::Capacity, reason: violation.reason }
    }
}

fn wrong(index: usize, field: WorkerField, reason: String) -> PoolsError {
    PoolsError::Entry { index: Some(index), field, reason }
}
