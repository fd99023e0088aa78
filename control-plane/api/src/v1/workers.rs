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
    kinds::{WorkerCondition, WorkerSpec, WorkerStatus},
};
use slotway_config::WorkerUrl;

use super::worker_query::WorkerQuery;
use crate::ApiError;
use crate::{
    ApiState, List, Metadata, Problem, Resource,
    access::RequestAuthor,
    pool_types::{worker_spec, worker_status},
    resource::{BodyMetadata, DryRun, PathName, Precondition, RequestBody, answer, merged, paged, read},
};
use slotway_pools::{PoolsState, StatusView, WantedWorker, WorkerRecord};

/// The kind of a worker.
pub(super) const KIND: &str = "Worker";

/// A worker.
pub(super) type Worker = Resource<WorkerSpec, WorkerStatus>;

/// Returns a worker, also a draining one.
pub(super) fn resource(view: &StatusView<'_>, url: &WorkerUrl) -> Option<Worker> {
    let record = view.state.shown_worker(url)?;
    Some(of(url, record, view.worker(url, record)))
}

fn of(url: &WorkerUrl, record: &WorkerRecord, status: slotway_pools::WorkerStatus) -> Worker {
    let metadata = Metadata {
        labels: record.labels.clone().into(),
        notes: record.notes.clone().into(),
        ..Metadata::new(url.as_str(), record.revision)
    };
    let (spec, status) = (worker_spec(record.spec()), worker_status(status));
    Resource { kind: KIND.to_owned(), metadata, spec, status }
}

/// Returns the version of a worker, if it exists.
pub(super) fn version(roster: &PoolsState, url: &WorkerUrl) -> Option<u64> {
    roster.shown_worker(url).map(|record| record.revision)
}

/// Parses a name as a base URL.
///
/// # Errors
/// [`ApiError::BadBody`].
pub(super) fn named(name: &str) -> Result<WorkerUrl, ApiError> {
    name.parse().map_err(|error: slotway_config::ConfigError| ApiError::BadBody {
        index: None,
        field: Some("metadata.name".to_owned()),
        reason: error.to_string(),
    })
}

/// Returns the desired worker of a request.
///
/// # Errors
/// [`ApiError::BadBody`].
pub(super) fn wanted(
    worker: WorkerUrl,
    metadata: BodyMetadata,
    spec: slotway_pools::WorkerSpec,
) -> Result<WantedWorker, ApiError> {
    let bad = |field: &str, reason| ApiError::BadBody { index: None, field: Some(field.to_owned()), reason };
    let labels = metadata.labels.try_into().map_err(|reason| bad("metadata.labels", reason))?;
    let notes = metadata.notes.try_into().map_err(|reason| bad("metadata.notes", reason))?;
    Ok(WantedWorker { worker, spec, labels, notes })
}

/// Checks kind and name; another spelling of the URL is the same name.
fn is_of(body: &RequestBody<slotway_pools::WorkerSpec>, url: &WorkerUrl) -> Result<(), ApiError> {
    match &body.metadata.name {
        Some(name) if named(name)? == *url => body.is_of(KIND, name),
        _ => body.is_of(KIND, url.as_str()),
    }
}

/// Lists the workers.
#[utoipa::path(get, path = "/api/v1/workers", operation_id = "list_workers_v1", params(
    ("limit" = Option<usize>, Query, description = "Largest number of items, 1 to 1000; 500 by default", minimum = 1, maximum = 1000),
    ("continue" = Option<String>, Query, description = "The `continue` of the previous page"),
    ("pool" = Option<String>, Query, description = "Only workers of this pool"),
    ("state" = Option<WorkerCondition>, Query, description = "Only workers in this state"),
    ("label" = Option<Vec<String>>, Query, description = "Only workers with this label, `name=value`; several labels all have to match"),
), responses(
    (status = 200, description = "A page of workers, sorted by name", body = List<Resource<WorkerSpec, WorkerStatus>>),
    (status = 400, description = "Invalid page", body = Problem),
    (status = 401, description = "Authentication required", body = Problem),
))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Result<Json<List<Worker>>, ApiError> {
    let query = WorkerQuery::read(query)?;
    let view = state.workers.view(Instant::now());
    let found = view.workers().into_iter().filter(|(_, record, status)| query.wants(record, status));
    let page = paged(KIND, view.state.revision(), &query.page, found, |(url, ..)| url.as_str())?;
    Ok(Json(page.map(|(url, record, status)| Some(of(url, record, status)))))
}

/// Shows a worker, also a draining one.
#[utoipa::path(get, path = "/api/v1/workers/{name}", operation_id = "get_worker", params(
    ("name" = String, Path, description = "The base URL, percent-encoded"),
), responses(
    (status = 200, description = "The worker", body = Resource<WorkerSpec, WorkerStatus>),
    (status = 400, description = "Not a worker's base URL", body = Problem),
    (status = 401, description = "Authentication required", body = Problem),
    (status = 404, description = "Unknown worker", body = Problem),
))]
pub(crate) async fn get(
    State(state): State<ApiState>,
    PathName(name): PathName,
) -> Result<Response, ApiError> {
    let url = named(&name)?;
    let view = state.workers.view(Instant::now());
    let worker = resource(&view, &url).ok_or_else(|| view.state.unknown_worker(&url))?;
    Ok(answer(StatusCode::OK, &worker, DryRun::NO))
}

