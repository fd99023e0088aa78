use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};

use super::ApiState;
use crate::ApiError;

/// Returns the metrics of the process and of all its components, for Prometheus.
#[utoipa::path(get, path = "/metrics", responses(
    (status = 200, description = "Metrics in the OpenMetrics text format", body = String, content_type = "application/openmetrics-text"),
))]
pub(super) async fn metrics(State(state): State<ApiState>) -> Result<Response, ApiError> {
    let media_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, media_type)], state.metrics.encode()?).into_response())
}
