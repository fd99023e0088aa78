//! The shape that all resources of `/api/v1` share: `metadata`, `spec`, `status`, and what goes with it: versions, pages, dry runs.

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

/// Something that can be looked at: what somebody wants, and what is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Resource<Spec, Status> {
    /// What it is: `Worker`, `Pool`, ...
    pub kind: String,
    /// Which one, and since when.
    pub metadata: Metadata,
    /// What somebody wants.
    pub spec: Spec,
    /// What is.
    pub status: Status,
}

/// Which resource, and since when it is so.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Metadata {
    /// Its name among its kind.
    pub name: String,
    /// The store's revision that wrote it last; `0` for what the store does not hold.
    #[serde(rename = "resourceVersion")]
    pub resource_version: String,
    /// What people sort by.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// What people write of it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub notes: String,
}

/// A page of resources.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct List<Item> {
    /// What they are: `WorkerList`, ...
    pub kind: String,
    /// The store's revision that the page reflects.
    #[serde(rename = "resourceVersion")]
    pub resource_version: String,
    /// The resources, in the order of their names.
    pub items: Vec<Item>,
    /// What `?continue=` takes for the next page; absent on the last one.
    #[serde(rename = "continue", default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl<Item> List<Item> {
    /// The page with what each of its items stands for; one that is gone meanwhile is left out.
    pub(in crate::api) fn map<Shown>(self, shown: impl FnMut(Item) -> Option<Shown>) -> List<Shown> {
        let Self { kind, resource_version, items, next } = self;
        List { kind, resource_version, items: items.into_iter().filter_map(shown).collect(), next }
    }
}

impl Metadata {
    /// Of a name, written by this revision of the store.
    pub(in crate::api) fn new(name: impl Into<String>, revision: u64) -> Self {
        Self { name: name.into(), resource_version: revision.to_string(), ..Self::default() }
    }
}

/// One resource as an answer: with its version as `ETag` (RFC 9110), and whether it was a dry run.
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
