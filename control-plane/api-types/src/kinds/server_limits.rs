use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    Cell::{Name, Number, Pairs},
    Column, Deletion, RequiredScope, ResourceKind, schema_of,
};

/// The limits on the number of servers. There is one, `slotway`.
pub static SERVER_LIMITS: ResourceKind = ResourceKind {
    name: "ServerLimits",
    stored: Some("server_limits"),
    path: "server-limits",
    word: "serverlimits",
    words: "serverlimits",
    aliases: &["limits", "sl"],
    title: "server limits",
    titles: "server limits",
    read: RequiredScope::Read,
    change: RequiredScope::Admin,
    is_applied: true,
    deletion: Deletion::Impossible { reason: "there are always limits; apply other ones" },
    columns: &[
        Column::new("LIMITS", Name),
        Column::new("SERVERS MAX", Number("spec.servers_max")),
        Column::new("BY USAGE", Pairs("spec.by_usage")),
        Column::new("SERVERS", Number("status.servers")),
    ],
    wide_columns: &[Column::new("SERVERS BY USAGE", Pairs("status.by_usage"))],
    ordinary: Some(schema_of::<ServerLimitsSpec, ServerLimitsStatus>),
    xds_type: Some("type.googleapis.com/slotway.agents.v1.ServerLimits"),
};

/// How many servers may run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerLimitsSpec {
    /// The limit on all servers together.
    #[schema(maximum = 4_096)]
    pub servers_max: u32,
    /// The limit per usage, that is, per pool. A usage that is not listed is bounded by `servers_max` alone.
    #[serde(default)]
    pub by_usage: BTreeMap<String, u32>,
}

/// How many servers count against the limits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ServerLimitsStatus {
    /// The number of all servers that count.
    pub servers: u32,
    /// The number per usage.
    pub by_usage: BTreeMap<String, u32>,
}
