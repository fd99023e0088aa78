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
pub(super) fn line(kind: Kind, wide: bool, seen: &JsonResource) -> Vec<String> {
    columns(kind, wide).into_iter().map(|(_, cell)| printable(&cell(seen))).collect()
}

const WORKER: &[Column] = &[
    ("WORKER", name),
    ("POOL", |seen| text(seen, "spec.pool")),
    ("STATE", |seen| text(seen, "status.state")),
    ("CAPACITY", |seen| number(seen, "spec.capacity")),
    ("IN FLIGHT", |seen| number(seen, "status.in_flight")),
    ("FREE", |seen| number(seen, "status.free")),
    ("WAITING", |seen| number(seen, "status.waiting")),
];

const WORKER_WIDE: &[Column] = &[
    ("PARKED", |seen| number(seen, "status.parked")),
    ("FAILURES", |seen| number(seen, "status.failures")),
    ("IN FORCE", |seen| number(seen, "status.capacity_in_force")),
    ("OLDEST WAIT", |seen| wait(seen, "status.oldest_wait_ms")),
    ("REPORTED", |seen| age(seen, "status.report_age_ms")),
    ("PROTOCOL", |seen| text(seen, "spec.protocol")),
    ("LABELS", labels),
    ("REASON", |seen| text(seen, "status.reason")),
];

const POOL: &[Column] = &[
    ("POOL", name),
    ("MATCH", |seen| text(seen, "spec.match.prefix")),
    ("WORKERS", |seen| number(seen, "status.workers")),
    ("SLOTS", |seen| number(seen, "status.slots")),
    ("IN FLIGHT", |seen| number(seen, "status.in_flight")),
    ("FREE", |seen| number(seen, "status.free")),
    ("WAITING", |seen| number(seen, "status.waiting")),
    ("OLDEST WAIT", |seen| wait(seen, "status.oldest_wait_ms")),
];

const POOL_WIDE: &[Column] = &[
    ("PARKED", |seen| number(seen, "status.parked")),
    ("POSITION", |seen| number(seen, "spec.position")),
    ("COORDINATORS", |seen| number(seen, "status.coordinators")),
    ("REPORTED", |seen| age(seen, "status.report_age_ms")),
    ("LABELS", labels),
];

const POLICY: &[Column] = &[
    ("POOL", name),
    ("FREE WORKER TIMEOUT", |seen| text(seen, "spec.free_worker_timeout")),
    ("MAX WAITING", |seen| number(seen, "spec.max_waiting")),
    ("ABANDONED HOLD", |seen| text(seen, "spec.abandoned_hold")),
    ("ANSWER TIMEOUT", |seen| text(seen, "spec.answer_timeout")),
];

const COORDINATOR: &[Column] = &[
    ("NODE", name),
    ("GROUP", |seen| text(seen, "status.cluster")),
    ("STATE", |seen| text(seen, "status.state")),
    ("GENERATION", |seen| number(seen, "status.generation")),
    ("IN FORCE", |seen| number(seen, "status.generation_in_force")),
    ("REPORTED", |seen| age(seen, "status.report_age_ms")),
];

const COORDINATOR_WIDE: &[Column] = &[
    ("ENVOY", |seen| text(seen, "status.envoy_version")),
    ("PROTOCOL", |seen| text(seen, "status.protocol")),
];

const USER: &[Column] = &[
    ("USER", name),
    ("ROLE", |seen| text(seen, "spec.role")),
    ("DISABLED", |seen| yes(seen, "spec.disabled")),
];

const USER_WIDE: &[Column] = &[
    ("SIGNS IN BY", |seen| text(seen, "status.signs_in_by")),
    ("SESSIONS", |seen| number(seen, "status.sessions")),
    ("CREATED", |seen| text(seen, "status.created_at")),
];

const TOKEN: &[Column] = &[
    ("TOKEN", name),
    ("SCOPE", |seen| text(seen, "spec.scope")),
    ("EXPIRES", |seen| text(seen, "spec.expires_at")),
    ("LAST USED", |seen| text(seen, "status.last_used_at")),
];

const TOKEN_WIDE: &[Column] =
    &[("OWNER", |seen| text(seen, "status.owner")), ("CREATED", |seen| text(seen, "status.created_at"))];

fn name(seen: &JsonResource) -> String {
    seen.name().to_owned()
}

fn text(seen: &JsonResource, path: &str) -> String {
    seen.text(path).filter(|text| !text.is_empty()).unwrap_or(NONE).to_owned()
}

fn number(seen: &JsonResource, path: &str) -> String {
    seen.number(path).map_or_else(|| NONE.to_owned(), |number| number.to_string())
}

fn yes(seen: &JsonResource, path: &str) -> String {
    if seen.is(path) { "yes" } else { "no" }.to_owned()
}

/// Returns a waiting time; 0 means that no request waits.
fn wait(seen: &JsonResource, path: &str) -> String {
    seen.number(path).filter(|ms| *ms > 0).map_or_else(|| NONE.to_owned(), duration)
}

fn age(seen: &JsonResource, path: &str) -> String {
    seen.number(path).map_or_else(|| NONE.to_owned(), |ms| format!("{} ago", duration(ms)))
}

fn labels(seen: &JsonResource) -> String {
    let labels = seen.labels();
    if labels.is_empty() { NONE.to_owned() } else { labels.join(",") }
}
