use serde::{Deserialize, Serialize};
use slotway_config::{Capacity, PoolName, Protocol, WaitDuration, WorkerTls};

use crate::{
    Cell::{Age, Labels, Name, Number, Text, Wait},
    Column, Deletion, RequiredScope, ResourceKind,
};

/// Workers.
pub static WORKER: ResourceKind = ResourceKind {
    name: "Worker",
    stored: Some("worker"),
    path: "workers",
    word: "worker",
    words: "workers",
    aliases: &[],
    title: "worker",
    titles: "workers",
    read: RequiredScope::Read,
    change: RequiredScope::Workers,
    is_applied: true,
    deletion: Deletion::Possible,
    columns: &[
        Column::new("WORKER", Name),
        Column::new("POOL", Text("spec.pool")),
        Column::new("STATE", Text("status.state")),
        Column::new("CAPACITY", Number("spec.capacity")),
        Column::new("IN FLIGHT", Number("status.in_flight")),
        Column::new("FREE", Number("status.free")),
        Column::new("WAITING", Number("status.waiting")),
    ],
    wide_columns: &[
        Column::new("PARKED", Number("status.parked")),
        Column::new("FAILURES", Number("status.failures")),
        Column::new("IN FORCE", Number("status.capacity_in_force")),
        Column::new("OLDEST WAIT", Wait("status.oldest_wait_ms")),
        Column::new("REPORTED", Age("status.report_age_ms")),
        Column::new("PROTOCOL", Text("spec.protocol")),
        Column::new("LABELS", Labels),
        Column::new("REASON", Text("status.reason")),
    ],
    ordinary: None,
    xds_type: None,
};

/// The spec of a worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkerSpec {
    /// Its pool; if not said the one that it is in, for a new worker the first one. A worker with requests under way moves once they
    /// have ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub pool: Option<PoolName>,
    /// How many requests a coordinator may have there at once.
    #[schema(value_type = u32, minimum = 1, maximum = 65_535)]
    pub capacity: Capacity,
    /// The protocol towards it: `http1` or `http2`.
    #[serde(default)]
    #[schema(value_type = String)]
    pub protocol: Protocol,
    /// How its certificate is checked; only for https.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub tls: Option<WorkerTls>,
    /// Whether it gets no further requests, and stays; if not said as it was, for a new worker `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cordoned: Option<bool>,
    /// How it is found out whether it is there; nobody asks it without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeat: Option<Heartbeat>,
    /// Over how long its capacity comes back when its heartbeat is well again: up to `1h`; at once if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub slow_start: Option<WaitDuration>,
}

/// How the control plane finds out whether a worker works: it sends it a request, and after so many failures in a row the worker gets
/// no requests until it answers again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Heartbeat {
    /// What is asked for, behind the worker's base URL.
    #[schema(example = "/health")]
    pub path: String,
    /// How often it is asked: `100ms` to `1h`; `5s` if not said.
    #[schema(value_type = String)]
    pub interval: WaitDuration,
    /// How long it may take to answer: `10ms` to `1m`, and not longer than the interval; `1s` if not said.
    #[schema(value_type = String)]
    pub timeout: WaitDuration,
    /// After how many failures in a row it is down: 1 to 100; 3 if not said.
    #[schema(minimum = 1, maximum = 100)]
    pub threshold: u32,
}

/// The status of a worker. Figures are sums over the coordinators that report to this control plane; `null` where none does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct WorkerStatus {
    /// What it is doing.
    pub state: WorkerCondition,
    /// Why it is not active, in words.
    pub reason: Option<String>,
    /// Its capacity in force; the lowest where coordinators differ.
    pub capacity_in_force: Option<u32>,
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
    /// How its heartbeat last went; `null` where it has none, was not asked yet, or another control plane asks it.
    pub heartbeat: Option<HeartbeatStatus>,
}

/// What a worker is doing: made of its state in the store and of what the coordinators report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
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
    /// An operator has cordoned it, and it gets no requests.
    Cordoned,
    /// It is cordoned, and no request is under way there.
    Drained,
    /// It does not answer its heartbeat, and gets no requests.
    Down,
    /// It answers its heartbeat again, and its capacity comes back.
    Starting,
}

/// The outcome of a worker's last heartbeat, as the control plane that watches it knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct HeartbeatStatus {
    /// Whether it answered.
    pub ok: bool,
    /// When it was asked (RFC 3339, UTC).
    pub at: String,
    /// How many times it has failed, one after the other.
    pub failures: u32,
    /// What went wrong when it last failed; `null` once it has answered.
    pub last_error: Option<String>,
    /// Whether it gets requests although it has failed often enough: so many fail at once that it is rather the control plane that is
    /// cut off.
    pub kept: bool,
}

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
    /// What it is doing: `active`, `pending`, `draining`, `probing`, `parked` or `unknown`. One that is cordoned is `draining` here, and
    /// one whose heartbeat fails is `parked`.
    pub state: WorkerCondition,
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

/// The answer of `DELETE /coordinator/workers`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RemovedWorker {
    /// The worker.
    pub worker: String,
    /// `draining` while it has requests, `removed` after that.
    pub state: String,
}
