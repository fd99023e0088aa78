use axum::{
    Json,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::HeaderMap,
};

use super::{Stated, read};
use crate::{
    agents::{ServerLimits, ServerLimitsBody},
    api::{ApiState, Problem, access::By},
    error::Error,
};

/// Tells how many servers may run.
#[utoipa::path(get, path = "/api/v1/server-limits", operation_id = "get_server_limits", responses(
    (status = 200, description = "How many servers may run", body = Stated<ServerLimitsBody>),
    (status = 401, description = "Not from this machine, and without the token", body = Problem),
))]
pub(in crate::api) async fn get(State(state): State<ApiState>) -> Json<Stated<ServerLimits>> {
    Json(Stated::new(state.agents.current().server_limits.clone()))
}

/// Says how many servers may run. Those that run go on, also beyond the limit.
#[utoipa::path(put, path = "/api/v1/server-limits", operation_id = "put_server_limits",
    request_body = ServerLimitsBody, responses(
    (status = 200, description = "The limits as they are now", body = Stated<ServerLimitsBody>),
    (status = 400, description = "They are not right; nothing was changed", body = Problem),
    (status = 401, description = "Without the token", body = Problem),
))]
pub(in crate::api) async fn put(
    By(who): By,
    State(state): State<ApiState>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Stated<ServerLimits>>, Error> {
    let body: ServerLimitsBody = read(&headers, body)?;
    let limits = ServerLimits::try_from(body)?;
    state.agents.put_server_limits(who, limits.clone()).await?;
    Ok(Json(Stated::new(limits)))
}
