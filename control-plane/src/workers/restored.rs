//! Pools and workers as a backup has them, over those that are there.

use std::collections::BTreeMap;

use slotway_config::WorkerUrl;

use super::{
    Health,
    book::next_generation,
    documents::{Record, Stored, differences, generation_write},
    record::{Standing, WorkerRecord},
    roster::check,
};
use crate::{
    error::Error,
    store::{Listing, Write},
};

/// The writes that make pools and workers as a backup has them, under a new generation; none where they are so.
///
/// Envoys may have requests at any worker that is there. So one that the backup has not drains, and one that it has in another
/// pool drains from where it is first: else its slots could be given out a second time while they are taken.
///
/// # Errors
/// [`Error::Store`] for a document that cannot be read, [`Error::Roster`] where those of the backup break a rule.
pub(crate) fn restored(there: Listing, backup: Listing) -> Result<Vec<Write>, Error> {
    let (mut there, mut wanted) = (Stored::of(there)?, Stored::of(backup)?);
    let generation = next_generation(there.generation.max(wanted.generation));
    // What is the same but for the revision that wrote it stays as it is.
    there.forget_revisions();
    wanted.forget_revisions();
    let mut records: BTreeMap<_, _> =
        there.records.iter().filter_map(|(url, live)| Some((url.clone(), left(live, generation)?))).collect();
    for (url, record) in wanted.records {
        let restored = record.over(there.records.get(&url), generation);
        records.insert(url, restored);
    }
    check(&wanted.pools, &records).map_err(|breach| Error::Roster(breach.reason))?;
    let mut writes = differences(&there.pools.pools, &wanted.pools.pools)?;
    writes.extend(differences(&there.pools.policies, &wanted.pools.policies)?);
    writes.extend(differences::<WorkerUrl, _>(&there.records, &records)?);
    if !writes.is_empty() {
        writes.push(generation_write(generation, there.generation_revision)?);
    }
    Ok(writes)
}

impl Stored {
    fn forget_revisions(&mut self) {
        self.records.values_mut().for_each(|record| *record.revision_mut() = 0);
        self.pools.pools.values_mut().for_each(|record| *record.revision_mut() = 0);
        self.pools.policies.values_mut().for_each(|record| *record.revision_mut() = 0);
    }
}

/// What becomes of a worker that the backup has not; none where it was only known to be removed.
fn left(live: &WorkerRecord, generation: u64) -> Option<WorkerRecord> {
    // The file's word for it counts anew: a backup that has it not is no word against it.
    let mut record = WorkerRecord { declared: None, ..live.clone() };
    record.remove(generation);
    (record.standing != Standing::Removed).then_some(record)
}

impl WorkerRecord {
    /// This worker of a backup, where requests may be as `live` says. Every standing counts from `generation` on: an older one was
    /// acknowledged by Envoys that may have been given the worker since.
    fn over(self, live: Option<&Self>, generation: u64) -> Self {
        let mut record = live.unwrap_or(&self).clone();
        match (live, self.standing) {
            (Some(_), Standing::Active | Standing::Moving { .. }) => {
                record.move_to(&self.entry.pool, generation);
                record.bring_back();
                record.entry.worker = self.entry.worker;
            }
            (Some(_), Standing::Draining { .. } | Standing::Removed) => record.remove(generation),
            (None, Standing::Draining { .. }) => {
                record.standing = Standing::Draining { since_generation: generation };
            }
            (None, Standing::Moving { .. }) => {
                record.standing = Standing::Moving { since_generation: generation };
            }
            (None, Standing::Active | Standing::Removed) => {}
        }
        let cordoned_since =
            live.and_then(|live| live.cordoned.as_ref()).map_or(generation, |cordon| cordon.since_generation);
        // What is seen of a worker now counts more than what was seen of it then.
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
