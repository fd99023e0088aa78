//! Wire types of the connected Envoys.

use std::{collections::BTreeMap, str::FromStr};

use serde::{Deserialize, Serialize};
use slotway_runtime::Moment;
use slotway_xds::{Nack, ProtocolVariant, SubscriptionState, SubscriptionStatus};

use slotway_coordinators::{Coordinator, RejectedChange};

/// How what a coordinator has compares to what it shall have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum SyncState {
    /// It has acknowledged what it shall have.
    Synced,
    /// It has not acknowledged it yet.
    Stale,
    /// It rejected what it was sent last. What it had before stays in force.
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
    /// The version that it shall have.
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

impl Variant {
    /// All of them, by name.
    pub const NAMES: [&'static str; 2] = ["state-of-the-world", "incremental"];
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

impl From<ProtocolVariant> for Variant {
    fn from(variant: ProtocolVariant) -> Self {
        match variant {
            ProtocolVariant::StateOfTheWorld => Self::StateOfTheWorld,
            ProtocolVariant::Incremental => Self::Incremental,
        }
    }
}

impl From<Variant> for ProtocolVariant {
    fn from(variant: Variant) -> Self {
        match variant {
            Variant::StateOfTheWorld => Self::StateOfTheWorld,
            Variant::Incremental => Self::Incremental,
        }
    }
}

impl From<SubscriptionState> for SyncState {
    fn from(state: SubscriptionState) -> Self {
        match state {
            SubscriptionState::Synced => Self::Synced,
            SubscriptionState::Stale => Self::Stale,
            SubscriptionState::Rejected => Self::Rejected,
        }
    }
}

impl From<Coordinator> for CoordinatorStatus {
    fn from(Coordinator { node, mut rejected_changes }: Coordinator) -> Self {
        let types = node.types.into_iter().map(|(type_url, status)| {
            let changes = rejected_changes.remove(type_url);
            (type_url.to_owned(), type_status(status, changes))
        });
        Self {
            node: node.id,
            cluster: node.group,
            envoy_version: node.version,
            protocol: node.variant.into(),
            connected_since_unix_ms: unix_ms(node.connected_since),
            generation: node.generation,
            state: node.state.into(),
            types: types.collect(),
        }
    }
}

fn type_status(status: SubscriptionStatus, changes: Option<Vec<RejectedChange>>) -> TypeStatus {
    let rejection = |Nack { reason, at, .. }| Rejection {
        reason,
        at_unix_ms: unix_ms(at),
        changes: changes.map(|changes| changes.into_iter().map(UnacceptedChange::from).collect()),
    };
    TypeStatus {
        wanted: status.wanted,
        acked: status.acked,
        state: status.state.into(),
        last_rejection: status.last_nack.map(rejection),
    }
}

impl From<RejectedChange> for UnacceptedChange {
    fn from(change: RejectedChange) -> Self {
        let RejectedChange { who, at, kind, key } = change;
        Self { who, at_unix_ms: unix_ms(at), kind, key }
    }
}

fn unix_ms(moment: Moment) -> u64 {
    u64::try_from(moment.unix_ms()).unwrap_or_default()
}
