use serde::{Deserialize, Serialize};
use slotway_config::PoolMatch;

use crate::{
    Cell::{Age, Labels, Name, Number, Text, Wait},
    Column, Deletion, RequiredScope, ResourceKind,
};

/// Pools.
pub static POOL: ResourceKind = ResourceKind {
    name: "Pool",
    stored: Some("pool"),
    path: "pools",
    word: "pool",
    words: "pools",
    aliases: &[],
    title: "pool",
    titles: "pools",
    read: RequiredScope::Read,
    change: RequiredScope::Admin,
    is_applied: true,
    deletion: Deletion::Possible,
    columns: &[
        Column::new("POOL", Name),
        Column::new("MATCH", Text("spec.match.prefix")),
        Column::new("WORKERS", Number("status.workers")),
        Column::new("SLOTS", Number("status.slots")),
        Column::new("IN FLIGHT", Number("status.in_flight")),
        Column::new("FREE", Number("status.free")),
        Column::new("WAITING", Number("status.waiting")),
        Column::new("OLDEST WAIT", Wait("status.oldest_wait_ms")),
    ],
    wide_columns: &[
        Column::new("PARKED", Number("status.parked")),
        Column::new("POSITION", Number("spec.position")),
        Column::new("COORDINATORS", Number("status.coordinators")),
        Column::new("REPORTED", Age("status.report_age_ms")),
        Column::new("LABELS", Labels),
    ],
    ordinary: None,
    xds_type: None,
};

/// The spec of a pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PoolSpec {
    /// Which requests belong to it.
    #[serde(rename = "match")]
    #[schema(value_type = MatchSchema)]
    pub matches: PoolMatch,
    /// Its position among the pools whose matches are tried in order, from 0. Default: unchanged; a new pool is
    /// inserted before the first pool that would take all its requests, or at the end if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<u32>,
}

/// Which requests belong to a pool, as the API's description shows it.
#[derive(utoipa::ToSchema)]
#[schema(as = PoolMatch)]
#[expect(dead_code, reason = "it describes the JSON and is never built")]
struct MatchSchema {
    /// The beginning of the request's path, `/` for all.
    #[schema(example = "/ocr", max_length = 1_024, pattern = "^/[^?#\\s]*$")]
    prefix: String,
}

/// The status of a pool. Figures are sums over the coordinators that report to this control plane; `null` where none does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
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
    /// The earlier pool that takes all of its requests; `null` if this pool gets some.
    pub shadowed_by: Option<String>,
}
