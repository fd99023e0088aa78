use slotway_config::{WorkerReport, WorkerUrl};

use crate::{
    CoordinatorFigures, Health, WorkerCondition,
    condition::reported,
    figures::{Figures, total},
    state::PoolsState,
    worker_record::{Membership, WorkerRecord},
};

/// One worker with its figures: sums over the coordinators, `None` if none has reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerOverview {
    /// The base URL.
    pub worker: String,
    /// Its pool.
    pub pool: String,
    /// The maximum number of concurrent requests of a coordinator at the worker.
    pub capacity: u32,
    /// Its state: `active`, `pending`, `draining`, `probing`, `parked` or `unknown`. A cordoned worker is `draining`
    /// here, and a worker with a failed heartbeat is `parked`.
    pub state: WorkerCondition,
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
    /// The newest generation of the configuration.
    pub generation_wanted: u64,
    /// The oldest generation in force at a coordinator that reports.
    pub generation_in_force: Option<u64>,
}

/// Returns one row for each worker, in the order of pools and workers.
pub(crate) fn rows(state: &PoolsState, latest: &[CoordinatorFigures]) -> Vec<WorkerOverview> {
    let figures = Figures::new(latest);
    let position = |record: &WorkerRecord| {
        let pool = state.pools.get(&record.entry.pool);
        (pool.map_or(u32::MAX, |pool| pool.position), record.position)
    };
    let mut present: Vec<_> = state.present().collect();
    present.sort_by_key(|(_, record)| position(record));
    present.into_iter().map(|(url, record)| row(state, url, record, &figures)).collect()
}

fn row(state: &PoolsState, url: &WorkerUrl, record: &WorkerRecord, figures: &Figures<'_>) -> WorkerOverview {
    let own = figures.worker(url);
    let pool = figures.pool(&record.entry.pool);
    WorkerOverview {
        worker: url.to_string(),
        pool: record.entry.pool.to_string(),
        capacity: record.entry.worker.capacity.get(),
        state: condition(state, record, &own, figures),
        in_flight: total(&own, |report| report.in_flight),
        free: total(&own, |report| report.free),
        parked: total(&own, |report| report.parked),
        failures: own.iter().map(|report| report.failures).max(),
        waiting: total(&pool, |(line, _)| line.waiting),
        oldest_wait_ms: pool.iter().map(|(line, _)| line.oldest_wait_ms).max(),
        report_age_ms: figures.age_ms(),
        generation_wanted: state.generation,
        generation_in_force: figures.generation_in_force(),
    }
}

/// Returns the condition as one of the six states that this list has always had: a cordoned worker is draining, and a
/// worker with a failed heartbeat is parked.
fn condition(
    state: &PoolsState,
    record: &WorkerRecord,
    own: &[&WorkerReport],
    figures: &Figures<'_>,
) -> WorkerCondition {
    let is_out = record.membership != Membership::Active || !state.pools.has(&record.entry.pool);
    if is_out || record.cordoned.is_some() {
        WorkerCondition::Draining
    } else if matches!(record.health, Health::Down { .. }) {
        WorkerCondition::Parked
    } else {
        reported(record, own, figures).0
    }
}
