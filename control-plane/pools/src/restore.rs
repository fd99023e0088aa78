//! Pools and workers of a backup, merged into those that exist.

use std::collections::BTreeMap;

use slotway_config::WorkerUrl;
use slotway_store::{Listing, Write};

use crate::{
    Health, PoolsError,
    replicated::{Record, StoredPools, differences, generation_write},
    state::{check_rules, next_generation},
    worker_record::{Membership, WorkerRecord},
};

/// Returns the writes that make pools and workers as in a backup, under a new generation; none if they are so already. `now_us` is the
/// Unix time in microseconds.
///
/// Envoys may have requests at any worker that exists. So a worker that the backup does not have drains, and a worker that it has in
/// another pool drains from its present pool first: else its slots could be given out a second time while they are taken.
///
/// # Errors
/// [`PoolsError::Store`] for a document that cannot be read, [`PoolsError::Rule`] if those of the backup break a rule.
pub fn restore_writes(present: Listing, backup: Listing, now_us: u64) -> Result<Vec<Write>, PoolsError> {
    let (mut present, mut wanted) = (StoredPools::read(present)?, StoredPools::read(backup)?);
    let generation = next_generation(present.generation.max(wanted.generation), now_us);
    // Documents that differ only in the revision that wrote them stay as they are.
    present.forget_revisions();
    wanted.forget_revisions();
    let kept =
        |(url, live): (&WorkerUrl, &WorkerRecord)| Some((url.clone(), without_backup(live, generation)?));
    let mut records: BTreeMap<_, _> = present.records.iter().filter_map(kept).collect();
    for (url, record) in wanted.records {
        let restored = record.merged_into(present.records.get(&url), generation);
        records.insert(url, restored);
    }
    check_rules(&wanted.pools, &records)?;
    let mut writes = differences(&present.pools.pools, &wanted.pools.pools)?;
    writes.extend(differences(&present.pools.policies, &wanted.pools.policies)?);
    writes.extend(differences::<WorkerUrl, _>(&present.records, &records)?);
    if !writes.is_empty() {
        writes.push(generation_write(generation, present.generation_revision)?);
    }
    Ok(writes)
}

impl StoredPools {
    fn forget_revisions(&mut self) {
        self.records.values_mut().for_each(|record| *record.revision_mut() = 0);
        self.pools.pools.values_mut().for_each(|record| *record.revision_mut() = 0);
        self.pools.policies.values_mut().for_each(|record| *record.revision_mut() = 0);
    }
}

/// Returns the record of a worker that the backup does not have; none if the worker was removed before.
fn without_backup(live: &WorkerRecord, generation: u64) -> Option<WorkerRecord> {
    // The file's entry for it counts as new: that the backup does not have the worker does not speak against the entry.
    let mut record = WorkerRecord { declared: None, ..live.clone() };
    record.remove(generation);
    (record.membership != Membership::Removed).then_some(record)
}

impl WorkerRecord {
    /// Returns this worker of a backup, with requests where `live` has them. Every drain counts from `generation` on: Envoys that
    /// confirmed an older generation may have been given the worker since.
    fn merged_into(self, live: Option<&Self>, generation: u64) -> Self {
        let mut record = live.unwrap_or(&self).clone();
        match (live, self.membership) {
            (Some(_), Membership::Active | Membership::Moving { .. }) => {
                record.move_to(&self.entry.pool, generation);
                record.bring_back();
                record.entry.worker = self.entry.worker;
            }
            (Some(_), Membership::Draining { .. } | Membership::Removed) => record.remove(generation),
            (None, Membership::Draining { .. }) => {
                record.membership = Membership::Draining { since_generation: generation };
            }
            (None, Membership::Moving { .. }) => {
                record.membership = Membership::Moving { since_generation: generation };
            }
            (None, Membership::Active | Membership::Removed) => {}
        }
        let cordoned_since =
            live.and_then(|live| live.cordoned.as_ref()).map_or(generation, |cordon| cordon.since_generation);
        // The present health of a worker is more recent than that of the backup.
        let health = match (live, &self.heartbeat) {
            (_, None) => Health::Up,
            (Some(live), Some(_)) if live.heartbeat.is_some() => live.health.clone(),
            (_, Some(_)) => self.health,
        };
        Self {
            position: self.position,
            declared: self.declared,
            cordoned: self.cordoned.map(|mut cordon| {
                cordon.since_generation = cordoned_since;
                cordon
            }),
            labels: self.labels,
            notes: self.notes,
            heartbeat: self.heartbeat,
            slow_start: self.slow_start,
            health,
            ..record
        }
    }
}
