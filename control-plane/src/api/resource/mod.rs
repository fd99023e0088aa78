//! The shape of all resources of `/api/v1`: `metadata`, `spec`, `status`; with versions, pages and dry runs.

mod dry_run;
mod given;
mod page;
mod path_name;
mod precondition;

use std::collections::BTreeMap;

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};

pub(in crate::api) use dry_run::DryRun;
pub(in crate::api) use given::{Given, GivenMetadata, Wanted, located, merged, read};
pub(in crate::api) use page::{PageQuery, bad_query, paged};
pub(in crate::api) use path_name::PathName;
pub(in crate::api) use precondition::Precondition;

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

/// Name and version of a resource.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Metadata {
    /// The name, unique among its kind.
    pub name: String,
    /// The store's revision that wrote it last; `0` for a resource outside of the store.
    #[serde(rename = "resourceVersion")]
    pub resource_version: String,
    /// Labels for selection.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Free text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub notes: String,
}

/// A page of resources.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct List<Item> {
    /// The kind of the list: `WorkerList`, ...
    pub kind: String,
    /// The store's revision that the page reflects.
    #[serde(rename = "resourceVersion")]
    pub resource_version: String,
    /// The resources, in the order of their names.
    pub items: Vec<Item>,
    /// The value of `?continue=` for the next page; absent on the last one.
    #[serde(rename = "continue", default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl<Item> List<Item> {
    /// Maps each item; missing ones are left out.
    pub(in crate::api) fn map<Shown>(self, shown: impl FnMut(Item) -> Option<Shown>) -> List<Shown> {
        let Self { kind, resource_version, items, next } = self;
        List { kind, resource_version, items: items.into_iter().filter_map(shown).collect(), next }
    }
}

impl Metadata {
    /// Returns the metadata of a name and a revision.
    pub(in crate::api) fn new(name: impl Into<String>, revision: u64) -> Self {
        Self { name: name.into(), resource_version: revision.to_string(), ..Self::default() }
    }
}

/// Returns a resource as an answer, with its version as `ETag` (RFC 9110).
pub(in crate::api) fn answer<Spec: Serialize, Status: Serialize>(
    status: StatusCode,
    resource: &Resource<Spec, Status>,
    dry_run: DryRun,
) -> Response {
    let mut response = (status, Json(resource)).into_response();
    let tag = HeaderValue::from_str(&format!("\"{}\"", resource.metadata.resource_version));
    if let Ok(tag) = tag {
        response.headers_mut().insert(header::ETAG, tag);
    }
    dry_run.mark(&mut response);
    response
}
