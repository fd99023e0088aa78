//! Resources for agents, of types of Slotway's own: `proto/slotway/agents/v1/agents.proto`.

use std::{collections::BTreeMap, sync::Arc};

use envoy_types::pb::google::protobuf::Any;
use prost::{Message, Name};
use slotway_xds::{ResourceSet, XdsResource};

use crate::{
    agents::{ForAgents, proto},
    coordinators::types::{BACKUP_JOB, RESOURCE_NAME, RESOURCE_PROFILES, SERVER_LIMITS},
};

/// Returns the resources of each type for agents, by type URL.
pub(crate) fn sets(for_agents: &ForAgents) -> BTreeMap<&'static str, Arc<ResourceSet>> {
    let one = |body| Arc::new(ResourceSet::from_iter([resource(RESOURCE_NAME, body)]));
    let jobs = for_agents.backup_jobs.iter();
    [
        (SERVER_LIMITS, one(packed(&proto::ServerLimits::from(&for_agents.server_limits)))),
        (RESOURCE_PROFILES, one(packed(&proto::ResourceProfiles::from(&for_agents.resource_profiles)))),
        (
            BACKUP_JOB,
            Arc::new(jobs.map(|(name, job)| resource(name, packed(&proto::BackupJob::from(job)))).collect()),
        ),
    ]
    .map(|(ty, set)| (ty.type_url(), set))
    .into()
}

fn resource(name: &str, body: Any) -> Arc<XdsResource> {
    Arc::new(XdsResource::new(name.to_owned(), body))
}

fn packed<M: Message + Name>(message: &M) -> Any {
    Any { type_url: M::type_url(), value: message.encode_to_vec() }
}
