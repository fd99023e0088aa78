use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A resource: desired and observed state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Resource<Spec, Status> {
    /// The kind: `Worker`, `Pool`, ...
    pub kind: String,
    /// Name and version.
    pub metadata: Metadata,
    /// The desired state.
    pub spec: Spec,
    /// The observed state.
    pub status: Status,
}

/// Name and version of a resource, with labels and notes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Metadata {
    /// The name, unique among its kind.
    pub name: String,
    /// The store's revision that wrote it last; `0` for a resource that the store does not hold.
    #[serde(rename = "resourceVersion")]
    pub resource_version: String,
    /// Labels for selection.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Free text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub notes: String,
}

impl Metadata {
    /// Returns the metadata of a name that this revision of the store wrote.
    #[must_use]
    pub fn new(name: impl Into<String>, revision: u64) -> Self {
        Self { name: name.into(), resource_version: revision.to_string(), ..Self::default() }
    }
}

/// A page of resources.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct List<Item> {
    /// `WorkerList`, `PoolList`, ...
    pub kind: String,
    /// The store's revision that the page reflects.
    #[serde(rename = "resourceVersion")]
    pub resource_version: String,
    /// The resources, in the order of their names.
    pub items: Vec<Item>,
    /// The value of `?continue=` for the next page; absent on the last page.
    #[serde(rename = "continue", default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl<Item> List<Item> {
    /// Returns the page with each item replaced by what `shown` makes of it; items of which it makes nothing are left out.
    pub fn map<Shown>(self, shown: impl FnMut(Item) -> Option<Shown>) -> List<Shown> {
        let Self { kind, resource_version, items, next } = self;
        List { kind, resource_version, items: items.into_iter().filter_map(shown).collect(), next }
    }
}

/// A resource as a client sends it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ResourceBody<Spec> {
    /// The kind. May be left out where the path names it.
    pub kind: Option<String>,
    /// The name and the version that the client has read.
    pub metadata: Option<ResourceBodyMetadata>,
    /// The desired state.
    pub spec: Spec,
}

/// The metadata of a resource that a client sends.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ResourceBodyMetadata {
    /// The name; the same as in the path.
    pub name: Option<String>,
    /// Change it only if this is the current version.
    #[serde(rename = "resourceVersion")]
    pub resource_version: Option<String>,
    /// Workers only: labels.
    pub labels: Option<BTreeMap<String, String>>,
    /// Workers only: free text.
    pub notes: Option<String>,
}
