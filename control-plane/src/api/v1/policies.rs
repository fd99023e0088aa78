use std::{sync::Arc, time::Instant};

use axum::{
    Json,
    body::Bytes,
    extract::{Query, State, rejection::BytesRejection, rejection::QueryRejection},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use slotway_api_types::ResourceBody;
use slotway_config::PoolName;

use super::pools::named;
use crate::{
    api::{
        ApiState, List, Metadata, Problem, Resource,
        access::By,
        resource::{
            DryRun, Given, PageQuery, PathName, Precondition, answer, bad_query, merged, paged, read,
        },
    },
    error::Error,
    workers::PoolsState,
};

/// What a policy's resource says that it is.
pub(super) const KIND: &str = "Policy";

/// How a pool treats its requests.
pub(super) type Policy = Resource<slotway_config::Policy, PolicyStatus>;

/// What somebody wants of a policy, as the API's description shows it.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "it describes the JSON and is never built")]
pub(in crate::api) struct PolicySpec {
    /// How long a request waits for a slot before it gets 503; `0` refuses at once; `30s` if not said.
    #[schema(example = "30s")]
    free_worker_timeout: Option<String>,
    /// How many requests may wait; the next one is refused at once. 1024 if not said.
    #[schema(maximum = 65_536)]
    max_waiting: Option<u32>,
    /// How long a slot stays taken after its request was abandoned; `0` if not said.
    #[schema(example = "5s")]
    abandoned_hold: Option<String>,
    /// How long a worker may take for its whole answer; `0` is for ever; `10m` if not said.
    #[schema(example = "10m")]
    answer_timeout: Option<String>,
}

/// Nothing: what comes of a policy is shown by its pool.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PolicyStatus {}

/// The policy of a pool that is there.
pub(super) fn resource(roster: &PoolsState, name: &PoolName) -> Option<Policy> {
    let record = roster.pools().policy(name)?;
    Some(Resource {
        kind: KIND.to_owned(),
        metadata: Metadata::new(name.as_str(), record.revision),
        spec: record.policy,
        status: PolicyStatus {},
    })
}

/// The version of the policy of a pool that is there.
pub(super) fn version(roster: &PoolsState, name: &PoolName) -> Option<u64> {
    roster.pools().policy(name).map(|record| record.revision)
}

/// Lists the pools' policies.
#[utoipa::path(get, path = "/api/v1/policies", operation_id = "list_policies", params(
    ("limit" = Option<usize>, Query, description = "At most so many, from 1 to 1000; 500 if absent", minimum = 1, maximum = 1000),
    ("continue" = Option<String>, Query, description = "The `continue` of the page before"),
), responses(
    (status = 200, description = "A page of policies, in the order of their pools' names", body = List<Resource<PolicySpec, PolicyStatus>>),
    (status = 400, description = "Not a page", body = Problem),
    (status = 401, description = "It is not known who asks", body = Problem),
))]
pub(in crate::api) async fn list(
    State(state): State<ApiState>,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Json<List<Policy>>, Error> {
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
    (status = 401, description = "It is not known who asks", body = Problem),
    (status = 404, description = "There is no such pool", body = Problem),
))]
pub(in crate::api) async fn get(
    State(state): State<ApiState>,
    PathName(name): PathName,
) -> Result<Response, Error> {
    let roster = state.workers.view(Instant::now()).state;
    let name = named(&roster, &name)?;
    shown(&roster, &name, DryRun::NO)
}

/// Makes a pool's policy so: what the body does not say is as in a new pool.
#[utoipa::path(put, path = "/api/v1/policies/{name}", operation_id = "put_policy", params(
    ("name" = String, Path, description = "The pool's name"),
    ("dry_run" = Option<bool>, Query, description = "Only try it out"),
), request_body = ResourceBody<PolicySpec>, responses(
    (status = 200, description = "It is so", body = Resource<PolicySpec, PolicyStatus>),
    (status = 400, description = "It is not right; nothing was changed", body = Problem),
    (status = 401, description = "It is not known who asks", body = Problem),
    (status = 403, description = "They may not", body = Problem),
    (status = 404, description = "There is no such pool; make the pool first", body = Problem),
    (status = 412, description = "It is another version that is there", body = Problem),
    (status = 415, description = "Not JSON", body = Problem),
))]
pub(in crate::api) async fn put(
    By(who): By,
    State(state): State<ApiState>,
    PathName(name): PathName,
    precondition: Precondition,
    dry_run: DryRun,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Error> {
    let given: Given<slotway_config::Policy> = read(&headers, body)?;
    given.is_of(KIND, &name)?;
    given.metadata.has_no_labels()?;
    let precondition = precondition.and_body(given.metadata.resource_version.as_deref())?;
    let make = |next: &mut PoolsState| -> Result<_, Error> {
        let name = named(next, &name)?;
        if !next.pools().has(&name) {
            return Err(next.unknown_pool(&name).into());
        }
        precondition.check(version(next, &name))?;
        next.put_policy(&name, given.spec)?;
        Ok(name)
    };
    let (name, roster) = state.workers.change(who, dry_run.0, make).await?;
    shown(&roster, &name, dry_run)
}

/// Changes what the body says of a pool's policy (RFC 7396).
#[utoipa::path(patch, path = "/api/v1/policies/{name}", operation_id = "patch_policy", params(
    ("name" = String, Path, description = "The pool's name"),
    ("dry_run" = Option<bool>, Query, description = "Only try it out"),
), request_body(content = Object, content_type = "application/merge-patch+json"), responses(
    (status = 200, description = "It is so", body = Resource<PolicySpec, PolicyStatus>),
    (status = 400, description = "It is not right; nothing was changed", body = Problem),
    (status = 401, description = "It is not known who asks", body = Problem),
    (status = 403, description = "They may not", body = Problem),
    (status = 404, description = "There is no such pool", body = Problem),
    (status = 412, description = "It is another version that is there", body = Problem),
    (status = 415, description = "Not JSON", body = Problem),
))]
pub(in crate::api) async fn patch(
    By(who): By,
    State(state): State<ApiState>,
    PathName(name): PathName,
    precondition: Precondition,
    dry_run: DryRun,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Error> {
    let patch: Value = read(&headers, body)?;
    let make = |next: &mut PoolsState| -> Result<_, Error> {
        let name = named(next, &name)?;
        let there = next.pools().policy(&name).ok_or_else(|| next.unknown_pool(&name))?;
        let (version, there) = (there.revision, json!({ "spec": there.policy }));
        let given: Given<slotway_config::Policy> = merged(there, patch.clone())?;
        given.is_of(KIND, name.as_str())?;
        given.metadata.has_no_labels()?;
        precondition.and_body(given.metadata.resource_version.as_deref())?.check(Some(version))?;
        next.put_policy(&name, given.spec)?;
        Ok(name)
    };
    let (name, roster) = state.workers.change(who, dry_run.0, make).await?;
    shown(&roster, &name, dry_run)
}

/// The answer with a policy as it is in a roster.
fn shown(roster: &Arc<PoolsState>, name: &PoolName, dry_run: DryRun) -> Result<Response, Error> {
    let policy = resource(roster, name).ok_or_else(|| roster.unknown_pool(name))?;
    Ok(answer(StatusCode::OK, &policy, dry_run))
}
