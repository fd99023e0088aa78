//! Conversions of connected Envoys to their wire types.

use slotway_api_types::{
    CoordinatorPool, CoordinatorStatus, Rejection, SyncState, TypeStatus, UnacceptedChange, Variant,
};
use slotway_config::PoolReport;
use slotway_runtime::Moment;
use slotway_xds::{Nack, ProtocolVariant, SubscriptionState, SubscriptionStatus};

use slotway_coordinators::{Coordinator, RejectedChange};

/// Returns the wire type of a variant of xDS.
fn variant(variant: ProtocolVariant) -> Variant {
    match variant {
        ProtocolVariant::StateOfTheWorld => Variant::StateOfTheWorld,
        ProtocolVariant::Incremental => Variant::Incremental,
    }
}

/// Returns the variant of xDS of a wire type.
#[must_use]
pub fn protocol_variant(variant: Variant) -> ProtocolVariant {
    match variant {
        Variant::StateOfTheWorld => ProtocolVariant::StateOfTheWorld,
        Variant::Incremental => ProtocolVariant::Incremental,
    }
}

/// Returns the wire type of a state.
pub(super) fn sync_state(state: SubscriptionState) -> SyncState {
    match state {
        SubscriptionState::Synced => SyncState::Synced,
        SubscriptionState::Stale => SyncState::Stale,
        SubscriptionState::Rejected => SyncState::Rejected,
    }
}

/// Returns the wire type of a connected Envoy.
pub(super) fn coordinator_status(
    Coordinator { node, mut rejected_changes }: Coordinator,
) -> CoordinatorStatus {
    let types = node.types.into_iter().map(|(type_url, status)| {
        let changes = rejected_changes.remove(type_url);
        (type_url.to_owned(), type_status(status, changes))
    });
    CoordinatorStatus {
        node: node.id,
        cluster: node.group,
        envoy_version: node.version,
        protocol: variant(node.variant),
        connected_since_unix_ms: unix_ms(node.connected_since),
        generation: node.generation,
        state: sync_state(node.state),
        types: types.collect(),
    }
}

fn type_status(status: SubscriptionStatus, changes: Option<Vec<RejectedChange>>) -> TypeStatus {
    let rejection = |Nack { reason, at, .. }| Rejection {
        reason,
        at_unix_ms: unix_ms(at),
        changes: changes.map(|changes| changes.into_iter().map(unaccepted_change).collect()),
    };
    TypeStatus {
        wanted: status.wanted,
        acked: status.acked,
        state: sync_state(status.state),
        last_rejection: status.last_nack.map(rejection),
    }
}

fn unaccepted_change(change: RejectedChange) -> UnacceptedChange {
    let RejectedChange { who, at, kind, key } = change;
    UnacceptedChange { who, at_unix_ms: unix_ms(at), kind, key }
}

fn unix_ms(moment: Moment) -> u64 {
    u64::try_from(moment.unix_ms()).unwrap_or_default()
}

/// Returns the wire type of a pool in a report.
pub(super) fn coordinator_pool(report: &PoolReport) -> CoordinatorPool {
    CoordinatorPool {
        name: report.pool.to_string(),
        free: report.free,
        in_flight: report.in_flight,
        parked: report.parked,
        waiting: report.waiting,
        oldest_wait_ms: report.oldest_wait_ms,
    }
}
