use serde::{Deserialize, Serialize};
use slotway_config::{WorkerState, WorkerUrl};

use super::{
    record::{Standing, WorkerRecord},
    roster::Roster,
};
use crate::reports::Latest;

/// One worker in `GET /coordinator/workers`. Figures are sums over the coordinators; `null` where none has
/// reported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct WorkerRow {
    /// The base URL.
    pub worker: String,
    /// Its pool.
    pub pool: String,
    /// How many requests a coordinator may have there at once.
    pub capacity: u32,
    /// What it is doing.
    pub state: WorkerStanding,
    /// Its requests under way.
    pub in_flight: Option<u32>,
    /// Its free slots.
    pub free: Option<u32>,
    /// Its slots that are not given out because it cannot be reached.
    pub parked: Option<u32>,
    /// Failures to reach it, one after the other.
    pub failures: Option<u32>,
    /// Requests of its pool that wait for a slot.
    pub waiting: Option<u32>,
    /// How long the first request of its pool has waited, in milliseconds.
    pub oldest_wait_ms: Option<u64>,
    /// How old the oldest of these figures is, in milliseconds.
    pub report_age_ms: Option<u64>,
    /// The newest generation of the configuration.
    pub generation_wanted: u64,
    /// The oldest generation in force at a coordinator that reports.
    pub generation_in_force: Option<u64>,
}

/// What a worker is doing, as far as is known.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum WorkerStanding {
    /// It takes requests.
    Active,
    /// It was changed, and not every coordinator has the change yet.
    Pending,
    /// It was removed or shrunk, and requests beyond its capacity are under way.
    Draining,
    /// It could not be reached, and one request now finds out whether it can again.
    Probing,
    /// It cannot be reached.
    Parked,
    /// No coordinator has reported for 10 seconds.
    Unknown,
}

impl WorkerStanding {
    /// As it stands in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Pending => "pending",
            Self::Draining => "draining",
            Self::Probing => "probing",
            Self::Parked => "parked",
            Self::Unknown => "unknown",
        }
    }
}

/// One row for each worker, in the order of pools and workers.
pub(super) fn rows(roster: &Roster, reports: &[Latest]) -> Vec<WorkerRow> {
    // Figures that are out of date are shown, with their age, only as long as there are no better ones.
    let fresh: Vec<_> = reports.iter().filter(|report| report.is_fresh()).collect();
    let shown = if fresh.is_empty() { reports.iter().collect() } else { fresh.clone() };
    let place = |record: &WorkerRecord| {
        let pool = roster.pools.get(&record.entry.pool);
        (pool.map_or(u32::MAX, |pool| pool.position), record.position)
    };
    let mut present: Vec<_> = roster.present().collect();
    present.sort_by_key(|(_, record)| place(record));
    present.into_iter().map(|(url, record)| row(roster, url, record, &shown, !fresh.is_empty())).collect()
}

fn row(roster: &Roster, url: &WorkerUrl, record: &WorkerRecord, shown: &[&Latest], fresh: bool) -> WorkerRow {
    let pool = &record.entry.pool;
    let capacity = record.entry.worker.capacity.get();
    let draining = record.standing != Standing::Active || !roster.pools.has(pool);
    let figures: Vec<_> = shown.iter().filter_map(|report| report.workers.get(url)).collect();
    let lines: Vec<_> =
        shown.iter().flat_map(|report| report.pools.iter().filter(|line| line.pool == *pool)).collect();
    let state = if draining {
        WorkerStanding::Draining
    } else if !fresh {
        WorkerStanding::Unknown
    } else if figures.len() < shown.len() {
        WorkerStanding::Pending
    } else {
        let seen = figures.iter().map(|figure| match figure.state {
            WorkerState::Active if figure.capacity == capacity => WorkerStanding::Active,
            WorkerState::Active | WorkerState::Gone => WorkerStanding::Pending,
            WorkerState::Draining => WorkerStanding::Draining,
            WorkerState::Probing => WorkerStanding::Probing,
            WorkerState::Parked => WorkerStanding::Parked,
        });
        seen.max().unwrap_or(WorkerStanding::Unknown)
    };
    let total = |figure: fn(&slotway_config::WorkerReport) -> u32| {
        let sum = figures.iter().fold(0_u32, |sum, report| sum.saturating_add(figure(report)));
        (!figures.is_empty()).then_some(sum)
    };
    WorkerRow {
        worker: url.to_string(),
        pool: pool.to_string(),
        capacity,
        state,
        in_flight: total(|report| report.in_flight),
        free: total(|report| report.free),
        parked: total(|report| report.parked),
        failures: figures.iter().map(|report| report.failures).max(),
        waiting: lines.iter().map(|line| line.waiting).reduce(u32::saturating_add),
        oldest_wait_ms: lines.iter().map(|line| line.oldest_wait_ms).max(),
        report_age_ms: shown
            .iter()
            .map(|report| u64::try_from(report.age.as_millis()).unwrap_or(u64::MAX))
            .max(),
        generation_wanted: roster.generation,
        generation_in_force: shown.iter().map(|report| report.generation).min(),
    }
}
