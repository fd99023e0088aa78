//! The resources that agents receive over xDS: messages of `proto/slotway/agents/v1/agents.proto`.
//!
//! A domain publishes [`AgentResources`]; the xDS server serves them without knowing what they mean.

pub mod v1 {
    //! The messages, generated from the `.proto` file, which documents them.
    #![allow(missing_docs, clippy::doc_markdown, reason = "it is generated")]

    include!(concat!(env!("OUT_DIR"), "/slotway.agents.v1.rs"));
}

use std::collections::BTreeMap;

use prost::{DecodeError, Message, Name};
use serde::Serialize;
use serde_json::Value;

/// A type of resource that agents subscribe to.
#[derive(Debug, Clone, Copy)]
pub struct AgentType {
    /// The word that names it on the command line: `backup-jobs`.
    pub word: &'static str,
    /// The type URL.
    pub type_url: &'static str,
    decode: fn(&[u8]) -> Result<Value, DecodeError>,
}

/// All types, in the order in which they are listed.
pub const TYPES: [AgentType; 4] = [
    AgentType {
        word: "server-limits",
        type_url: "type.googleapis.com/slotway.agents.v1.ServerLimits",
        decode: decoded::<v1::ServerLimits>,
    },
    AgentType {
        word: "resource-profile",
        type_url: "type.googleapis.com/slotway.agents.v1.ResourceProfile",
        decode: decoded::<v1::ResourceProfile>,
    },
    AgentType {
        word: "resource-profiles",
        type_url: "type.googleapis.com/slotway.agents.v1.ResourceProfiles",
        decode: decoded::<v1::ResourceProfiles>,
    },
    AgentType {
        word: "backup-jobs",
        type_url: "type.googleapis.com/slotway.agents.v1.BackupJob",
        decode: decoded::<v1::BackupJob>,
    },
];

impl AgentType {
    /// Returns a resource of the type as JSON.
    ///
    /// # Errors
    /// Bytes that are no message of the type.
    pub fn to_json(&self, encoded: &[u8]) -> Result<Value, DecodeError> {
        (self.decode)(encoded)
    }
}

fn decoded<M: Message + Default + Serialize>(encoded: &[u8]) -> Result<Value, DecodeError> {
    // A message is numbers and text, which always have JSON.
    Ok(serde_json::to_value(M::decode(encoded)?).unwrap_or_default())
}

/// Resources for agents: type URL, name, encoded message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AgentResources(BTreeMap<String, BTreeMap<String, Vec<u8>>>);

impl AgentResources {
    /// Adds a resource, or replaces the one of this type and name.
    pub fn set<M: Message + Name>(&mut self, name: impl Into<String>, message: &M) {
        self.0.entry(M::type_url()).or_default().insert(name.into(), message.encode_to_vec());
    }

    /// Returns the resources of a type by name.
    pub fn of(&self, type_url: &str) -> impl Iterator<Item = (&str, &[u8])> {
        let resources = self.0.get(type_url).into_iter().flatten();
        resources.map(|(name, encoded)| (name.as_str(), encoded.as_slice()))
    }

    /// Returns these resources and `others` together.
    #[must_use]
    pub fn merged(mut self, others: &Self) -> Self {
        for (type_url, resources) in &others.0 {
            let own = self.0.entry(type_url.clone()).or_default();
            own.extend(resources.iter().map(|(name, encoded)| (name.clone(), encoded.clone())));
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_types_have_the_urls_of_their_messages() {
        let urls = TYPES.map(|ty| ty.type_url);
        let of_messages = [
            v1::ServerLimits::type_url(),
            v1::ResourceProfile::type_url(),
            v1::ResourceProfiles::type_url(),
            v1::BackupJob::type_url(),
        ];
        assert_eq!(urls.map(str::to_owned), of_messages);
    }

    #[test]
    fn resources_of_several_domains_are_put_together() {
        let mut limits = AgentResources::default();
        limits.set("slotway", &v1::ServerLimits { servers_max: 3, usages: Vec::new() });
        let mut jobs = AgentResources::default();
        jobs.set("nightly", &v1::BackupJob { kept_max: 7, ..v1::BackupJob::default() });
        let all = limits.clone().merged(&jobs);
        let url = TYPES[3].type_url;
        let (name, encoded) = all.of(url).next().unwrap();
        let json = TYPES[3].to_json(encoded).unwrap();
        assert_eq!((name, json["kept_max"].as_u64()), ("nightly", Some(7)));
        assert_eq!((all.of(TYPES[0].type_url).count(), limits.of(url).count()), (1, 0));
    }
}
