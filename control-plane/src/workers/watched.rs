use slotway_config::{WaitDuration, WorkerUrl};

use super::{
    Health, Heartbeat, Workers,
    record::{Standing, WorkerRecord},
    roster::Roster,
};
use crate::{error::Error, store::Who};

/// A worker that is to be asked whether it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchedWorker {
    /// Its base URL.
    pub worker: WorkerUrl,
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
        let watched = |(url, record): (&WorkerUrl, &WorkerRecord)| {
            let here = matches!(record.standing, Standing::Active | Standing::Moving { .. });
            Some(WatchedWorker {
                worker: url.clone(),
                heartbeat: record.heartbeat.clone().filter(|_| here)?,
                slow_start: record.slow_start,
                health: record.health.clone(),
            })
        };
        roster.records.iter().filter_map(watched).collect()
    }

    /// Writes down what has been found out, for all control planes and for Envoy. A finding about a worker of which something else is
    /// known by now, or which nobody asks any more, is left out; where nothing is left, nothing happens.
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
        let record = self.records.get_mut(worker);
        if let Some(record) = record.filter(|record| record.heartbeat.is_some() && record.health == *seen) {
            record.health = health.clone();
        }
    }
}
