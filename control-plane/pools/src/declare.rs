//! Merges the configuration file into the state, at a start and at a reload. Where the file is newer than a change over
//! REST, it wins.

use std::collections::HashSet;

use slotway_config::{Pool, WorkerUrl};

use crate::{
    ListenerSettings, PoolsError,
    listener_record::StoredListener,
    state::{PoolsState, next_generation},
    worker_record::{Membership, PoolWorker, WorkerRecord},
};

impl PoolsState {
    /// Merges the configuration file with the stored state (see the crate's documentation), under a new generation if that changes
    /// anything.
    ///
    /// # Errors
    /// [`PoolsError::Declaration`] if both together break a rule, for example too many slots in a pool.
    pub(crate) fn declare(
        &mut self,
        declared: &[Pool],
        listener: &ListenerSettings,
        now_us: u64,
    ) -> Result<(), PoolsError> {
        let before = self.clone();
        self.generation = next_generation(before.generation, now_us);
        self.listener = listener.clone();
        if !self.stored_listener.as_ref().is_some_and(|stored| stored.is_of(listener)) {
            self.stored_listener = Some(StoredListener::new(listener));
        }
        self.pools.declare(declared);
        let mut in_file = HashSet::new();
        for pool in declared {
            for worker in &pool.workers {
                in_file.insert(worker.worker.clone());
                self.declare_worker(PoolWorker { pool: pool.name.clone(), worker: worker.clone() });
            }
        }
        let is_gone = |(url, record): (&WorkerUrl, &WorkerRecord)| {
            (record.declared.is_some() && !in_file.contains(url)).then(|| url.clone())
        };
        for url in self.records.iter().filter_map(is_gone).collect::<Vec<_>>() {
            self.undeclare_worker(&url);
        }
        self.release_returned();
        self.check_rules().map_err(PoolsError::Declaration)?;
        if before.generation != 0 && before.has_same_documents(self) {
            self.generation = before.generation;
        }
        Ok(())
    }

    /// Applies the file's entry for one worker if it is new.
    fn declare_worker(&mut self, declared: PoolWorker) {
        let url = declared.worker.worker.clone();
        match self.records.get_mut(&url) {
            Some(record) if record.declared.as_ref() == Some(&declared) => return,
            Some(record) => {
                record.move_to(&declared.pool, self.generation);
                record.bring_back();
                record.entry = declared.clone();
                record.declared = Some(declared.clone());
            }
            None => {
                let new = WorkerRecord::new(self.next_position(), declared.clone());
                self.records.insert(url, WorkerRecord { declared: Some(declared.clone()), ..new });
            }
        }
        // A worker in a deleted pool restores the pool.
        self.pools.bring_back(&declared.pool);
    }

    /// Removes a worker that the file no longer names.
    fn undeclare_worker(&mut self, url: &WorkerUrl) {
        let since_generation = self.generation;
        match self.records.get_mut(url) {
            Some(record) if record.membership == Membership::Removed => {
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
