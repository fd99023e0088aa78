//! What other control planes on the same store change, as our own coordinators must see it.
//!
//! Each control plane knows of its own coordinators only. One that finds a removed worker drained lets go of it in the
//! store; here, requests to it may be under way yet. So the others *hold* it: its cluster stays, and it gets no slots
//! in another pool, until their own coordinators have let go of it, too.

use slotway_config::WorkerUrl;

use super::{
    record::{Standing, WorkerRecord},
    roster::Roster,
};

/// A worker that the store has let go of, or has given to another pool, before our coordinators have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Held {
    /// What it was; draining, or moving.
    pub(crate) record: WorkerRecord,
    /// The first generation of ours without it.
    pub(crate) since_generation: u64,
}

impl Roster {
    /// Takes over what the store says of a worker; `None` where it has none.
    pub(crate) fn replace(&mut self, url: &WorkerUrl, record: Option<WorkerRecord>) {
        let before = match &record {
            Some(record) => self.records.insert(url.clone(), record.clone()),
            None => self.records.remove(url),
        };
        let now = record.filter(|record| record.standing != Standing::Removed);
        if self.held.contains_key(url) {
            return;
        }
        let Some(before) = before.filter(|before| before.standing != Standing::Removed) else { return };
        let let_go = match (before.standing, &now) {
            (_, None) => true,
            // One that moves was in another pool than its record says.
            (Standing::Active | Standing::Draining { .. } | Standing::Moving { .. }, Some(now)) => {
                now.standing == Standing::Active && before.pool_of_requests() != Some(&now.entry.pool)
            }
            (Standing::Removed, Some(_)) => false,
        };
        if let_go {
            let since_generation = before.standing.drains_since().unwrap_or(self.generation);
            let standing = match before.standing {
                Standing::Active => Standing::Draining { since_generation },
                drains => drains,
            };
            self.held
                .insert(url.clone(), Held { record: WorkerRecord { standing, ..before }, since_generation });
        }
    }

    /// No longer holds a worker whose requests have ended.
    pub(crate) fn let_go(&mut self, url: &WorkerUrl, since_generation: u64) {
        self.held
            .retain(|held, Held { since_generation: since, .. }| held != url || *since != since_generation);
    }

    /// No longer holds workers that are back where their requests are.
    pub(crate) fn release_returned(&mut self) {
        let records = &self.records;
        self.held.retain(|url, Held { record: was, .. }| {
            let now = records.get(url).filter(|now| now.standing == Standing::Active);
            now.is_none_or(|now| was.pool_of_requests() != Some(&now.entry.pool))
        });
    }
}
