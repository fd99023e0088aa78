use serde::{Deserialize, Serialize};
use slotway_config::{WorkerReport, WorkerUrl};

use super::{
    Health,
    condition::reported,
    figures::{Figures, total},
    record::{Standing, WorkerRecord},
    roster::Roster,
};
use crate::coordinators::Latest;

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
    /// It was removed or shrunk, and requests beyond its capacity are under way; or it is cordoned.
    Draining,
    /// It could not be reached, and one request now finds out whether it can again.
    Probing,
    /// It cannot be reached, or its heartbeat fails.
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
    let figures = Figures::new(reports);
    let place = |record: &WorkerRecord| {
        let pool = roster.pools.get(&record.entry.pool);
        (pool.map_or(u32::MAX, |pool| pool.position), record.position)
    };
    let mut present: Vec<_> = roster.present().collect();
    present.sort_by_key(|(_, record)| place(record));
    present.into_iter().map(|(url, record)| row(roster, url, record, &figures)).collect()
}

fn row(roster: &Roster, url: &WorkerUrl, record: &WorkerRecord, figures: &Figures<'_>) -> WorkerRow {
    let own = figures.worker(url);
    let pool = figures.pool(&record.entry.pool);
    WorkerRow {
        worker: url.to_string(),
        pool: record.entry.pool.to_string(),
        capacity: record.entry.worker.capacity.get(),
        state: standing(roster, record, &own, figures),
        in_flight: total(&own, |report| report.in_flight),
        free: total(&own, |report| report.free),
        parked: total(&own, |report| report.parked),
        failures: own.iter().map(|report| report.failures).max(),
        waiting: total(&pool, |(line, _)| line.waiting),
        oldest_wait_ms: pool.iter().map(|(line, _)| line.oldest_wait_ms).max(),
        report_age_ms: figures.age_ms(),
        generation_wanted: roster.generation,
        generation_in_force: figures.generation_in_force(),
    }
}

/// In the words that there have always been here: one that gets no requests as somebody wants it so drains, and one whose heartbeat
/// fails is parked.
fn standing(
    roster: &Roster,
    record: &WorkerRecord,
    own: &[&WorkerReport],
    figures: &Figures<'_>,
) -> WorkerStanding {
    let is_out = record.standing != Standing::Active || !roster.pools.has(&record.entry.pool);
    if is_out || record.cordoned.is_some() {
        WorkerStanding::Draining
    } else if matches!(record.health, Health::Down { .. }) {
        WorkerStanding::Parked
    } else {
        reported(record, own, figures).0
    }
}
