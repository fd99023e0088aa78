use std::time::Instant;

use axum::{
    Json,
    body::Bytes,
    extract::{Query, State, rejection::BytesRejection, rejection::QueryRejection},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde_json::{Value, json};
use slotway_api_types::{
    ResourceBody,
    kinds::{PoolSpec, PoolStatus},
};
use slotway_config::PoolName;

use crate::ApiError;
use crate::{
    ApiState, List, Metadata, Problem, Resource,
    access::RequestAuthor,
    pool_types::{pool_spec, pool_status},
    resource::{
        DryRun, PageQuery, PathName, Precondition, RequestBody, answer, bad_query, merged, paged, read,
    },
};
use slotway_pools::{PoolsState, StatusView};

/// The kind of a pool.
pub(super) const KIND: &str = "Pool";

/// A pool.
pub(super) type Pool = Resource<PoolSpec, PoolStatus>;

/// Returns a pool, if it exists.
pub(super) fn resource(view: &StatusView<'_>, name: &PoolName) -> Option<Pool> {
    Some(Resource {
        kind: KIND.to_owned(),
        metadata: Metadata::new(name.as_str(), version(&view.state, name)?),
        spec: pool_spec(view.state.pool_spec(name)?),
        status: pool_status(view.pool(name)),
    })
}

/// Returns the version of a pool, if it exists.
pub(super) fn version(roster: &PoolsState, name: &PoolName) -> Option<u64> {
    roster.pools().get(name).map(|record| record.revision)
}

/// Returns the pool of a path.
pub(super) fn named(roster: &PoolsState, name: &str) -> Result<PoolName, ApiError> {
    name.parse().map_err(|_| {
        let known = roster.pools().names().iter().map(ToString::to_string).collect();
        ApiError::UnknownPool { pool: name.to_owned(), known }
    })
}

/// Parses the name of a pool.
///
/// # Errors
/// [`ApiError::BadBody`].
pub(super) fn parse_name(name: &str) -> Result<PoolName, ApiError> {
    name.parse().map_err(|error: slotway_config::ConfigError| ApiError::BadBody {
        index: None,
        field: Some("metadata.name".to_owned()),
        reason: error.to_string(),
    })
}

/// Lists the pools.
#[utoipa::path(get, path = "/api/v1/pools", operation_id = "list_pools", params(
    ("limit" = Option<usize>, Query, description = "Largest number of items, 1 to 1000; 500 by default", minimum = 1, maximum = 1000),
    ("continue" = Option<String>, Query, description = "The `continue` of the previous page"),
), responses(
    (status = 200, description = "A page of pools, sorted by name", body = List<Resource<PoolSpec, PoolStatus>>),
    (status = 400, description = "Invalid page", body = Problem),
    (status = 401, description = "Authentication required", body = Problem),
))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Json<List<Pool>>, ApiError> {
    let Query(query) = query.map_err(|rejection| bad_query(&rejection, "limit and continue"))?;
    let view = state.workers.view(Instant::now());
    let mut names = view.state.pools().names();
    names.sort();
    let page = paged(KIND, view.state.revision(), &query, names, PoolName::as_str)?;
    Ok(Json(page.map(|name| resource(&view, &name))))
}

/// Shows a pool.
#[utoipa::path(get, path = "/api/v1/pools/{name}", operation_id = "get_pool", params(
    ("name" = String, Path, description = "The pool's name"),
), responses(
    (status = 200, description = "The pool", body = Resource<PoolSpec, PoolStatus>),
    (status = 401, description = "Authentication required", body = Problem),
    (status = 404, description = "Unknown pool", body = Problem),
))]
pub(crate) async fn get(
    State(state): State<ApiState>,
    PathName(name): PathName,
) -> Result<Response, ApiError> {
    let view = state.workers.view(Instant::now());
    let name = named(&view.state, &name)?;
    let pool = resource(&view, &name).ok_or_else(|| view.state.unknown_pool(&name))?;
    Ok(answer(StatusCode::OK, &pool, DryRun::NO))
}

