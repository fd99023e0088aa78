//! The resources that a node has of one type. The incremental protocol sends the difference to them.
//! <https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#incremental-xds>.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    interest::{Interest, Owed},
    resource_set::{ResourceSet, XdsResource},
};

/// The resources that a node has of one type.
#[derive(Debug, Clone)]
pub(crate) struct Holdings {
    base: Base,
    /// After a rejection: the names in that response. The node may have taken any part of it.
    in_doubt: BTreeSet<Arc<str>>,
}

#[derive(Debug, Clone)]
enum Base {
    /// What the node states as kept from an earlier stream: version by name.
    Stated(BTreeMap<String, String>),
    /// What the node has acknowledged. Shared with all nodes that have the same.
    Acked(Arc<ResourceSet>),
}

/// The changes from what a node has to what it shall have.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Difference {
    pub(crate) resources: Vec<Arc<XdsResource>>,
    pub(crate) removed: Vec<Arc<str>>,
}

impl Difference {
    pub(crate) fn is_empty(&self) -> bool {
        self.resources.is_empty() && self.removed.is_empty()
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = Arc<str>> {
        let changed = self.resources.iter().map(|resource| resource.name().clone());
        changed.chain(self.removed.iter().cloned())
    }
}

impl Holdings {
    /// Returns the holdings that a node states in its first request.
    pub(crate) fn stated(kept: BTreeMap<String, String>) -> Self {
        Self { base: Base::Stated(kept), in_doubt: BTreeSet::new() }
    }

    /// Records that the node has exactly this.
    pub(crate) fn acked(&mut self, set: Arc<ResourceSet>) {
        *self = Self { base: Base::Acked(set), in_doubt: BTreeSet::new() };
    }

    /// Records that the node has rejected a response with these names.
    pub(crate) fn rejected(&mut self, names: Vec<Arc<str>>) {
        self.in_doubt.extend(names);
    }

    /// Returns what must be sent so that the node has `wanted`: resources that it lacks or has with another content, those in doubt,
    /// and those that are owed. A name that the node wants and that does not exist is sent as removed, so that it need not wait.
    /// <https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#knowing-when-a-requested-resource-does-not-exist>
    pub(crate) fn difference(&self, wanted: &ResourceSet, interest: &Interest, owed: &Owed) -> Difference {
        let has = |resource: &XdsResource| {
            self.version(resource.name()) == Some(resource.version().as_str())
                && !self.in_doubt.contains(resource.name())
                && !owed.includes(resource.name())
        };
        let resources = match &self.base {
            Base::Acked(set)
                if set.version() == wanted.version() && self.in_doubt.is_empty() && owed.is_nothing() =>
            {
                return Difference::default();
            }
            _ => wanted.iter().filter(|resource| !has(resource)).cloned().collect(),
        };
        let gone: BTreeSet<Arc<str>> = self
            .names()
            .chain(self.in_doubt.iter().map(|name| &**name))
            .chain(owed.names().filter(|name| *name != "*"))
            .filter(|name| wanted.get(name).is_none() && interest.wants(name))
            .map(Arc::from)
            .collect();
        Difference { resources, removed: gone.into_iter().collect() }
    }

    fn version(&self, name: &str) -> Option<&str> {
        match &self.base {
            Base::Stated(kept) => kept.get(name).map(String::as_str),
            Base::Acked(set) => set.get(name).map(|resource| resource.version().as_str()),
        }
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        let (stated, acked) = match &self.base {
            Base::Stated(kept) => (Some(kept.keys().map(String::as_str)), None),
            Base::Acked(set) => (None, Some(set.iter().map(|resource| &**resource.name()))),
        };
        stated.into_iter().flatten().chain(acked.into_iter().flatten())
    }
}
