use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use slotway_config::{WorkerState, WorkerUrl};

use super::{
    Cordon, Health,
    figures::Figures,
    overview::WorkerStanding,
    record::{Standing, WorkerRecord},
    roster::Roster,
};

/// What a worker is doing, as far as is known, and what is wanted of it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum WorkerCondition {
    /// It takes requests.
    Active,
    /// It was changed, and not every coordinator has the change yet.
    Pending,
    /// It was removed, moved or shrunk, and requests that should not be there are under way.
    Draining,
    /// It could not be reached, and one request now finds out whether it can again.
    Probing,
    /// Envoy cannot reach it.
    Parked,
    /// No coordinator has reported for 10 seconds.
    Unknown,
    /// It gets no requests since somebody wants it so.
    Cordoned,
    /// It is cordoned, and no request is under way there.
    Drained,
    /// It does not answer its heartbeat, and gets no requests.
    Down,
    /// It answers its heartbeat again, and its capacity comes back.
    Starting,
}

impl WorkerCondition {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Active,
        Self::Pending,
        Self::Draining,
        Self::Probing,
        Self::Parked,
        Self::Unknown,
        Self::Cordoned,
        Self::Drained,
        Self::Down,
        Self::Starting,
    ];

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
            Self::Cordoned => "cordoned",
            Self::Drained => "drained",
            Self::Down => "down",
            Self::Starting => "starting",
        }
    }
}

impl From<WorkerStanding> for WorkerCondition {
    fn from(standing: WorkerStanding) -> Self {
        match standing {
            WorkerStanding::Active => Self::Active,
            WorkerStanding::Pending => Self::Pending,
            WorkerStanding::Draining => Self::Draining,
            WorkerStanding::Probing => Self::Probing,
            WorkerStanding::Parked => Self::Parked,
            WorkerStanding::Unknown => Self::Unknown,
        }
    }
}

/// What a worker is doing, and why it is not active.
pub(super) fn condition(
    roster: &Roster,
    url: &WorkerUrl,
    record: &WorkerRecord,
    figures: &Figures<'_>,
    has_drained: &dyn Fn(&WorkerUrl, u64) -> bool,
) -> (WorkerCondition, Option<String>) {
    let pool = &record.entry.pool;
    let reported = || reported(record, &figures.worker(url), figures);
    if roster.held.contains_key(url) && record.standing == Standing::Active {
        let why = format!("it comes into pool {pool} once its requests of before have ended");
        return (WorkerCondition::Draining, Some(why));
    }
    match (record.standing, &record.cordoned, &record.health) {
        (Standing::Moving { .. }, ..) => {
            let from = record
                .leaves
                .as_ref()
                .map_or_else(|| "its old pool".to_owned(), |from| format!("pool {from}"));
            let why = format!("it moves to pool {pool} once its requests in {from} have ended");
            (WorkerCondition::Draining, Some(why))
        }
        (Standing::Draining { .. } | Standing::Removed, ..) => {
            let why = "it was removed, and goes once its requests have ended".to_owned();
            (WorkerCondition::Draining, Some(why))
        }
        (Standing::Active, ..) if !roster.pools.has(pool) => {
            let why = format!("its pool {pool} is no longer there; put it into another one, or delete it");
            (WorkerCondition::Draining, Some(why))
        }
        (Standing::Active, Some(cordon), _) => {
            let drained = has_drained(url, cordon.since_generation);
            let state = if drained { WorkerCondition::Drained } else { WorkerCondition::Cordoned };
            (state, Some(why_cordoned(cordon)))
        }
        (Standing::Active, None, Health::Down { since_ms, reason }) => {
            let why = format!("its heartbeat fails since {}: {reason}", time(*since_ms));
            (WorkerCondition::Down, Some(why))
        }
        (Standing::Active, None, Health::Starting { since_ms, .. }) => match reported() {
            (WorkerStanding::Active | WorkerStanding::Pending, _) => {
                let why =
                    format!("it is back since {}, and its capacity comes back step by step", time(*since_ms));
                (WorkerCondition::Starting, Some(why))
            }
            (standing, why) => (standing.into(), why.map(str::to_owned)),
        },
        (Standing::Active, None, Health::Up) => {
            let (standing, why) = reported();
            (standing.into(), why.map(str::to_owned))
        }
    }
}

/// What a worker that is to take requests is doing, by what the coordinators say.
pub(super) fn reported(
    record: &WorkerRecord,
    of_worker: &[&slotway_config::WorkerReport],
    figures: &Figures<'_>,
) -> (WorkerStanding, Option<&'static str>) {
    let capacity = record.in_force().map_or(0, |worker| worker.capacity.get());
    let standing = if !figures.is_fresh() {
        WorkerStanding::Unknown
    } else if of_worker.len() < figures.coordinators() {
        WorkerStanding::Pending
    } else {
        let seen = of_worker.iter().map(|figure| match figure.state {
            WorkerState::Active if figure.capacity == capacity => WorkerStanding::Active,
            WorkerState::Active | WorkerState::Gone => WorkerStanding::Pending,
            WorkerState::Draining => WorkerStanding::Draining,
            WorkerState::Probing => WorkerStanding::Probing,
            WorkerState::Parked => WorkerStanding::Parked,
        });
        seen.max().unwrap_or(WorkerStanding::Unknown)
    };
    let why = match standing {
        WorkerStanding::Active => None,
        WorkerStanding::Pending => Some("not every Envoy has its newest settings in force yet"),
        WorkerStanding::Draining => {
            Some("more requests are under way than its capacity allows; they end as they would")
        }
        WorkerStanding::Probing => {
            Some("Envoy could not reach it, and one request now finds out whether it can again")
        }
        WorkerStanding::Parked => Some("Envoy cannot reach it, and tries again from time to time"),
        WorkerStanding::Unknown => Some("no Envoy has reported for 10 seconds"),
    };
    (standing, why)
}

fn why_cordoned(Cordon { reason, who, at_ms, .. }: &Cordon) -> String {
    let said = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    format!("cordoned by {who} at {}{said}", time(*at_ms))
}

/// A time as people read it, in UTC.
fn time(unix_ms: u64) -> String {
    let time = i64::try_from(unix_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    time.map_or_else(|| "an unknown time".to_owned(), |time| format!("{time:.0}"))
}
