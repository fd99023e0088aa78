//! What the configuration file says, at a start and when it is read again: it counts where it is newer than what REST has said.

use std::collections::{BTreeMap, HashSet};

use slotway_config::{Pool, WorkerUrl};

use super::{
    pools::Pools,
    record::{PoolWorker, Standing, WorkerRecord},
    roster::Roster,
};
use crate::{error::Error, model::ListenerSettings};

impl Roster {
    /// Brings what is stored and what the file says together (see [`super`]), under a new generation.
    ///
    /// # Errors
    /// [`Error::Roster`] where both together break a rule, for example too many slots in a pool.
    pub(crate) fn new(
        declared: &[Pool],
        listener: ListenerSettings,
        records: BTreeMap<WorkerUrl, WorkerRecord>,
        mut pools: Pools,
        generation: u64,
    ) -> Result<Self, Error> {
        pools.declare(declared);
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
        roster.check().map_err(|breach| Error::Roster(breach.reason))?;
        Ok(roster)
    }

    /// The same with what the file says now.
    ///
    /// # Errors
    /// [`Error::Roster`], as [`Self::new`].
    pub(crate) fn redeclared(
        &self,
        declared: &[Pool],
        listener: ListenerSettings,
        generation: u64,
    ) -> Result<Self, Error> {
        let (records, pools) = (self.records.clone(), self.pools.clone());
        let mut next = Self::new(declared, listener, records, pools, generation)?;
        (next.revision, next.generation_revision) = (self.revision, self.generation_revision);
        next.held.clone_from(&self.held);
        Ok(next)
    }

    /// The file's word for one worker: it counts where it is new.
    fn declare(&mut self, said: PoolWorker) {
        let position = self.next_position();
        let url = said.worker.worker.clone();
        match self.records.get_mut(&url) {
            Some(record) if record.declared.as_ref() == Some(&said) => return,
            Some(record) => {
                record.move_to(&said.pool, self.generation);
                record.bring_back();
                record.entry = said.clone();
                record.declared = Some(said.clone());
            }
            None => {
                let new = WorkerRecord::new(position, said.clone());
                self.records.insert(url, WorkerRecord { declared: Some(said.clone()), ..new });
            }
        }
        // Whoever puts a worker into a pool wants the pool.
        self.pools.bring_back(&said.pool);
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
}
