//! Merges the pools and workers of a backup into the existing ones.

use std::collections::BTreeMap;

use slotway_config::WorkerUrl;
use slotway_store::{Listing, Write};

use crate::{
    Health, PoolsError,
    replicated::{Record, StoredPools, differences, generation_write},
    state::{check_rules, next_generation},
    worker_record::{Membership, WorkerRecord},
};

/// Returns the writes that restore pools and workers from a backup, under a new generation; none if nothing differs.
/// `now_us` is the Unix time in microseconds.
///
/// Envoys may have requests at any existing worker. So a worker that is missing in the backup drains, and a worker that
/// has another pool in the backup first drains from its present pool. Otherwise its slots could be granted a second
/// time while they are in use.
///
/// # Errors
/// [`PoolsError::Store`] for a document that cannot be read, [`PoolsError::Rule`] if the backup violates a rule.
pub fn restore_writes(present: Listing, backup: Listing, now_us: u64) -> Result<Vec<Write>, PoolsError> {
    let (mut present, mut wanted) = (StoredPools::read(present)?, StoredPools::read(backup)?);
    let generation = next_generation(present.generation.max(wanted.generation), now_us);
    // Documents that differ only in their revision are not written.
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

/// Returns the record of a worker that is missing in the backup; none if the worker was removed before.
fn without_backup(live: &WorkerRecord, generation: u64) -> Option<WorkerRecord> {
    // The file's entry for the worker counts as new: its absence from the backup must not override the entry.
    let mut record = WorkerRecord { declared: None, ..live.clone() };
    record.remove(generation);
    (record.membership != Membership::Removed).then_some(record)
}

impl WorkerRecord {
    /// Returns this worker of a backup, with requests where `live` has them. Every drain counts from `generation` on:
    /// the worker may have been added again since Envoys confirmed an older generation.
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
        // The current health of a worker is more recent than that in the backup.
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
