use serde::{Deserialize, Serialize};

use crate::{
    Cell::{Flag, Name, Text},
    Column, Deletion, RequiredScope, ResourceKind, schema_of,
};

/// Servers.
pub static SERVER: ResourceKind = ResourceKind {
    name: "Server",
    stored: Some("server"),
    path: "servers",
    word: "server",
    words: "servers",
    aliases: &["srv"],
    title: "server",
    titles: "servers",
    read: RequiredScope::Read,
    change: RequiredScope::Admin,
    is_applied: true,
    deletion: Deletion::Possible,
    columns: &[
        Column::new("SERVER", Name),
        Column::new("USAGE", Text("spec.usage")),
        Column::new("COUNTS", Flag("status.is_counted")),
        Column::new("EXTERNAL", Text("spec.external")),
    ],
    wide_columns: &[],
    ordinary: Some(schema_of::<ServerSpec, ServerStatus>),
    xds_type: None,
};

/// A server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerSpec {
    /// What it does: the name of a pool.
    #[schema(example = "training")]
    pub usage: String,
    /// The base URL of a worker that Slotway neither starts nor stops. It counts against the limits.
    #[schema(example = "http://127.0.0.1:9001")]
    pub external: String,
}

/// What a server does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ServerStatus {
    /// Whether it counts against the limits; not if its worker no longer exists.
    pub is_counted: bool,
}
