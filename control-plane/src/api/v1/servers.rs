use std::{collections::BTreeSet, time::Instant};

use axum::{
    Json,
    body::Bytes,
    extract::{Query, State, rejection::BytesRejection, rejection::QueryRejection},
    http::{HeaderMap, StatusCode},
};
use serde::Deserialize;
use slotway_config::{PoolName, WorkerUrl};

use super::{Stated, read};
use crate::{
    agents::Server,
    api::{ApiState, Problem, access::By},
    error::Error,
};

/// Which worker is a server, and of what.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Marking {
    /// The worker's base URL.
    #[schema(value_type = String, example = "http://127.0.0.1:9001")]
    worker: WorkerUrl,
    /// What it does: the name of a pool.
    #[schema(value_type = String, example = "training")]
    usage: PoolName,
}

/// Which worker is no server any longer.
#[derive(Debug, Deserialize)]
pub(in crate::api) struct Unmarked {
    worker: String,
}

/// Lists the workers that are marked as servers.
#[utoipa::path(get, path = "/api/v1/servers", operation_id = "list_servers", responses(
    (status = 200, description = "The servers", body = Vec<Server>),
    (status = 401, description = "Not from this machine, and without the token", body = Problem),
))]
pub(in crate::api) async fn list(State(state): State<ApiState>) -> Json<Vec<Server>> {
    Json(state.agents.servers().await)
}

/// Marks a worker as a server of a usage, if the limits leave a place.
#[utoipa::path(post, path = "/api/v1/servers", operation_id = "mark_server", request_body = Marking, responses(
    (status = 200, description = "It has a place", body = Stated<Server>),
    (status = 400, description = "The body is not right", body = Problem),
    (status = 401, description = "Without the token", body = Problem),
    (status = 404, description = "There is no such worker", body = Problem),
    (status = 409, description = "It would be one too many: `holders` have the places", body = Problem),
))]
pub(in crate::api) async fn mark(
    By(who): By,
    State(state): State<ApiState>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Stated<Server>>, Error> {
    let Marking { worker, usage } = read(&headers, body)?;
    let rows = state.workers.overview(Instant::now());
    let present: BTreeSet<_> = rows.into_iter().map(|row| row.worker).collect();
    Ok(Json(Stated::new(state.agents.mark_server(who, worker, usage, &present).await?)))
}

/// Takes the mark off a worker: it holds no place any longer.
#[utoipa::path(delete, path = "/api/v1/servers", operation_id = "unmark_server", params(
    ("worker" = String, Query, description = "The worker's base URL"),
), responses(
    (status = 204, description = "It holds no place"),
    (status = 400, description = "Not a worker's base URL", body = Problem),
    (status = 401, description = "Without the token", body = Problem),
    (status = 404, description = "It is not marked", body = Problem),
))]
pub(in crate::api) async fn unmark(
    By(who): By,
    State(state): State<ApiState>,
    query: Result<Query<Unmarked>, QueryRejection>,
) -> Result<StatusCode, Error> {
    let bad = |reason: String| Error::BadBody { index: None, field: Some("worker".to_owned()), reason };
    let Query(Unmarked { worker }) =
        query.map_err(|_| bad("say which worker: DELETE /api/v1/servers?worker=URL".to_owned()))?;
    let worker: WorkerUrl =
        worker.parse().map_err(|error: slotway_config::ConfigError| bad(error.to_string()))?;
    state.agents.unmark_server(who, &worker).await?;
    Ok(StatusCode::NO_CONTENT)
}
