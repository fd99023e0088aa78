//! What agents are told, as resources of types of our own: `proto/slotway/agents/v1/agents.proto`.

use std::sync::Arc;

use envoy_types::pb::google::protobuf::Any;
use prost::{Message, Name};

use super::RESOURCE_NAME;
use crate::{
    agents::{ForAgents, proto},
    xds::resource_set::{Resource, ResourceSet},
};

/// The resources of each of these types.
#[derive(Debug)]
pub(crate) struct AgentSets {
    pub(crate) server_limits: Arc<ResourceSet>,
    pub(crate) resource_profiles: Arc<ResourceSet>,
    pub(crate) backup_jobs: Arc<ResourceSet>,
}

impl AgentSets {
    pub(crate) fn new(told: &ForAgents) -> Self {
        let one = |body| Arc::new(ResourceSet::from_iter([resource(RESOURCE_NAME, body)]));
        let jobs = told.backup_jobs.iter();
        Self {
            server_limits: one(packed(&proto::ServerLimits::from(&told.server_limits))),
            resource_profiles: one(packed(&proto::ResourceProfiles::from(&told.resource_profiles))),
            backup_jobs: Arc::new(
                jobs.map(|(name, job)| resource(name, packed(&proto::BackupJob::from(job)))).collect(),
            ),
        }
    }
}

fn resource(name: &str, body: Any) -> Arc<Resource> {
    Arc::new(Resource::new(name.to_owned(), body))
}

fn packed<M: Message + Name>(message: &M) -> Any {
    Any { type_url: M::type_url(), value: message.encode_to_vec() }
}
