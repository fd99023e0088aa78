use axum::{
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::Deserialize;
use slotway_config::WorkerUrl;

use super::workers::{named, shown, version};
use crate::{
    api::{
        ApiState, Problem, Resource,
        access::By,
        resource::{DryRun, PathName, Precondition, read},
    },
    error::Error,
    store::Who,
    workers::{Cordon, PoolsError, PoolsState, WorkerSpec, WorkerStatus},
};

/// Why somebody does something.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Reason {
    /// In words, at most 256 bytes.
    #[serde(default)]
    reason: String,
}

impl Reason {
    /// Reads a body with a reason, or none.
    fn read(headers: &HeaderMap, body: Result<Bytes, BytesRejection>) -> Result<Self, Error> {
        if body.as_ref().is_ok_and(|body| body.is_empty()) {
            return Ok(Self::default());
        }
        let given: Self = read(headers, body)?;
        Cordon::check_reason(&given.reason).map_err(|reason| Error::BadBody {
            index: None,
            field: Some("reason".to_owned()),
            reason,
        })?;
        Ok(given)
    }
}

/// What somebody does with a worker, and on which conditions.
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
    ) -> Result<Response, Error> {
        let Self { who, url, precondition, dry_run } = self;
        let own = url.clone();
        let make = |next: &mut PoolsState| -> Result<_, Error> {
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

/// Lets a worker get no further requests; it stays.
#[utoipa::path(post, path = "/api/v1/workers/{name}/cordon", operation_id = "cordon_worker", params(
    ("name" = String, Path, description = "The base URL, percent-encoded"),
    ("dry_run" = Option<bool>, Query, description = "Only try it out"),
), request_body = Option<Reason>, responses(
    (status = 200, description = "It gets no further requests", body = Resource<WorkerSpec, WorkerStatus>),
    (status = 400, description = "It is not right; nothing was changed", body = Problem),
    (status = 401, description = "It is not known who asks", body = Problem),
    (status = 403, description = "They may not", body = Problem),
    (status = 404, description = "There is no such worker", body = Problem),
    (status = 412, description = "It is another version that is there", body = Problem),
    (status = 415, description = "Not JSON", body = Problem),
))]
pub(in crate::api) async fn cordon(
    By(who): By,
    State(state): State<ApiState>,
    PathName(name): PathName,
    precondition: Precondition,
    dry_run: DryRun,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Error> {
    let Reason { reason } = Reason::read(&headers, body)?;
    let context = state.workers.context(who.clone());
    let request = Request { who, url: named(&name)?, precondition, dry_run };
    request.make(&state, move |next, url| next.cordon(url, &reason, &context)).await
}

/// Drains a worker: it gets no further requests, and is `drained` once those under way have ended. It stays.
#[utoipa::path(post, path = "/api/v1/workers/{name}/drain", operation_id = "drain_worker", params(
    ("name" = String, Path, description = "The base URL, percent-encoded"),
    ("dry_run" = Option<bool>, Query, description = "Only try it out"),
), request_body = Option<Reason>, responses(
    (status = 200, description = "It gets no further requests; its `status` tells when it is drained", body = Resource<WorkerSpec, WorkerStatus>),
    (status = 400, description = "It is not right; nothing was changed", body = Problem),
    (status = 401, description = "It is not known who asks", body = Problem),
    (status = 403, description = "They may not", body = Problem),
    (status = 404, description = "There is no such worker", body = Problem),
    (status = 412, description = "It is another version that is there", body = Problem),
    (status = 415, description = "Not JSON", body = Problem),
))]
pub(in crate::api) async fn drain(
    by: By,
    state: State<ApiState>,
    name: PathName,
    precondition: Precondition,
    dry_run: DryRun,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Error> {
    // A worker that gets no requests drains by itself.
    cordon(by, state, name, precondition, dry_run, headers, body).await
}

/// Lets a worker that is cordoned get requests again.
#[utoipa::path(post, path = "/api/v1/workers/{name}/uncordon", operation_id = "uncordon_worker", params(
    ("name" = String, Path, description = "The base URL, percent-encoded"),
    ("dry_run" = Option<bool>, Query, description = "Only try it out"),
), request_body = Option<Reason>, responses(
    (status = 200, description = "It gets requests", body = Resource<WorkerSpec, WorkerStatus>),
    (status = 400, description = "It is not right; nothing was changed", body = Problem),
    (status = 401, description = "It is not known who asks", body = Problem),
    (status = 403, description = "They may not", body = Problem),
    (status = 404, description = "There is no such worker", body = Problem),
    (status = 412, description = "It is another version that is there", body = Problem),
    (status = 415, description = "Not JSON", body = Problem),
))]
pub(in crate::api) async fn uncordon(
    By(who): By,
    State(state): State<ApiState>,
    PathName(name): PathName,
    precondition: Precondition,
    dry_run: DryRun,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Error> {
    // A reason may stand there as in a cordon; there is nothing left that it would be the reason of.
    Reason::read(&headers, body)?;
    let request = Request { who, url: named(&name)?, precondition, dry_run };
    request.make(&state, |next, url| next.uncordon(url)).await
}
