use slotway_config::{PoolName, WaitDuration, Worker, WorkerUrl};

use crate::{
    Health, Heartbeat,
    state::PoolsState,
    worker_record::{Membership, WorkerRecord},
};

/// A worker with a heartbeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchedWorker {
    /// The worker, with its whole capacity.
    pub worker: Worker,
    /// Its pool.
    pub pool: PoolName,
    /// Its heartbeat.
    pub heartbeat: Heartbeat,
    /// The duration of its slow start; none if the whole capacity returns at once.
    pub slow_start: Option<WaitDuration>,
    /// Its stored health.
    pub health: Health,
}

/// A result of the watchdog for a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthChange {
    /// The worker's base URL.
    pub worker: WorkerUrl,
    /// The stored health at the time of the probe.
    pub seen: Health,
    /// The new health.
    pub health: Health,
}

impl PoolsState {
    pub(crate) fn watched(&self) -> Vec<WatchedWorker> {
        let watched = |record: &WorkerRecord| {
            let stays = matches!(record.membership, Membership::Active | Membership::Moving { .. });
            Some(WatchedWorker {
                worker: record.entry.worker.clone(),
                pool: record.entry.pool.clone(),
                heartbeat: record.heartbeat.clone().filter(|_| stays)?,
                slow_start: record.slow_start,
                health: record.health.clone(),
            })
        };
        self.records.values().filter_map(watched).collect()
    }

    pub(crate) fn unwatched(&self) -> Vec<HealthChange> {
        let unwatched =
            self.records.iter().filter(|(_, record)| record.heartbeat.is_none() && !record.health.is_up());
        let up = |(url, record): (&WorkerUrl, &WorkerRecord)| HealthChange {
            worker: url.clone(),
            seen: record.health.clone(),
            health: Health::Up,
        };
        unwatched.map(up).collect()
    }

    pub(crate) fn set_health(&mut self, HealthChange { worker, seen, health }: &HealthChange) {
        let record = self.records.get_mut(worker).filter(|record| record.health == *seen);
        if let Some(record) = record.filter(|record| record.heartbeat.is_some() || health.is_up()) {
            record.health = health.clone();
        }
    }
}
