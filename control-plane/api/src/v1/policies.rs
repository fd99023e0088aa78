use std::{sync::Arc, time::Instant};

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
    kinds::{PolicySpec, PolicyStatus},
};
use slotway_config::PoolName;

use super::pools::named;
use crate::ApiError;
use crate::{
    ApiState, List, Metadata, Problem, Resource,
    access::RequestAuthor,
    pool_types::policy_spec,
    resource::{
        DryRun, PageQuery, PathName, Precondition, RequestBody, answer, bad_query, merged, paged, read,
    },
};
use slotway_pools::PoolsState;

/// The kind of a policy.
pub(super) const KIND: &str = "Policy";

/// The policy of a pool.
pub(super) type Policy = Resource<PolicySpec, PolicyStatus>;

/// Returns the policy of a pool, if it exists.
pub(super) fn resource(roster: &PoolsState, name: &PoolName) -> Option<Policy> {
    let record = roster.pools().policy(name)?;
    Some(Resource {
        kind: KIND.to_owned(),
        metadata: Metadata::new(name.as_str(), record.revision),
        spec: policy_spec(record.policy),
        status: PolicyStatus {},
    })
}

/// Returns the version of a pool's policy, if it exists.
pub(super) fn version(roster: &PoolsState, name: &PoolName) -> Option<u64> {
    roster.pools().policy(name).map(|record| record.revision)
}

/// Lists the pools' policies.
#[utoipa::path(get, path = "/api/v1/policies", operation_id = "list_policies", params(
    ("limit" = Option<usize>, Query, description = "Largest number of items, 1 to 1000; 500 by default", minimum = 1, maximum = 1000),
    ("continue" = Option<String>, Query, description = "The `continue` of the previous page"),
), responses(
    (status = 200, description = "A page of policies, sorted by the pool's name", body = List<Resource<PolicySpec, PolicyStatus>>),
    (status = 400, description = "Invalid page", body = Problem),
    (status = 401, description = "Authentication required", body = Problem),
))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Json<List<Policy>>, ApiError> {
    let Query(query) = query.map_err(|rejection| bad_query(&rejection, "limit and continue"))?;
    let roster = state.workers.view(Instant::now()).state;
    let mut names = roster.pools().names();
    names.sort();
    let page = paged(KIND, roster.revision(), &query, names, PoolName::as_str)?;
    Ok(Json(page.map(|name| resource(&roster, &name))))
}

/// Shows a pool's policy.
#[utoipa::path(get, path = "/api/v1/policies/{name}", operation_id = "get_policy", params(
    ("name" = String, Path, description = "The pool's name"),
), responses(
    (status = 200, description = "The policy", body = Resource<PolicySpec, PolicyStatus>),
    (status = 401, description = "Authentication required", body = Problem),
    (status = 404, description = "Unknown pool", body = Problem),
))]
pub(crate) async fn get(
    State(state): State<ApiState>,
    PathName(name): PathName,
) -> Result<Response, ApiError> {
    let roster = state.workers.view(Instant::now()).state;
    let name = named(&roster, &name)?;
    shown(&roster, &name, DryRun::NO)
}

/// Replaces a pool's policy. Missing fields take their defaults.
#[utoipa::path(put, path = "/api/v1/policies/{name}", operation_id = "put_policy", params(
    ("name" = String, Path, description = "The pool's name"),
    ("dry_run" = Option<bool>, Query, description = "Validate only; change nothing"),
), request_body = ResourceBody<PolicySpec>, responses(
    (status = 200, description = "Changed", body = Resource<PolicySpec, PolicyStatus>),
    (status = 400, description = "Invalid request; nothing was changed", body = Problem),
    (status = 401, description = "Authentication required", body = Problem),
    (status = 403, description = "Forbidden", body = Problem),
    (status = 404, description = "Unknown pool; create the pool first", body = Problem),
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
    let body: RequestBody<slotway_config::Policy> = read(&headers, body)?;
    body.is_of(KIND, &name)?;
    body.metadata.has_no_labels()?;
    let precondition = precondition.and_body(body.metadata.resource_version.as_deref())?;
    let make = |next: &mut PoolsState| -> Result<_, ApiError> {
        let name = named(next, &name)?;
        if !next.pools().has(&name) {
            return Err(next.unknown_pool(&name).into());
        }
        precondition.check(version(next, &name))?;
        next.put_policy(&name, body.spec)?;
        Ok(name)
    };
    let (name, roster) = state.workers.change(who, dry_run.0, make).await?;
    shown(&roster, &name, dry_run)
}

/// Changes fields of a pool's policy (RFC 7396).
#[utoipa::path(patch, path = "/api/v1/policies/{name}", operation_id = "patch_policy", params(
    ("name" = String, Path, description = "The pool's name"),
    ("dry_run" = Option<bool>, Query, description = "Validate only; change nothing"),
), request_body(content = Object, content_type = "application/merge-patch+json"), responses(
    (status = 200, description = "Changed", body = Resource<PolicySpec, PolicyStatus>),
    (status = 400, description = "Invalid request; nothing was changed", body = Problem),
    (status = 401, description = "Authentication required", body = Problem),
    (status = 403, description = "Forbidden", body = Problem),
    (status = 404, description = "Unknown pool", body = Problem),
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
        let there = next.pools().policy(&name).ok_or_else(|| next.unknown_pool(&name))?;
        let (version, there) = (there.revision, json!({ "spec": policy_spec(there.policy) }));
        let body: RequestBody<slotway_config::Policy> = merged(there, patch.clone())?;
        body.is_of(KIND, name.as_str())?;
        body.metadata.has_no_labels()?;
        precondition.and_body(body.metadata.resource_version.as_deref())?.check(Some(version))?;
        next.put_policy(&name, body.spec)?;
        Ok(name)
    };
    let (name, roster) = state.workers.change(who, dry_run.0, make).await?;
    shown(&roster, &name, dry_run)
}

/// Returns the answer with a policy.
fn shown(roster: &Arc<PoolsState>, name: &PoolName, dry_run: DryRun) -> Result<Response, ApiError> {
    let policy = resource(roster, name).ok_or_else(|| roster.unknown_pool(name))?;
    Ok(answer(StatusCode::OK, &policy, dry_run))
}
