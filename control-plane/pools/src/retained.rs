//! Workers that another control plane on the same store has released before the coordinators of this one have drained
//! them.
//!
//! Each control plane knows only its own coordinators. When one of them finds that a removed worker has drained, it
//! releases the worker in the store. The coordinators of this control plane may still have requests there. So this
//! control plane *retains* the worker: its cluster remains, and it gets no slots in another pool, until these
//! coordinators have drained it as well.

use slotway_config::WorkerUrl;

use crate::{
    state::PoolsState,
    worker_record::{Membership, RetainedWorker, WorkerRecord},
};

impl PoolsState {
    /// Applies the store's record of a worker; `None` if the store has none.
    pub(crate) fn take_over_worker(&mut self, url: &WorkerUrl, record: Option<WorkerRecord>) {
        let before = match &record {
            Some(record) => {
                self.next_position = self.next_position.max(record.position + 1);
                self.records.insert(url.clone(), record.clone())
            }
            None => self.records.remove(url),
        };
        let now = record.filter(|record| record.membership != Membership::Removed);
        if self.retained.contains_key(url) {
            return;
        }
        let Some(before) = before.filter(|before| before.membership != Membership::Removed) else { return };
        let is_released = match (before.membership, &now) {
            (_, None) => true,
            // A moving worker was in another pool than its record names.
            (Membership::Active | Membership::Draining { .. } | Membership::Moving { .. }, Some(now)) => {
                now.membership == Membership::Active && before.pool_of_requests() != Some(&now.entry.pool)
            }
            (Membership::Removed, Some(_)) => false,
        };
        if is_released {
            let since_generation = before.membership.drains_since().unwrap_or(self.generation);
            let membership = match before.membership {
                Membership::Active => Membership::Draining { since_generation },
                drains => drains,
            };
            let record = WorkerRecord { membership, ..before };
            self.retained.insert(url.clone(), RetainedWorker { record, since_generation });
        }
    }

    /// Stops retaining a worker without requests.
    pub(crate) fn release(&mut self, url: &WorkerUrl, since_generation: u64) {
        self.retained.retain(|retained, RetainedWorker { since_generation: since, .. }| {
            retained != url || *since != since_generation
        });
    }

    /// Stops retaining workers that are active again in the pool of their requests.
    pub(crate) fn release_returned(&mut self) {
        let records = &self.records;
        self.retained.retain(|url, RetainedWorker { record: before, .. }| {
            let now = records.get(url).filter(|now| now.membership == Membership::Active);
            now.is_none_or(|now| before.pool_of_requests() != Some(&now.entry.pool))
        });
    }
}
