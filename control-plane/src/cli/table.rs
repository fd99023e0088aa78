//! The columns of each kind of resource.

use super::{
    json_resource::JsonResource,
    kind::Kind,
    output::{duration, printable},
};

/// A column: its heading, and the function that returns a resource's cell.
type Column = (&'static str, fn(&JsonResource) -> String);

const NONE: &str = "-";

/// Returns the columns of a kind; with `wide`, all of them.
fn columns(kind: Kind, wide: bool) -> Vec<Column> {
    let (short, more): (&[Column], &[Column]) = match kind {
        Kind::Worker => (WORKER, WORKER_WIDE),
        Kind::Pool => (POOL, POOL_WIDE),
        Kind::Policy => (POLICY, &[]),
        Kind::Coordinator => (COORDINATOR, COORDINATOR_WIDE),
        Kind::User => (USER, USER_WIDE),
        Kind::Token => (TOKEN, TOKEN_WIDE),
    };
    short.iter().chain(more.iter().filter(|_| wide)).copied().collect()
}

/// Returns the headings of a kind.
pub(super) fn headings(kind: Kind, wide: bool) -> Vec<String> {
    columns(kind, wide).into_iter().map(|(heading, _)| heading.to_owned()).collect()
}

/// Returns the line of a resource.
pub(super) fn line(kind: Kind, wide: bool, resource: &JsonResource) -> Vec<String> {
    columns(kind, wide).into_iter().map(|(_, cell)| printable(&cell(resource))).collect()
}

const WORKER: &[Column] = &[
    ("WORKER", name),
    ("POOL", |resource| text(resource, "spec.pool")),
    ("STATE", |resource| text(resource, "status.state")),
    ("CAPACITY", |resource| number(resource, "spec.capacity")),
    ("IN FLIGHT", |resource| number(resource, "status.in_flight")),
    ("FREE", |resource| number(resource, "status.free")),
    ("WAITING", |resource| number(resource, "status.waiting")),
];

const WORKER_WIDE: &[Column] = &[
    ("PARKED", |resource| number(resource, "status.parked")),
    ("FAILURES", |resource| number(resource, "status.failures")),
    ("IN FORCE", |resource| number(resource, "status.capacity_in_force")),
    ("OLDEST WAIT", |resource| wait(resource, "status.oldest_wait_ms")),
    ("REPORTED", |resource| age(resource, "status.report_age_ms")),
    ("PROTOCOL", |resource| text(resource, "spec.protocol")),
    ("LABELS", labels),
    ("REASON", |resource| text(resource, "status.reason")),
];

const POOL: &[Column] = &[
    ("POOL", name),
    ("MATCH", |resource| text(resource, "spec.match.prefix")),
    ("WORKERS", |resource| number(resource, "status.workers")),
    ("SLOTS", |resource| number(resource, "status.slots")),
    ("IN FLIGHT", |resource| number(resource, "status.in_flight")),
    ("FREE", |resource| number(resource, "status.free")),
    ("WAITING", |resource| number(resource, "status.waiting")),
    ("OLDEST WAIT", |resource| wait(resource, "status.oldest_wait_ms")),
];

const POOL_WIDE: &[Column] = &[
    ("PARKED", |resource| number(resource, "status.parked")),
    ("POSITION", |resource| number(resource, "spec.position")),
    ("COORDINATORS", |resource| number(resource, "status.coordinators")),
    ("REPORTED", |resource| age(resource, "status.report_age_ms")),
    ("LABELS", labels),
];

const POLICY: &[Column] = &[
    ("POOL", name),
    ("FREE WORKER TIMEOUT", |resource| text(resource, "spec.free_worker_timeout")),
    ("MAX WAITING", |resource| number(resource, "spec.max_waiting")),
    ("ABANDONED HOLD", |resource| text(resource, "spec.abandoned_hold")),
    ("ANSWER TIMEOUT", |resource| text(resource, "spec.answer_timeout")),
];

const COORDINATOR: &[Column] = &[
    ("NODE", name),
    ("GROUP", |resource| text(resource, "status.cluster")),
    ("STATE", |resource| text(resource, "status.state")),
    ("GENERATION", |resource| number(resource, "status.generation")),
    ("IN FORCE", |resource| number(resource, "status.generation_in_force")),
    ("REPORTED", |resource| age(resource, "status.report_age_ms")),
];

const COORDINATOR_WIDE: &[Column] = &[
    ("ENVOY", |resource| text(resource, "status.envoy_version")),
    ("PROTOCOL", |resource| text(resource, "status.protocol")),
];

const USER: &[Column] = &[
    ("USER", name),
    ("ROLE", |resource| text(resource, "spec.role")),
    ("DISABLED", |resource| yes(resource, "spec.disabled")),
];

const USER_WIDE: &[Column] = &[
    ("SIGNS IN BY", |resource| text(resource, "status.signs_in_by")),
    ("SESSIONS", |resource| number(resource, "status.sessions")),
    ("CREATED", |resource| text(resource, "status.created_at")),
];

const TOKEN: &[Column] = &[
    ("TOKEN", name),
    ("SCOPE", |resource| text(resource, "spec.scope")),
    ("EXPIRES", |resource| text(resource, "spec.expires_at")),
    ("LAST USED", |resource| text(resource, "status.last_used_at")),
];

const TOKEN_WIDE: &[Column] = &[
    ("OWNER", |resource| text(resource, "status.owner")),
    ("CREATED", |resource| text(resource, "status.created_at")),
];

fn name(resource: &JsonResource) -> String {
    resource.name().to_owned()
}

fn text(resource: &JsonResource, path: &str) -> String {
    resource.text(path).filter(|text| !text.is_empty()).unwrap_or(NONE).to_owned()
}

fn number(resource: &JsonResource, path: &str) -> String {
    resource.number(path).map_or_else(|| NONE.to_owned(), |number| number.to_string())
}

fn yes(resource: &JsonResource, path: &str) -> String {
    if resource.is(path) { "yes" } else { "no" }.to_owned()
}

/// Returns a waiting time; 0 means that no request waits.
fn wait(resource: &JsonResource, path: &str) -> String {
    resource.number(path).filter(|ms| *ms > 0).map_or_else(|| NONE.to_owned(), duration)
}

fn age(resource: &JsonResource, path: &str) -> String {
    resource.number(path).map_or_else(|| NONE.to_owned(), |ms| format!("{} ago", duration(ms)))
}

fn labels(resource: &JsonResource) -> String {
    let labels = resource.labels();
    if labels.is_empty() { NONE.to_owned() } else { labels.join(",") }
}
