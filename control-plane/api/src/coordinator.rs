use std::time::Instant;

use axum::{
    Json,
    body::Bytes,
    extract::{Query, State, rejection::BytesRejection, rejection::QueryRejection},
    http::{HeaderMap, StatusCode, header},
};
use serde::Deserialize;
use slotway_api_types::kinds::{RemovedWorker, WorkerRow};
use slotway_config::{WorkerUrl, limits};

use super::{ApiState, Problem, access::RequestAuthor, pool_types::worker_row};
use crate::ApiError;
use slotway_pools::WorkerEntry;

/// The largest number of workers of one request.
const ENTRIES_MAX: usize = limits::WORKERS_PER_POOL_MAX;
/// The largest body of a request, in bytes; axum's own limit is 2 MiB, too.
pub(super) const BODY_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Lists the workers.
#[utoipa::path(get, path = "/coordinator/workers", responses(
    (status = 200, description = "The workers with their figures", body = Vec<WorkerRow>),
    (status = 401, description = "Authentication required", body = Problem),
))]
pub(super) async fn list_workers(State(state): State<ApiState>) -> Json<Vec<WorkerRow>> {
    Json(rows(&state))
}

/// Returns the workers with their present figures.
fn rows(state: &ApiState) -> Vec<WorkerRow> {
    state.workers.overview(Instant::now()).into_iter().map(worker_row).collect()
}

/// Creates or changes workers: the whole list or nothing.
#[utoipa::path(post, path = "/coordinator/workers", request_body = Vec<WorkerBody>, responses(
    (status = 200, description = "All workers after the change", body = Vec<WorkerRow>),
    (status = 400, description = "Invalid request; nothing was changed", body = Problem),
    (status = 401, description = "Authentication required", body = Problem),
    (status = 409, description = "A worker is in another pool; nothing was changed", body = Problem),
))]
pub(super) async fn put_workers(
    RequestAuthor(who): RequestAuthor,
    State(state): State<ApiState>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Vec<WorkerRow>>, ApiError> {
    let entries = read_entries(&headers, body)?;
    state.workers.upsert(who, &entries).await?;
    Ok(Json(rows(&state)))
}

/// The worker to remove.
#[derive(Debug, Deserialize)]
pub(super) struct Removed {
    worker: String,
}

/// Removes a worker: it gets no further requests, and disappears once its requests have ended.
#[utoipa::path(delete, path = "/coordinator/workers", params(
    ("worker" = String, Query, description = "The worker's base URL"),
), responses(
    (status = 200, description = "Removed", body = RemovedWorker),
    (status = 202, description = "It is draining", body = RemovedWorker),
    (status = 400, description = "Not a worker's base URL", body = Problem),
    (status = 401, description = "Authentication required", body = Problem),
    (status = 404, description = "Unknown worker", body = Problem),
))]
pub(super) async fn delete_worker(
    RequestAuthor(who): RequestAuthor,
    State(state): State<ApiState>,
    query: Result<Query<Removed>, QueryRejection>,
) -> Result<(StatusCode, Json<RemovedWorker>), ApiError> {
    let bad = |reason: String| ApiError::BadBody { index: None, field: Some("worker".to_owned()), reason };
    let Query(Removed { worker }) =
        query.map_err(|_| bad("say which worker: DELETE /coordinator/workers?worker=URL".to_owned()))?;
    let url: WorkerUrl =
        worker.parse().map_err(|error: slotway_config::ConfigError| bad(error.to_string()))?;
    let still_drains = state.workers.remove(who, &url).await?;
    let (status, state) =
        if still_drains { (StatusCode::ACCEPTED, "draining") } else { (StatusCode::OK, "removed") };
    Ok((status, Json(RemovedWorker { worker: url.to_string(), state: state.to_owned() })))
}

/// The schema of one worker of the list; [`WorkerEntry`] is the type that is read.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "it describes the JSON and is never built")]
pub(super) struct WorkerBody {
    /// The base URL.
    #[schema(example = "http://127.0.0.1:9001")]
    worker: String,
    /// The largest number of its simultaneous requests.
    #[schema(minimum = 1, maximum = 65_535)]
    capacity: u32,
    /// Its pool. By default it stays in its pool; a new worker joins the first pool.
    pool: Option<String>,
    /// `http1` or `http2`. By default unchanged, for a new worker `http1`.
    protocol: Option<String>,
    /// `per_request` or `reuse`. By default unchanged, for a new worker `per_request` with `http1` and `reuse` with `http2`.
    connections: Option<String>,
    /// How its certificate is checked, for https; by default unchanged.
    tls: Option<TlsBody>,
}

/// How a worker's certificate is checked.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "it describes the JSON and is never built")]
struct TlsBody {
    /// A PEM file on Envoy's machine with the trusted authorities.
    ca_file: Option<String>,
    /// The name that it must bear; the URL's host by default.
    sni: Option<String>,
}

/// The media type has to be JSON: a page of another site cannot send that without a preflight request (CORS).
pub(super) fn json_body(headers: &HeaderMap, body: Result<Bytes, BytesRejection>) -> Result<Bytes, ApiError> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
        return Err(ApiError::NotJson);
    }
    body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => ApiError::TooLarge(BODY_BYTES_MAX),
        _ => bad_body(None, None, "the body is incomplete".to_owned()),
    })
}

fn bad_body(index: Option<usize>, field: Option<String>, reason: String) -> ApiError {
    ApiError::BadBody { index, field, reason }
}

fn read_entries(
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Vec<WorkerEntry>, ApiError> {
    let body = json_body(headers, body)?;
    let reader = &mut serde_json::Deserializer::from_slice(&body);
    let entries: Vec<WorkerEntry> = serde_path_to_error::deserialize(&mut *reader).map_err(|error| {
        let path = error.path().to_string();
        let mut steps = path.splitn(2, ']');
        let index =
            steps.next().and_then(|first| first.strip_prefix('[')).and_then(|index| index.parse().ok());
        let rest = steps.next().map(|rest| rest.trim_start_matches('.')).filter(|rest| !rest.is_empty());
        let field = index.and(rest).map(str::to_owned);
        bad_body(index, field, error.into_inner().to_string())
    })?;
    reader.end().map_err(|error| bad_body(None, None, error.to_string()))?;
    if entries.is_empty() {
        return Err(bad_body(None, None, "the list is empty: name at least one worker".to_owned()));
    }
    if entries.len() > ENTRIES_MAX {
        let reason = format!("{} workers are too many for one request: at most {ENTRIES_MAX}", entries.len());
        return Err(bad_body(None, None, reason));
    }
    Ok(entries)
}
