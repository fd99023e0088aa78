use std::{collections::BTreeMap, str::FromStr};

use serde::{Deserialize, Serialize};

/// The state of a configuration at a coordinator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum SyncState {
    /// It has acknowledged the wanted version.
    Synced,
    /// It has not answered yet.
    Stale,
    /// It rejected the last version. The previous one stays in force.
    Rejected,
}

/// A variant of xDS.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Variant {
    /// Each response has all resources of its type.
    StateOfTheWorld,
    /// Each response has the resources that have changed.
    #[default]
    Incremental,
}

/// The reason for which a coordinator rejected a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Rejection {
    /// Envoy's own words.
    pub reason: String,
    /// When it was rejected, in milliseconds since 1970.
    pub at_unix_ms: u64,
    /// The changes that are in the rejected configuration and in none that the coordinator accepted, with their users: those that
    /// the reason names first, then the newest, at most 3. Absent once the configuration is mended, and if the database cannot be
    /// read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes: Option<Vec<UnacceptedChange>>,
}

/// A change that a coordinator rejected, perhaps together with others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct UnacceptedChange {
    /// The user who made it, as in the audit rows: `admin token`, `config file`, or `system` for a change by the program itself.
    pub who: String,
    /// When it was made, in milliseconds since 1970.
    pub at_unix_ms: u64,
    /// The kind of the changed document: `worker`, `settings`.
    pub kind: String,
    /// Its key: a worker's base URL.
    pub key: String,
}

/// One type of resources at one coordinator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TypeStatus {
    /// The wanted version.
    pub wanted: String,
    /// The version that it has acknowledged.
    pub acked: Option<String>,
    /// How the two compare.
    pub state: SyncState,
    /// The last rejection on this stream, also one that is mended since.
    pub last_rejection: Option<Rejection>,
}

/// A connected coordinator: one Envoy process with one stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct CoordinatorStatus {
    /// Its `node.id`.
    pub node: String,
    /// Its `node.cluster`.
    pub cluster: String,
    /// Envoy's version, for example `1.40.0`.
    pub envoy_version: String,
    /// The variant of xDS.
    pub protocol: Variant,
    /// The start of its stream, in milliseconds since 1970.
    pub connected_since_unix_ms: u64,
    /// The generation of the filter's configuration that it has acknowledged.
    pub generation: Option<u64>,
    /// The state of all types: rejected if one type is, else stale if one type is.
    pub state: SyncState,
    /// The subscribed types, by type URL.
    pub types: BTreeMap<String, TypeStatus>,
}

impl SyncState {
    /// Returns the word in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Synced => "SYNCED",
            Self::Stale => "STALE",
            Self::Rejected => "REJECTED",
        }
    }
}

impl Variant {
    /// All of them, by name.
    pub const NAMES: [&'static str; 2] = ["state-of-the-world", "incremental"];

    /// Returns the word in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        let [state_of_the_world, incremental] = Self::NAMES;
        match self {
            Self::StateOfTheWorld => state_of_the_world,
            Self::Incremental => incremental,
        }
    }
}

impl FromStr for Variant {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "state-of-the-world" => Ok(Self::StateOfTheWorld),
            "incremental" => Ok(Self::Incremental),
            _ => Err(format!("expected one of {}", Self::NAMES.join(", "))),
        }
    }
}

/// Empty: pools, policies and workers determine the configuration of a coordinator.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct CoordinatorSpec {}

/// The configuration state and the last report of a coordinator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct CoordinatorState {
    /// Its `node.cluster`: its group.
    pub cluster: String,
    /// Envoy's version, for example `1.40.0`.
    pub envoy_version: String,
    /// The variant of xDS.
    pub protocol: Variant,
    /// The start of its stream, in milliseconds since 1970.
    pub connected_since_unix_ms: u64,
    /// The generation of the filter's configuration that it has acknowledged.
    pub generation: Option<u64>,
    /// The state of all types: rejected if one type is, else stale if one type is.
    pub state: SyncState,
    /// The subscribed types, by type URL.
    pub types: BTreeMap<String, TypeStatus>,
    /// The pools of its last report; empty without a report.
    pub pools: Vec<CoordinatorPool>,
    /// The age of the report, in milliseconds; `null` without a report.
    pub report_age_ms: Option<u64>,
    /// The newest generation in force in its filter; `null` without a report.
    pub generation_in_force: Option<u64>,
}

/// A pool in a coordinator's last report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct CoordinatorPool {
    /// The pool.
    pub name: String,
    /// Free slots.
    pub free: u32,
    /// Slots with a request in flight.
    pub in_flight: u32,
    /// Slots of unreachable workers.
    pub parked: u32,
    /// Requests that wait for a slot.
    pub waiting: u32,
    /// The waiting time of the first of them, in milliseconds.
    pub oldest_wait_ms: u64,
}
