//! The shape of all resources of `/api/v1`: `metadata`, `spec`, `status`; with versions, pages and dry runs.

mod body;
mod dry_run;
mod page;
mod path_name;
mod precondition;
mod unique_names;

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use slotway_api_types::Resource;

pub(crate) use body::{BodyMetadata, RequestBody, located, media_type, merged, read};
pub(crate) use dry_run::DryRun;
pub(crate) use page::{PageQuery, bad_query, paged};
pub(crate) use path_name::PathName;
pub(crate) use precondition::Precondition;

/// Returns a resource as an answer, with its version as `ETag` (RFC 9110).
pub(crate) fn answer<Spec: Serialize, Status: Serialize>(
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
