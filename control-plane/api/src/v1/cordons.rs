use axum::{
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::Deserialize;
use slotway_api_types::kinds::{WorkerSpec, WorkerStatus};
use slotway_config::WorkerUrl;

use super::workers::{named, shown, version};
use crate::ApiError;
use crate::{
    ApiState, Problem, Resource,
    access::RequestAuthor,
    resource::{DryRun, PathName, Precondition, read},
};
use slotway_pools::{Cordon, PoolsError, PoolsState};
use slotway_store::Who;

/// A reason.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reason {
    /// The text, at most 256 bytes.
    #[serde(default)]
    reason: String,
}

impl Reason {
    /// Reads an optional body with a reason.
    fn read(headers: &HeaderMap, body: Result<Bytes, BytesRejection>) -> Result<Self, ApiError> {
        if body.as_ref().is_ok_and(|body| body.is_empty()) {
            return Ok(Self::default());
        }
        let body: Self = read(headers, body)?;
        Cordon::check_reason(&body.reason).map_err(|reason| ApiError::BadBody {
            index: None,
            field: Some("reason".to_owned()),
            reason,
        })?;
        Ok(body)
    }
}

/// An action on a worker with its precondition.
struct Request {
    who: Who,
    url: WorkerUrl,
    precondition: Precondition,
    dry_run: DryRun,
}

impl Request {
    async fn make(
        self,
        state: &ApiState,
        act: impl Fn(&mut PoolsState, &WorkerUrl) -> Result<(), PoolsError>,
    ) -> Result<Response, ApiError> {
        let Self { who, url, precondition, dry_run } = self;
        let own = url.clone();
        let make = |next: &mut PoolsState| -> Result<_, ApiError> {
            if next.worker(&own).is_none() {
                return Err(next.unknown_worker(&own).into());
            }
            precondition.check(version(next, &own))?;
            Ok(act(next, &own)?)
        };
        let ((), roster) = state.workers.change(who, dry_run.0, make).await?;
        shown(state, roster, &url, StatusCode::OK, dry_run)
    }
}

/// Cordons a worker: it gets no further requests, and stays.
#[utoipa::path(post, path = "/api/v1/workers/{name}/cordon", operation_id = "cordon_worker", params(
    ("name" = String, Path, description = "The base URL, percent-encoded"),
    ("dry_run" = Option<bool>, Query, description = "Validate only; change nothing"),
), request_body = Option<Reason>, responses(
    (status = 200, description = "It gets no further requests", body = Resource<WorkerSpec, WorkerStatus>),
    (status = 400, description = "Invalid request; nothing was changed", body = Problem),
    (status = 401, description = "Authentication required", body = Problem),
    (status = 403, description = "Forbidden", body = Problem),
    (status = 404, description = "Unknown worker", body = Problem),
    (status = 412, description = "Version conflict", body = Problem),
    (status = 415, description = "The body is not JSON", body = Problem),
))]
pub(crate) async fn cordon(
    RequestAuthor(who): RequestAuthor,
    State(state): State<ApiState>,
    PathName(name): PathName,
    precondition: Precondition,
    dry_run: DryRun,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    let Reason { reason } = Reason::read(&headers, body)?;
    let context = state.workers.context(who.clone());
    let request = Request { who, url: named(&name)?, precondition, dry_run };
    request.make(&state, move |next, url| next.cordon(url, &reason, &context)).await
}

/// Drains a worker: it gets no further requests, and is `drained` once its requests have ended. It stays.
#[utoipa::path(post, path = "/api/v1/workers/{name}/drain", operation_id = "drain_worker", params(
    ("name" = String, Path, description = "The base URL, percent-encoded"),
    ("dry_run" = Option<bool>, Query, description = "Validate only; change nothing"),
), request_body = Option<Reason>, responses(
    (status = 200, description = "It gets no further requests; `status` shows when it is drained", body = Resource<WorkerSpec, WorkerStatus>),
    (status = 400, description = "Invalid request; nothing was changed", body = Problem),
    (status = 401, description = "Authentication required", body = Problem),
    (status = 403, description = "Forbidden", body = Problem),
    (status = 404, description = "Unknown worker", body = Problem),
    (status = 412, description = "Version conflict", body = Problem),
    (status = 415, description = "The body is not JSON", body = Problem),
))]
pub(crate) async fn drain(
    by: RequestAuthor,
    state: State<ApiState>,
    name: PathName,
    precondition: Precondition,
    dry_run: DryRun,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    // A worker that gets no requests drains by itself.
    cordon(by, state, name, precondition, dry_run, headers, body).await
}

/// Uncordons a worker: it gets requests again.
#[utoipa::path(post, path = "/api/v1/workers/{name}/uncordon", operation_id = "uncordon_worker", params(
    ("name" = String, Path, description = "The base URL, percent-encoded"),
    ("dry_run" = Option<bool>, Query, description = "Validate only; change nothing"),
), request_body = Option<Reason>, responses(
    (status = 200, description = "It gets requests", body = Resource<WorkerSpec, WorkerStatus>),
    (status = 400, description = "Invalid request; nothing was changed", body = Problem),
    (status = 401, description = "Authentication required", body = Problem),
    (status = 403, description = "Forbidden", body = Problem),
    (status = 404, description = "Unknown worker", body = Problem),
    (status = 412, description = "Version conflict", body = Problem),
    (status = 415, description = "The body is not JSON", body = Problem),
))]
pub(crate) async fn uncordon(
    RequestAuthor(who): RequestAuthor,
    State(state): State<ApiState>,
    PathName(name): PathName,
    precondition: Precondition,
    dry_run: DryRun,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    // A body may have a reason, like that of a cordon, but it is not used.
    Reason::read(&headers, body)?;
    let request = Request { who, url: named(&name)?, precondition, dry_run };
    request.make(&state, |next, url| next.uncordon(url)).await
}
