//! Resources for agents, of types of Slotway's own, which the domains encode.

use std::{collections::BTreeMap, sync::Arc};

use envoy_types::pb::google::protobuf::Any;
use slotway_agents_proto::AgentResources;
use slotway_xds::{ResourceSet, XdsResource};

use crate::types::OF_AGENTS;

/// Returns the resources of each type for agents, by type URL.
pub(crate) fn sets(resources: &AgentResources) -> BTreeMap<&'static str, Arc<ResourceSet>> {
    let set = |type_url: &'static str| {
        let of_type = resources.of(type_url).map(|(name, encoded)| {
            let body = Any { type_url: type_url.to_owned(), value: encoded.to_vec() };
            Arc::new(XdsResource::new(name.to_owned(), body))
        });
        (type_url, Arc::new(of_type.collect()))
    };
    OF_AGENTS.iter().map(|ty| set(ty.type_url())).collect()
}
