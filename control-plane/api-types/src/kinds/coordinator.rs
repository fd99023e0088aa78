use crate::{
    Cell::{Age, Name, Number, Text},
    Column, Deletion, RequiredScope, ResourceKind,
};

/// The Envoys that are connected, or were.
pub static COORDINATOR: ResourceKind = ResourceKind {
    name: "Coordinator",
    stored: None,
    path: "coordinators",
    word: "coordinator",
    words: "coordinators",
    aliases: &[],
    title: "coordinator",
    titles: "coordinators",
    read: RequiredScope::Read,
    change: RequiredScope::Admin,
    is_applied: false,
    deletion: Deletion::Impossible { reason: "a coordinator disappears when its Envoy disconnects" },
    columns: &[
        Column::new("NODE", Name),
        Column::new("GROUP", Text("status.cluster")),
        Column::new("STATE", Text("status.state")),
        Column::new("GENERATION", Number("status.generation")),
        Column::new("IN FORCE", Number("status.generation_in_force")),
        Column::new("REPORTED", Age("status.report_age_ms")),
    ],
    wide_columns: &[
        Column::new("ENVOY", Text("status.envoy_version")),
        Column::new("PROTOCOL", Text("status.protocol")),
    ],
    ordinary: None,
    xds_type: None,
};
