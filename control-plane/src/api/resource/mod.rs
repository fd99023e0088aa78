//! The shape of all resources of `/api/v1`: `metadata`, `spec`, `status`; with versions, pages and dry runs.

mod dry_run;
mod given;
mod page;
mod path_name;
mod precondition;

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use slotway_api_types::Resource;

pub(in crate::api) use dry_run::DryRun;
pub(in crate::api) use given::{Given, GivenMetadata, located, merged, read};
pub(in crate::api) use page::{PageQuery, bad_query, paged};
pub(in crate::api) use path_name::PathName;
pub(in crate::api) use precondition::Precondition;

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