/// Creates or replaces a pool.
#[utoipa::path(put, path = "/api/v1/pools/{name}", operation_id = "put_pool", params(
    ("name" = String, Path, description = "The pool's name"),
    ("dry_run" = Option<bool>, Query, description = "Validate only; change nothing"),
), request_body = ResourceBody<PoolSpec>, responses(
    (status = 200, description = "Changed", body = Resource<PoolSpec, PoolStatus>),
    (status = 201, description = "Created", body = Resource<PoolSpec, PoolStatus>),
    (status = 400, description = "Invalid request; nothing was changed", body = Problem),
    (status = 401, description = "Authentication required", body = Problem),
    (status = 403, description = "Forbidden", body = Problem),
    (status = 409, description = "Another pool has the same match; nothing was changed", body = Problem),
    (status = 412, description = "Version conflict", body = Problem),
    (status = 415, description = "The body is not JSON", body = Problem),
))]
pub(crate) async fn put(
    RequestAuthor(who): RequestAuthor,
    State(state): State<ApiState>,
    PathName(name): PathName,
    precondition: Precondition,
    dry_run: DryRun,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    let body: RequestBody<slotway_pools::PoolSpec> = read(&headers, body)?;
    body.is_of(KIND, &name)?;
    body.metadata.has_no_labels()?;
    let name = parse_name(&name)?;
    let precondition = precondition.and_body(body.metadata.resource_version.as_deref())?;
    let own = name.clone();
    let make = |next: &mut PoolsState| -> Result<_, ApiError> {
        let before = version(next, &own);
        precondition.check(before)?;
        next.put_pools([(own.clone(), body.spec.clone())]);
        Ok(before.is_none())
    };
    let (is_new, roster) = state.workers.change(who, dry_run.0, make).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    shown(&state, roster, &name, status, dry_run)
}

/// Changes fields of a pool (RFC 7396).
#[utoipa::path(patch, path = "/api/v1/pools/{name}", operation_id = "patch_pool", params(
    ("name" = String, Path, description = "The pool's name"),
    ("dry_run" = Option<bool>, Query, description = "Validate only; change nothing"),
), request_body(content = Object, content_type = "application/merge-patch+json"), responses(
    (status = 200, description = "Changed", body = Resource<PoolSpec, PoolStatus>),
    (status = 400, description = "Invalid request; nothing was changed", body = Problem),
    (status = 401, description = "Authentication required", body = Problem),
    (status = 403, description = "Forbidden", body = Problem),
    (status = 404, description = "Unknown pool", body = Problem),
    (status = 409, description = "Another pool has the same match; nothing was changed", body = Problem),
    (status = 412, description = "Version conflict", body = Problem),
    (status = 415, description = "The body is not JSON", body = Problem),
))]
pub(crate) async fn patch(
    RequestAuthor(who): RequestAuthor,
    State(state): State<ApiState>,
    PathName(name): PathName,
    precondition: Precondition,
    dry_run: DryRun,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    let patch: Value = read(&headers, body)?;
    let make = |next: &mut PoolsState| -> Result<_, ApiError> {
        let name = named(next, &name)?;
        let there = next.pool_spec(&name).ok_or_else(|| next.unknown_pool(&name))?;
        let body: RequestBody<slotway_pools::PoolSpec> =
            merged(json!({ "spec": pool_spec(there) }), patch.clone())?;
        body.is_of(KIND, name.as_str())?;
        body.metadata.has_no_labels()?;
        precondition.and_body(body.metadata.resource_version.as_deref())?.check(version(next, &name))?;
        next.put_pools([(name.clone(), body.spec)]);
        Ok(name)
    };
    let (name, roster) = state.workers.change(who, dry_run.0, make).await?;
    shown(&state, roster, &name, StatusCode::OK, dry_run)
}

/// Deletes a pool without workers, with its policy.
#[utoipa::path(delete, path = "/api/v1/pools/{name}", operation_id = "delete_pool", params(
    ("name" = String, Path, description = "The pool's name"),
    ("dry_run" = Option<bool>, Query, description = "Validate only; change nothing"),
), responses(
    (status = 200, description = "Deleted; the last state", body = Resource<PoolSpec, PoolStatus>),
    (status = 401, description = "Authentication required", body = Problem),
    (status = 403, description = "Forbidden", body = Problem),
    (status = 404, description = "Unknown pool", body = Problem),
    (status = 409, description = "It has workers, or is the only pool", body = Problem),
    (status = 412, description = "Version conflict", body = Problem),
))]
pub(crate) async fn remove(
    RequestAuthor(who): RequestAuthor,
    State(state): State<ApiState>,
    PathName(name): PathName,
    precondition: Precondition,
    dry_run: DryRun,
) -> Result<Response, ApiError> {
    let make = |next: &mut PoolsState| -> Result<_, ApiError> {
        let name = named(next, &name)?;
        if !next.pools().has(&name) {
            return Err(next.unknown_pool(&name).into());
        }
        precondition.check(version(next, &name))?;
        let before = next.clone();
        next.delete_pool(&name)?;
        Ok((name, before))
    };
    let ((name, before), _) = state.workers.change(who, dry_run.0, make).await?;
    shown(&state, before.into(), &name, StatusCode::OK, dry_run)
}

/// Returns the answer with a pool.
fn shown(
    state: &ApiState,
    roster: std::sync::Arc<PoolsState>,
    name: &PoolName,
    status: StatusCode,
    dry_run: DryRun,
) -> Result<Response, ApiError> {
    let view = state.workers.view_of(roster, Instant::now());
    let pool = resource(&view, name).ok_or_else(|| view.state.unknown_pool(name))?;
    Ok(answer(status, &pool, dry_run))
}
