use serde::{Deserialize, Serialize};
use slotway_config::{Capacity, Connections, PoolName, Protocol, WaitDuration, WorkerTls};

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
    /// Its pool. Default: its current pool; for a new worker, the first pool. A worker with running requests moves once
    /// they have ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub pool: Option<PoolName>,
    /// The maximum number of concurrent requests of a coordinator at the worker.
    #[schema(value_type = u32, minimum = 1, maximum = 65_535)]
    pub capacity: Capacity,
    /// The protocol towards it: `http1` or `http2`.
    #[serde(default)]
    #[schema(value_type = String)]
    pub protocol: Protocol,
    /// Whether a connection to it serves one request or many: `per_request` or `reuse`. Default: `per_request` for `http1`,
    /// `reuse` for `http2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub connections: Option<Connections>,
    /// How its certificate is checked; only for https.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub tls: Option<WorkerTls>,
    /// Whether it gets no further requests, but stays in its pool. Default: unchanged; for a new worker, `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cordoned: Option<bool>,
    /// The heartbeat, by which the control plane checks that the worker answers. Without it the worker is not checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeat: Option<Heartbeat>,
    /// The duration over which its capacity returns after a failed heartbeat: up to `1h`. Default: the whole capacity
    /// returns at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub slow_start: Option<WaitDuration>,
}

/// The health check of a worker: the control plane sends it requests. After a number of failures in a row the worker
/// gets no requests until it answers again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Heartbeat {
    /// The path of the request, appended to the worker's base URL.
    #[schema(example = "/health")]
    pub path: String,
    /// The interval between requests: `100ms` to `1h`. Default: `5s`.
    #[schema(value_type = String)]
    pub interval: WaitDuration,
    /// The time limit for an answer: `10ms` to `1m`, at most the interval. Default: `1s`.
    #[schema(value_type = String)]
    pub timeout: WaitDuration,
    /// The number of failures in a row after which the worker is down: 1 to 100. Default: 3.
    #[schema(minimum = 1, maximum = 100)]
    pub threshold: u32,
}

/// The status of a worker. Figures are sums over the coordinators that report to this control plane; `null` where none does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
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
    /// The result of its last heartbeat; `null` if it has none, was not probed yet, or another control plane probes it.
    pub heartbeat: Option<HeartbeatStatus>,
}

/// The condition of a worker for clients of the API. It is derived from the worker's state in the store and
/// from the states that the coordinators report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
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

/// The outcome of a worker's last heartbeat, as known to the control plane that probes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct HeartbeatStatus {
    /// Whether it answered.
    pub ok: bool,
    /// The time of the request (RFC 3339, UTC).
    pub at: String,
    /// The number of failures in a row.
    pub failures: u32,
    /// The last failure; `null` once it has answered.
    pub last_error: Option<String>,
    /// Whether it gets requests although its failures have reached the threshold, because so many workers fail at once
    /// that the control plane's own network has probably failed.
    pub kept: bool,
}

/// One worker in `GET /coordinator/workers`. Figures are sums over the coordinators; `null` if none has reported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct WorkerRow {
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

/// The answer of `DELETE /coordinator/workers`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RemovedWorker {
    /// The worker.
    pub worker: String,
    /// `draining` while it has requests, `removed` after that.
    pub state: String,
}
