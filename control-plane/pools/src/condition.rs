use jiff::Timestamp;
use slotway_config::{WorkerReport, WorkerState, WorkerUrl};

use crate::{
    Cordon, Health,
    figures::Figures,
    state::PoolsState,
    worker_record::{Membership, WorkerRecord},
};

/// The condition of a worker for clients of the API. It is derived from the worker's [`Membership`] and [`Health`] in
/// the store and from the [`WorkerState`]s that the coordinators report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WorkerCondition {
    /// It takes requests.
    Active,
    /// It was changed, and at least one coordinator does not have the change yet.
    Pending,
    /// It was removed, moved or shrunk, and still has requests that it should no longer have.
    Draining,
    /// It was unreachable, and one request now tests it.
    Probing,
    /// Envoy cannot connect to it.
    Parked,
    /// No coordinator has reported for 10 seconds.
    Unknown,
    /// An operator has cordoned it, and it gets no requests.
    Cordoned,
    /// It is cordoned, and has no requests under way.
    Drained,
    /// It does not answer its heartbeat, and gets no requests.
    Down,
    /// It answers its heartbeat again, and its capacity returns in steps.
    Starting,
}

impl WorkerCondition {
    /// All conditions.
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

    /// Returns the condition's word in metrics and over REST.
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

/// Returns a worker's condition, and why it is not active.
pub(crate) fn condition(
    state: &PoolsState,
    url: &WorkerUrl,
    record: &WorkerRecord,
    figures: &Figures<'_>,
    has_drained: &dyn Fn(&WorkerUrl, u64) -> bool,
) -> (WorkerCondition, Option<String>) {
    let pool = &record.entry.pool;
    let reported = || reported(record, &figures.worker(url), figures);
    if state.retained.contains_key(url) && record.membership == Membership::Active {
        let why = format!("it comes into pool {pool} once its earlier requests have ended");
        return (WorkerCondition::Draining, Some(why));
    }
    match (record.membership, &record.cordoned, &record.health) {
        (Membership::Moving { .. }, ..) => {
            let from = record
                .leaves
                .as_ref()
                .map_or_else(|| "its old pool".to_owned(), |from| format!("pool {from}"));
            let why = format!("it moves to pool {pool} once its requests in {from} have ended");
            (WorkerCondition::Draining, Some(why))
        }
        (Membership::Draining { .. } | Membership::Removed, ..) => {
            let why = "it was removed, and goes once its requests have ended".to_owned();
            (WorkerCondition::Draining, Some(why))
        }
        (Membership::Active, ..) if !state.pools.has(pool) => {
            let why = format!("its pool {pool} no longer exists; put it into another one, or delete it");
            (WorkerCondition::Draining, Some(why))
        }
        (Membership::Active, Some(cordon), _) => {
            let drained = has_drained(url, cordon.since_generation);
            let condition = if drained { WorkerCondition::Drained } else { WorkerCondition::Cordoned };
            (condition, Some(why_cordoned(cordon)))
        }
        (Membership::Active, None, Health::Down { since_ms, reason }) => {
            let why = format!("its heartbeat fails since {}: {reason}", time(*since_ms));
            (WorkerCondition::Down, Some(why))
        }
        (Membership::Active, None, Health::Starting { since_ms, .. }) => match reported() {
            (WorkerCondition::Active | WorkerCondition::Pending, _) => {
                let why =
                    format!("it is back since {}, and its capacity comes back step by step", time(*since_ms));
                (WorkerCondition::Starting, Some(why))
            }
            (condition, why) => (condition, why.map(str::to_owned)),
        },
        (Membership::Active, None, Health::Up) => {
            let (condition, why) = reported();
            (condition, why.map(str::to_owned))
        }
    }
}

/// Returns the condition that coordinators report of a worker that is to get requests, and why it is not active.
pub(crate) fn reported(
    record: &WorkerRecord,
    of_worker: &[&WorkerReport],
    figures: &Figures<'_>,
) -> (WorkerCondition, Option<&'static str>) {
    let capacity = record.in_force().map_or(0, |worker| worker.capacity.get());
    let condition = if !figures.is_fresh() {
        WorkerCondition::Unknown
    } else if of_worker.len() < figures.coordinators() {
        WorkerCondition::Pending
    } else {
        let reported = of_worker.iter().map(|report| match report.state {
            WorkerState::Active if report.capacity == capacity => WorkerCondition::Active,
            WorkerState::Active | WorkerState::Gone => WorkerCondition::Pending,
            WorkerState::Draining => WorkerCondition::Draining,
            WorkerState::Probing => WorkerCondition::Probing,
            WorkerState::Parked => WorkerCondition::Parked,
        });
        reported.max().unwrap_or(WorkerCondition::Unknown)
    };
    let why = match condition {
        WorkerCondition::Pending => Some("not every Envoy has its newest settings in force yet"),
        WorkerCondition::Draining => {
            Some("more requests are under way than its capacity allows; they end as they would")
        }
        WorkerCondition::Probing => {
            Some("Envoy could not reach it, and one request now finds out whether it can again")
        }
        WorkerCondition::Parked => Some("Envoy cannot reach it, and tries again from time to time"),
        WorkerCondition::Unknown => Some("no Envoy has reported for 10 seconds"),
        _ => None,
    };
    (condition, why)
}

fn why_cordoned(Cordon { reason, who, at_ms, .. }: &Cordon) -> String {
    let reason = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    format!("cordoned by {who} at {}{reason}", time(*at_ms))
}

/// Returns a Unix time in milliseconds as text, in UTC.
fn time(unix_ms: u64) -> String {
    let time = i64::try_from(unix_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    time.map_or_else(|| "an unknown time".to_owned(), |time| format!("{time:.0}"))
}
