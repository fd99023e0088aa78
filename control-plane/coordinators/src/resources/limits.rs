//! RTDS: Envoy's own limit on the requests at each worker, as runtime values.
//!
//! The filter keeps to the capacity by itself; the limit is a second lock. It is the capacity plus one for each lane: the filter
//! frees a slot within the callback that sees the end of the worker's answer, and Envoy counts that request, at most one for
//! each of its threads, until the callback has returned. With exactly the capacity, the next request of the slot would meet an
//! overflow although the worker is free.
//!
//! With a connection for each request the limit is twice the capacity, plus one for each lane. Envoy counts such a request until it
//! deletes the closed connection, which is at the end of the turn of its event loop (`Dispatcher::deferredDelete`) and so after
//! the slot is free. All slots of a worker may become free in one turn.
//!
//! A lowered limit comes into force 5 s after the capacity: Envoy acknowledges a configuration before its threads have it, and a
//! request whose slot was given out just before must not meet the new limit. An Envoy whose limits were issued by an unknown
//! control plane gets open ones first.

use std::collections::BTreeMap;

use envoy_types::pb::{
    envoy::service::runtime::v3::Runtime,
    google::protobuf::{Any, Struct, Value, value::Kind},
};
use prost::{Message, Name};
use slotway_config::{Connections, Worker};
use slotway_xds::{Bounds, BoundsFormat, XdsResource};

use super::cluster::MAX_REQUESTS;
use crate::types::RESOURCE_NAME;

const FORMAT: BoundsFormat = BoundsFormat { encode: resource, open: MAX_REQUESTS };

/// Returns the limits of these workers, by the names of their clusters.
pub(crate) fn of<'a>(workers: impl Iterator<Item = &'a Worker>, lanes: u32) -> Bounds {
    Bounds::new(&FORMAT, workers.map(|worker| (worker.worker.as_str().to_owned(), limit(worker, lanes))))
}

fn limit(worker: &Worker, lanes: u32) -> u32 {
    let requests = match worker.connections() {
        Connections::PerRequest => worker.capacity.get().saturating_mul(2),
        Connections::Reuse => worker.capacity.get(),
    };
    requests.saturating_add(lanes)
}

/// Returns the one resource of the type.
///
/// It encodes one value after the other: a protobuf map has no order of its own, and equal limits must be equal bytes. The parts
/// of a message, one behind the other, are the message.
/// <https://protobuf.dev/programming-guides/encoding/#last-one-wins>
fn resource(limits: &BTreeMap<String, u32>) -> XdsResource {
    let name = Runtime { name: RESOURCE_NAME.to_owned(), layer: None };
    let mut bytes = name.encode_to_vec();
    for (cluster, limit) in limits {
        let value = Value { kind: Some(Kind::NumberValue(f64::from(*limit))) };
        let layer = Struct { fields: [(key(cluster), value)].into() };
        bytes.extend(Runtime { name: String::new(), layer: Some(layer) }.encode_to_vec());
    }
    XdsResource::new(RESOURCE_NAME.to_owned(), Any { type_url: Runtime::type_url(), value: bytes })
}

/// <https://www.envoyproxy.io/docs/envoy/latest/configuration/upstream/cluster_manager/cluster_circuit_breakers#runtime>
fn key(cluster: &str) -> String {
    format!("circuit_breakers.{cluster}.default.max_requests")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::worker;

    #[test]
    fn the_limit_has_room_for_requests_that_envoy_still_counts() {
        let per_request = worker("http://a", 3);
        let reused = Worker { connections: Some(Connections::Reuse), ..per_request.clone() };
        assert_eq!((limit(&per_request, 4), limit(&reused, 4)), (2 * 3 + 4, 3 + 4));
    }
}
