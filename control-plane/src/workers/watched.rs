use slotway_config::{PoolName, WaitDuration, Worker, WorkerUrl};

use super::{
    Health, Heartbeat, Workers,
    record::{Standing, WorkerRecord},
    roster::Roster,
};
use crate::{error::Error, store::Who};

/// A worker that is to be asked whether it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchedWorker {
    /// Where it is and how it is spoken to, with its whole capacity.
    pub worker: Worker,
    /// Its pool.
    pub pool: PoolName,
    /// How it is asked.
    pub heartbeat: Heartbeat,
    /// Over how long its capacity comes back once it is up again; at once without it.
    pub slow_start: Option<WaitDuration>,
    /// What is known of it.
    pub health: Health,
}

/// What somebody who watches a worker has found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthChange {
    /// The worker's base URL.
    pub worker: WorkerUrl,
    /// What was known when it was asked.
    pub seen: Health,
    /// What it is.
    pub health: Health,
}

impl Workers {
    /// The workers that have a heartbeat and are not on their way out.
    #[must_use]
    pub fn watched(&self) -> Vec<WatchedWorker> {
        let roster = self.book.roster();
        let watched = |record: &WorkerRecord| {
            let here = matches!(record.standing, Standing::Active | Standing::Moving { .. });
            Some(WatchedWorker {
                worker: record.entry.worker.clone(),
                pool: record.entry.pool.clone(),
                heartbeat: record.heartbeat.clone().filter(|_| here)?,
                slow_start: record.slow_start,
                health: record.health.clone(),
            })
        };
        roster.records.values().filter_map(watched).collect()
    }

    /// The workers that nobody asks any more and that are down or starting from when somebody did: they can be let back in.
    #[must_use]
    pub fn forsaken(&self) -> Vec<HealthChange> {
        let roster = self.book.roster();
        let forsaken =
            roster.records.iter().filter(|(_, record)| record.heartbeat.is_none() && !record.health.is_up());
        let let_in = |(url, record): (&WorkerUrl, &WorkerRecord)| HealthChange {
            worker: url.clone(),
            seen: record.health.clone(),
            health: Health::Up,
        };
        forsaken.map(let_in).collect()
    }

    /// Writes down what has been found out, for all control planes and for Envoy. A finding about a worker of which something else is
    /// known by now, or which nobody asks any more, is left out; where nothing is left, nothing happens. One that nobody asks any more
    /// can only be let back in.
    ///
    /// # Errors
    /// [`Error::Busy`], [`Error::Store`].
    pub async fn set_health(&self, changes: Vec<HealthChange>) -> Result<(), Error> {
        self.change(Who::SYSTEM, move |next| {
            changes.iter().for_each(|change| next.set_health(change));
            Ok(())
        })
        .await
        .map(drop)
    }
}

impl Roster {
    fn set_health(&mut self, HealthChange { worker, seen, health }: &HealthChange) {
        let record = self.records.get_mut(worker).filter(|record| record.health == *seen);
        if let Some(record) = record.filter(|record| record.heartbeat.is_some() || health.is_up()) {
            record.health = health.clone();
        }
    }
}
