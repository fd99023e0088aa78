//! The `status` of workers and pools.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use slotway_config::{PoolName, WorkerUrl};

use crate::{
    CoordinatorFigures, HeartbeatStatus, Pools, WorkerCondition,
    condition::condition,
    figures::{Figures, total},
    state::PoolsState,
    worker_record::WorkerRecord,
};

/// Why a worker gets requests although its heartbeat fails.
const WHY_KEPT: &str = "its heartbeat fails, but so many heartbeats fail at once that the control plane's own network has probably failed: it gets requests";

/// The status of a worker. Figures are sums over the coordinators that report to this control plane; `None` where none does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerStatus {
    /// Its state.
    pub state: WorkerCondition,
    /// The reason why it is not active, as text.
    pub reason: Option<String>,
    /// Its capacity in force; the lowest one if coordinators differ.
    pub capacity_in_force: Option<u32>,
    /// Its requests under way.
    pub in_flight: Option<u32>,
    /// Its free slots.
    pub free: Option<u32>,
    /// Its slots that are not granted because it cannot be reached.
    pub parked: Option<u32>,
    /// The number of failed connection attempts in a row.
    pub failures: Option<u32>,
    /// Requests of its pool that wait for a slot.
    pub waiting: Option<u32>,
    /// The waiting time of the oldest request of its pool, in milliseconds.
    pub oldest_wait_ms: Option<u64>,
    /// The age of the oldest of these figures, in milliseconds.
    pub report_age_ms: Option<u64>,
    /// The result of its last heartbeat; `None` if it has none, was not probed yet, or another control plane probes it.
    pub heartbeat: Option<HeartbeatStatus>,
}

/// The status of a pool. Figures are sums over the coordinators that report to this control plane; `None` where none does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolStatus {
    /// Slots that can be granted.
    pub free: Option<u32>,
    /// Slots of requests that are at their worker or on the way there.
    pub in_flight: Option<u32>,
    /// Slots of workers that cannot be reached at the moment.
    pub parked: Option<u32>,
    /// Requests that wait for a slot.
    pub waiting: Option<u32>,
    /// The waiting time of the oldest of them, in milliseconds.
    pub oldest_wait_ms: Option<u64>,
    /// The sum of the capacities of its workers that get requests, for each coordinator.
    pub slots: u64,
    /// The number of its workers, including workers that are cordoned, down or draining.
    pub workers: u64,
    /// The number of coordinators that report it.
    pub coordinators: u64,
    /// The age of the oldest of these figures, in milliseconds.
    pub report_age_ms: Option<u64>,
    /// The earlier pool that takes all of its requests; `None` if this pool gets some.
    pub shadowed_by: Option<String>,
}

/// A state together with the observations at one moment.
pub struct StatusView<'a> {
    pools: &'a Pools,
    /// The state.
    pub state: Arc<PoolsState>,
    latest: Vec<CoordinatorFigures>,
    now: Instant,
}

impl Pools {
    /// Returns the current state with the current observations.
    #[must_use]
    pub fn view(&self, now: Instant) -> StatusView<'_> {
        self.view_of(self.current(), now)
    }

    /// Returns another state, such as that of a dry run, with the current observations.
    #[must_use]
    pub fn view_of(&self, state: Arc<PoolsState>, now: Instant) -> StatusView<'_> {
        StatusView { pools: self, state, latest: self.observations.latest(now), now }
    }
}

impl StatusView<'_> {
    /// Returns the status of a worker.
    #[must_use]
    pub fn worker(&self, url: &WorkerUrl, record: &WorkerRecord) -> WorkerStatus {
        self.worker_by(&Figures::new(&self.latest), url, record)
    }

    /// Returns all existing workers ordered by name, with their status.
    #[must_use]
    pub fn workers(&self) -> Vec<(&WorkerUrl, &WorkerRecord, WorkerStatus)> {
        let figures = Figures::new(&self.latest);
        let mut present: BTreeMap<_, _> = self.state.present().collect();
        // For a retained worker that was created again, the new record is shown.
        for (url, record) in &mut present {
            *record = self.state.worker(url).unwrap_or(record);
        }
        present
            .into_iter()
            .map(|(url, record)| (url, record, self.worker_by(&figures, url, record)))
            .collect()
    }

    fn worker_by(&self, figures: &Figures<'_>, url: &WorkerUrl, record: &WorkerRecord) -> WorkerStatus {
        let has_drained = |url: &WorkerUrl, since| self.pools.has_drained(url, since, self.now);
        let (state, reason) = condition(&self.state, url, record, figures, &has_drained);
        let own = figures.worker(url);
        let pool = figures.pool(&record.entry.pool);
        let heartbeat = self.pools.observations.heartbeat(url);
        let is_kept = heartbeat.as_ref().is_some_and(|heartbeat| heartbeat.kept);
        let reason = reason.or_else(|| is_kept.then(|| WHY_KEPT.to_owned()));
        WorkerStatus {
            state,
            reason,
            capacity_in_force: own.iter().map(|report| report.capacity).min(),
            in_flight: total(&own, |report| report.in_flight),
            free: total(&own, |report| report.free),
            parked: total(&own, |report| report.parked),
            failures: own.iter().map(|report| report.failures).max(),
            waiting: total(&pool, |(line, _)| line.waiting),
            oldest_wait_ms: pool.iter().map(|(line, _)| line.oldest_wait_ms).max(),
            report_age_ms: figures.age_ms(),
            heartbeat,
        }
    }

    /// Returns all pools, in match order, with their status.
    pub fn pools(&self) -> impl Iterator<Item = (PoolName, PoolStatus)> {
        self.state.pools.names().into_iter().map(|name| {
            let status = self.pool(&name);
            (name, status)
        })
    }

    /// Returns the status of a pool.
    #[must_use]
    pub fn pool(&self, name: &PoolName) -> PoolStatus {
        let figures = Figures::new(&self.latest);
        let own = figures.pool(name);
        let members = || self.state.present().filter(|(_, record)| record.entry.pool == *name);
        let slots = members().filter(|(url, _)| !self.state.retained.contains_key(*url));
        let slots = slots.filter_map(|(_, record)| Some(u64::from(record.in_force()?.capacity.get())));
        PoolStatus {
            free: total(&own, |(line, _)| line.free),
            in_flight: total(&own, |(line, _)| line.in_flight),
            parked: total(&own, |(line, _)| line.parked),
            waiting: total(&own, |(line, _)| line.waiting),
            oldest_wait_ms: own.iter().map(|(line, _)| line.oldest_wait_ms).max(),
            slots: slots.sum(),
            workers: u64::try_from(members().count()).unwrap_or(u64::MAX),
            coordinators: u64::try_from(own.len()).unwrap_or(u64::MAX),
            report_age_ms: own.iter().map(|(_, age_ms)| *age_ms).max(),
            shadowed_by: self.state.pools.shadow_of(name).map(ToString::to_string),
        }
    }
}
