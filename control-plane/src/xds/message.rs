//! What a node and we say to each other, whichever protocol carries it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    ResourceType, Variant,
    encoded::Frame,
    resource_set::{Resource, ResourceSet, Version},
};

/// A request for one type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Incoming {
    pub(crate) type_url: String,
    pub(crate) request: Request,
}

/// What a node asks or answers for one type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) ask: Ask,
    /// Which response it answers; empty if none.
    pub(crate) nonce: String,
    /// The reason of a rejection. Only this tells one, never a comparison of versions.
    /// <https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#ack-and-nack-semantics-summary>
    pub(crate) error: Option<String>,
}

/// What a node wants of a type, and what it has of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ask {
    /// State of the world: every name that it wants, and the version that it has.
    All { names: BTreeSet<String>, version: String },
    /// Incremental: the names that it wants from now on or no longer, and, in the first request, the version of each resource that it
    /// has kept.
    Changes { subscribe: BTreeSet<String>, unsubscribe: BTreeSet<String>, kept: BTreeMap<String, String> },
}

impl Request {
    /// What the node says it has, as the version of the whole; `None` if it has nothing.
    pub(crate) fn stated(&self) -> Option<Version> {
        match &self.ask {
            Ask::All { version, .. } if version.is_empty() => None,
            Ask::All { version, .. } => Some(Version::stated(version)),
            Ask::Changes { kept, .. } if kept.is_empty() => None,
            Ask::Changes { kept, .. } => {
                Some(Version::of_all(kept.iter().map(|(name, version)| (name.as_str(), version.as_str()))))
            }
        }
    }

    /// Makes nothing of what the node says it has: it may have taken any part of `offered` since.
    pub(crate) fn doubt(&mut self, offered: &ResourceSet) {
        match &mut self.ask {
            Ask::All { version, .. } => version.clear(),
            Ask::Changes { kept, .. } => {
                // No content has an empty version, so all of it differs from whatever is wanted.
                kept.values_mut().for_each(String::clear);
                for resource in offered.iter() {
                    kept.entry(resource.name().to_string()).or_default();
                }
            }
        }
    }
}

/// A response for one type.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    pub(crate) ty: ResourceType,
    /// All that the node wants of the type.
    pub(crate) whole: Arc<ResourceSet>,
    pub(crate) nonce: String,
    /// State of the world: all of it. Incremental: what differs from what the node has.
    pub(crate) resources: Vec<Arc<Resource>>,
    /// Incremental alone: what the node must not have.
    pub(crate) removed: Vec<Arc<str>>,
}

impl Outgoing {
    /// Adds the resources to a response; where they are all that there are, the bytes that others are sent, too.
    pub(crate) fn write_resources(&self, variant: Variant, response: &mut Frame) {
        // They are a part of the whole, so as many as it has are all of it.
        if self.resources.len() == self.whole.len() && self.whole.write(variant, response) {
            return;
        }
        self.resources.iter().for_each(|resource| resource.write(variant, response));
    }
}
