use serde::{Deserialize, Serialize};
use slotway_config::WaitDuration;

use crate::{
    Cell::{Name, Number, Text},
    Column, Deletion, RequiredScope, ResourceKind,
};

/// The pools' policies.
pub static POLICY: ResourceKind = ResourceKind {
    name: "Policy",
    stored: Some("policy"),
    path: "policies",
    word: "policy",
    words: "policies",
    aliases: &[],
    title: "policy",
    titles: "policies",
    read: RequiredScope::Read,
    change: RequiredScope::Admin,
    is_applied: true,
    deletion: Deletion::Impossible { reason: "a policy is deleted with its pool" },
    columns: &[
        Column::new("POOL", Name),
        Column::new("FREE WORKER TIMEOUT", Text("spec.free_worker_timeout")),
        Column::new("MAX WAITING", Number("spec.max_waiting")),
        Column::new("ABANDONED HOLD", Text("spec.abandoned_hold")),
        Column::new("ANSWER TIMEOUT", Text("spec.answer_timeout")),
    ],
    wide_columns: &[],
    ordinary: None,
    xds_type: None,
};

/// The policy of a pool. A request may leave out fields, which take their defaults; an answer has all of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PolicySpec {
    /// The longest time that a request waits for a slot before a 503; `0` refuses at once. Default: `30s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "30s")]
    pub free_worker_timeout: Option<WaitDuration>,
    /// The largest number of waiting requests; further ones are refused at once. Default: 1024.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 65_536)]
    pub max_waiting: Option<u32>,
    /// How long a slot stays occupied after its request was abandoned. Default: `0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "5s")]
    pub abandoned_hold: Option<WaitDuration>,
    /// The longest time for a worker's whole response; `0` for no limit. Default: `10m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "10m")]
    pub answer_timeout: Option<WaitDuration>,
}

/// Empty: the pool's status shows the effects of its policy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PolicyStatus {}
