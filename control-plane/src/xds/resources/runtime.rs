//! RTDS: Envoy's own limit on the requests at each worker, as runtime values.
//!
//! The filter keeps to the capacity by itself; this is a second lock. The limit is the capacity plus one for each lane:
//! the filter frees a slot within the callback that sees the end of the worker's answer, and Envoy counts that request,
//! at most one for each of its threads, until the callback has returned. With exactly the capacity the slot's next request
//! would meet an overflow that is none.
//!
//! A lowered limit comes into force [`LINGER`] after the capacity: Envoy acknowledges a configuration before its threads
//! have it, and a request whose slot was given out just before must not meet the new limit.
//! An Envoy whose limits are of an unknown control plane gets open ones first ([`Limits::open`]).
//!
//! [`LINGER`]: crate::xds::limits::LINGER

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use envoy_types::pb::{
    envoy::service::runtime::v3::Runtime,
    google::protobuf::{Any, Struct, Value, value::Kind},
};
use prost::{Message, Name};
use slotway_config::Worker;

use super::{RESOURCE_NAME, cluster::MAX_REQUESTS};
use crate::xds::{
    history::Recent,
    resource_set::{Resource, ResourceSet},
};

/// The limit of each worker, by its cluster.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    by_cluster: BTreeMap<String, u32>,
    encoded: OnceLock<Arc<ResourceSet>>,
    /// The higher ones of these and others, by the version of the others; nothing where these are no lower.
    raised: Recent<Option<Arc<Self>>>,
}

impl Limits {
    pub(crate) fn new<'a>(workers: impl Iterator<Item = &'a Worker>, lanes: u32) -> Self {
        let limit = |worker: &Worker| worker.capacity.get().saturating_add(lanes);
        workers.map(|worker| (worker.worker.as_str().to_owned(), limit(worker))).collect()
    }

    /// Limits for the same workers that no request meets.
    pub(crate) fn open(&self) -> Self {
        self.by_cluster.keys().map(|cluster| (cluster.clone(), MAX_REQUESTS)).collect()
    }

    /// A worker's limit.
    #[cfg(test)]
    pub(crate) fn of(&self, cluster: &str) -> Option<u32> {
        self.by_cluster.get(cluster).copied()
    }

    /// The workers whose limit is lower in `next` or gone from it, with the limit here.
    pub(crate) fn lowered_in<'a>(&'a self, next: &'a Self) -> impl Iterator<Item = (&'a str, u32)> {
        let lowered = |(cluster, limit): &(&String, &u32)| {
            next.by_cluster.get(*cluster).is_none_or(|next| next < *limit)
        };
        self.by_cluster.iter().filter(lowered).map(|(cluster, limit)| (cluster.as_str(), *limit))
    }

    /// Whether no worker has a lower limit here than in `other`.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        std::ptr::eq(self, other) || self.raised_to(other).is_none()
    }

    /// The highest limit of each worker.
    pub(crate) fn highest<'a>(all: impl IntoIterator<Item = &'a Arc<Self>>) -> Arc<Self> {
        let highest = all.into_iter().fold(None, |highest: Option<Arc<Self>>, limits| match highest {
            Some(highest) if Arc::ptr_eq(&highest, limits) => Some(highest),
            Some(highest) => Some(highest.raised_to(limits).as_ref().clone().unwrap_or(highest)),
            None => Some(limits.clone()),
        });
        highest.unwrap_or_default()
    }

    /// The higher ones of these and `other`; nothing where these are no lower. It is the same for a thousand nodes, and made once.
    fn raised_to(&self, other: &Self) -> Arc<Option<Arc<Self>>> {
        let version = other.resources().version();
        if version == self.resources().version() {
            return Arc::new(None);
        }
        self.raised.recall(version).unwrap_or_else(|| {
            let mut highest = self.by_cluster.clone();
            for (cluster, limit) in &other.by_cluster {
                let own = highest.entry(cluster.clone()).or_default();
                *own = (*own).max(*limit);
            }
            let is_raised = highest != self.by_cluster;
            let raised = Arc::new(is_raised.then(|| Arc::new(highest.into_iter().collect())));
            self.raised.remember(version, raised.clone());
            raised
        })
    }

    /// The limits as the one resource of their type.
    pub(crate) fn resources(&self) -> &Arc<ResourceSet> {
        self.encoded.get_or_init(|| {
            let body = Any { type_url: Runtime::type_url(), value: self.encode() };
            Arc::new(ResourceSet::from_iter([Arc::new(Resource::new(RESOURCE_NAME.to_owned(), body))]))
        })
    }

    /// Encodes one value after the other: a protobuf map has no order of its own, and equal limits must be equal bytes.
    /// The parts of a message, one behind the other, are the message.
    /// <https://protobuf.dev/programming-guides/encoding/#last-one-wins>
    fn encode(&self) -> Vec<u8> {
        let name = Runtime { name: RESOURCE_NAME.to_owned(), layer: None };
        let mut bytes = name.encode_to_vec();
        for (cluster, limit) in &self.by_cluster {
            let value = Value { kind: Some(Kind::NumberValue(f64::from(*limit))) };
            let layer = Struct { fields: [(key(cluster), value)].into() };
            bytes.extend(Runtime { name: String::new(), layer: Some(layer) }.encode_to_vec());
        }
        bytes
    }
}

/// <https://www.envoyproxy.io/docs/envoy/latest/configuration/upstream/cluster_manager/cluster_circuit_breakers#runtime>
fn key(cluster: &str) -> String {
    format!("circuit_breakers.{cluster}.default.max_requests")
}

impl FromIterator<(String, u32)> for Limits {
    fn from_iter<I: IntoIterator<Item = (String, u32)>>(limits: I) -> Self {
        Self { by_cluster: limits.into_iter().collect(), encoded: OnceLock::new(), raised: Recent::default() }
    }
}
