//! Requests and responses, independent of the protocol variant.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    ProtocolVariant, ResourceType,
    encoded::Frame,
    resource_set::{ResourceSet, XdsResource},
    version::Version,
};

/// A request for one type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Incoming {
    pub(crate) type_url: String,
    pub(crate) request: Request,
}

/// A node's subscription or answer for one type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) ask: Ask,
    /// The nonce of the response that it answers; empty if it answers none.
    pub(crate) nonce: String,
    /// The reason of a rejection. Only this field tells a rejection, never a comparison of versions.
    /// <https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#ack-and-nack-semantics-summary>
    pub(crate) error: Option<String>,
}

/// The resources that a node wants of a type, and those that it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ask {
    /// State of the world: all names that it wants, and the version that it has.
    All { names: BTreeSet<String>, version: String },
    /// Incremental: the names that it wants from now on or no longer, and, in the first request, the version of each resource that it
    /// has kept.
    Changes { subscribe: BTreeSet<String>, unsubscribe: BTreeSet<String>, kept: BTreeMap<String, String> },
}

impl Request {
    /// Returns the version of all resources that the node states; `None` if it states none.
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

    /// Discards the versions that the node states: it may have taken any part of `unconfirmed` since.
    pub(crate) fn doubt(&mut self, unconfirmed: &ResourceSet) {
        match &mut self.ask {
            Ask::All { version, .. } => version.clear(),
            Ask::Changes { kept, .. } => {
                // No content has an empty version, so each differs from the wanted one.
                kept.values_mut().for_each(String::clear);
                for resource in unconfirmed.iter() {
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
    /// State of the world: all of them. Incremental: those that differ from what the node has.
    pub(crate) resources: Vec<Arc<XdsResource>>,
    /// Incremental only: the names that the node must not have.
    pub(crate) removed: Vec<Arc<str>>,
}

impl Outgoing {
    /// Adds the resources to a response. A response with all of them shares its bytes with those of other nodes.
    pub(crate) fn write_resources(&self, variant: ProtocolVariant, response: &mut Frame) {
        // They are a part of the whole, so as many as it has are all of it.
        if self.resources.len() == self.whole.len() && self.whole.write(variant, response) {
            return;
        }
        self.resources.iter().for_each(|resource| resource.write(variant, response));
    }
}
