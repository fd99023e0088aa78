//! The types of resources that coordinators and agents subscribe to.

use slotway_agents_proto::TYPES;
use slotway_xds::{PushRole, ResourceType};

/// The name of the listener, the route configuration, the filter and the runtime layer. There is one of each.
pub const RESOURCE_NAME: &str = "slotway";
/// The Envoy cluster of the control plane, from the bootstrap. The filter's reports go there, too.
pub const XDS_CLUSTER: &str = "slotway_control_plane";

/// RTDS: Envoy's own limits on the requests at each worker.
pub const RUNTIME: ResourceType =
    ResourceType::new("type.googleapis.com/envoy.service.runtime.v3.Runtime", PushRole::Bound);
/// CDS: one cluster for each worker.
pub const CLUSTER: ResourceType =
    ResourceType::new("type.googleapis.com/envoy.config.cluster.v3.Cluster", PushRole::Referenced)
        .with_wildcard();
/// LDS: the listener for clients.
pub const LISTENER: ResourceType =
    ResourceType::new("type.googleapis.com/envoy.config.listener.v3.Listener", PushRole::Dependent)
        .with_wildcard();
/// RDS: one route for each pool.
pub const ROUTE: ResourceType =
    ResourceType::new("type.googleapis.com/envoy.config.route.v3.RouteConfiguration", PushRole::Dependent);
/// ECDS: the filter and its configuration. It names clusters and counts on limits.
pub const FILTER: ResourceType =
    ResourceType::new("type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig", PushRole::Root);

/// The types that an Envoy subscribes to, in push order.
pub const OF_ENVOY: [ResourceType; 5] = [RUNTIME, CLUSTER, LISTENER, ROUTE, FILTER];

/// The types that agents subscribe to.
pub const OF_AGENTS: [ResourceType; TYPES.len()] = {
    let mut types = [for_agents(TYPES[0].type_url); TYPES.len()];
    let mut at = 0;
    while at < types.len() {
        types[at] = for_agents(TYPES[at].type_url);
        at += 1;
    }
    types
};

/// Returns a type for agents. No resource of Envoy needs it.
const fn for_agents(type_url: &'static str) -> ResourceType {
    ResourceType::new(type_url, PushRole::Independent).with_wildcard()
}

#[cfg(test)]
mod tests {
    use envoy_types::pb::envoy::{
        config::{
            cluster::v3::Cluster, core::v3::TypedExtensionConfig, listener::v3::Listener,
            route::v3::RouteConfiguration,
        },
        service::runtime::v3::Runtime,
    };
    use prost::Name;

    use super::*;

    #[test]
    fn each_type_has_the_url_of_its_message() {
        for (ty, url) in [
            (RUNTIME, Runtime::type_url()),
            (CLUSTER, Cluster::type_url()),
            (LISTENER, Listener::type_url()),
            (ROUTE, RouteConfiguration::type_url()),
            (FILTER, TypedExtensionConfig::type_url()),
        ] {
            assert_eq!(ty.type_url(), url);
        }
    }
}