/// Creates or replaces a worker. Missing fields take their defaults, but the worker stays in its pool, and keeps `cordoned`.
#[utoipa::path(put, path = "/api/v1/workers/{name}", operation_id = "put_worker", params(
    ("name" = String, Path, description = "The base URL, percent-encoded"),
    ("dry_run" = Option<bool>, Query, description = "Validate only; change nothing"),
), request_body = ResourceBody<WorkerSpec>, responses(
    (status = 200, description = "Changed", body = Resource<WorkerSpec, WorkerStatus>),
    (status = 201, description = "Created", body = Resource<WorkerSpec, WorkerStatus>),
    (status = 400, description = "Invalid request; nothing was changed", body = Problem),
    (status = 401, description = "Authentication required", body = Problem),
    (status = 403, description = "Forbidden", body = Problem),
    (status = 409, description = "The pool would exceed its limits; nothing was changed", body = Problem),
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
    let url = named(&name)?;
    let body: RequestBody<slotway_pools::WorkerSpec> = read(&headers, body)?;
    is_of(&body, &url)?;
    let precondition = precondition.and_body(body.metadata.resource_version.as_deref())?;
    let wanted = wanted(url.clone(), body.metadata, body.spec)?;
    let context = state.workers.context(who.clone());
    let make = |next: &mut PoolsState| -> Result<_, ApiError> {
        let before = version(next, &wanted.worker);
        precondition.check(before)?;
        next.put_worker(wanted.clone(), &context)?;
        Ok(before.is_none())
    };
    let (is_new, roster) = state.workers.change(who, dry_run.0, make).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    shown(&state, roster, &url, status, dry_run)
}

/// Changes fields of a worker (RFC 7396).
#[utoipa::path(patch, path = "/api/v1/workers/{name}", operation_id = "patch_worker", params(
    ("name" = String, Path, description = "The base URL, percent-encoded"),
    ("dry_run" = Option<bool>, Query, description = "Validate only; change nothing"),
), request_body(content = Object, content_type = "application/merge-patch+json"), responses(
    (status = 200, description = "Changed", body = Resource<WorkerSpec, WorkerStatus>),
    (status = 400, description = "Invalid request; nothing was changed", body = Problem),
    (status = 401, description = "Authentication required", body = Problem),
    (status = 403, description = "Forbidden", body = Problem),
    (status = 404, description = "Unknown worker", body = Problem),
    (status = 409, description = "The pool would exceed its limits; nothing was changed", body = Problem),
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
    let url = named(&name)?;
    let patch: Value = read(&headers, body)?;
    let (context, own) = (state.workers.context(who.clone()), url.clone());
    let make = |next: &mut PoolsState| -> Result<_, ApiError> {
        let there = next.worker(&own).ok_or_else(|| next.unknown_worker(&own))?;
        let as_json = json!({
            "metadata": { "labels": there.labels.clone(), "notes": there.notes.clone() },
            "spec": worker_spec(there.spec()),
        });
        let body: RequestBody<slotway_pools::WorkerSpec> = merged(as_json, patch.clone())?;
        is_of(&body, &own)?;
        precondition.and_body(body.metadata.resource_version.as_deref())?.check(Some(there.revision))?;
        next.put_worker(wanted(own.clone(), body.metadata, body.spec)?, &context)?;
        Ok(())
    };
    let ((), roster) = state.workers.change(who, dry_run.0, make).await?;
    shown(&state, roster, &url, StatusCode::OK, dry_run)
}

/// Removes a worker: it gets no further requests, and disappears once its requests have ended.
#[utoipa::path(delete, path = "/api/v1/workers/{name}", operation_id = "delete_worker", params(
    ("name" = String, Path, description = "The base URL, percent-encoded"),
    ("dry_run" = Option<bool>, Query, description = "Validate only; change nothing"),
), responses(
    (status = 200, description = "Deleted; the last state", body = Resource<WorkerSpec, WorkerStatus>),
    (status = 202, description = "It is draining", body = Resource<WorkerSpec, WorkerStatus>),
    (status = 400, description = "Not a worker's base URL", body = Problem),
    (status = 401, description = "Authentication required", body = Problem),
    (status = 403, description = "Forbidden", body = Problem),
    (status = 404, description = "Unknown worker", body = Problem),
    (status = 412, description = "Version conflict", body = Problem),
))]
pub(crate) async fn remove(
    RequestAuthor(who): RequestAuthor,
    State(state): State<ApiState>,
    PathName(name): PathName,
    precondition: Precondition,
    dry_run: DryRun,
) -> Result<Response, ApiError> {
    let url = named(&name)?;
    let own = url.clone();
    let make = |next: &mut PoolsState| -> Result<_, ApiError> {
        let before = next.clone();
        if next.shown_worker(&own).is_none() {
            return Err(next.unknown_worker(&own).into());
        }
        precondition.check(version(next, &own))?;
        next.remove(&own)?;
        Ok(before)
    };
    let (before, mut roster) = state.workers.change(who, dry_run.0, make).await?;
    let now = Instant::now();
    let drains = if dry_run.0 {
        let since = roster.worker(&url).and_then(|record| record.membership.drains_since());
        since.is_none_or(|since| !state.workers.has_drained(&url, since, now))
    } else {
        // The removal is made even if the worker cannot be released at once.
        if let Err(error) = state.workers.settle(now).await {
            tracing::warn!("a removed worker cannot be released: {error}");
        }
        roster = state.workers.view(now).state;
        roster.shown_worker(&url).is_some()
    };
    if drains {
        return shown(&state, roster, &url, StatusCode::ACCEPTED, dry_run);
    }
    shown(&state, before.into(), &url, StatusCode::OK, dry_run)
}

/// Returns the answer with a worker.
pub(super) fn shown(
    state: &ApiState,
    roster: Arc<PoolsState>,
    url: &WorkerUrl,
    status: StatusCode,
    dry_run: DryRun,
) -> Result<Response, ApiError> {
    let view = state.workers.view_of(roster, Instant::now());
    let worker = resource(&view, url).ok_or_else(|| view.state.unknown_worker(url))?;
    Ok(answer(status, &worker, dry_run))
}
