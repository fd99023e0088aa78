use std::time::Instant;

use axum::{
    Extension,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use slotway_config::Report;
use slotway_xds::{AdmittedNode, XdsRefusal};

use super::ApiState;
use crate::ApiError;
use slotway_coordinators::{CoordinatorsError, REPORT_BYTES_MAX};

/// Accepts a report of a coordinator, from a sender that is admitted to its group, and checks whether a removed worker
/// has drained.
pub(super) async fn take_report(
    State(state): State<ApiState>,
    Extension(sender): Extension<AdmittedNode>,
    body: Result<Bytes, BytesRejection>,
) -> Result<StatusCode, ApiError> {
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => ApiError::TooLarge(REPORT_BYTES_MAX),
        _ => ApiError::BadBody { index: None, field: None, reason: "the body is incomplete".to_owned() },
    })?;
    let report: Report = serde_json::from_slice(&body).map_err(|error| ApiError::BadBody {
        index: None,
        field: None,
        reason: error.to_string(),
    })?;
    let group = state.coordinators.nodes().group_of(&report.coordinator);
    if !sender.may_speak_for(group.as_deref()) {
        state.coordinators.nodes().refusals().count(XdsRefusal::Report);
        return Err(ApiError::NotItsNode { connected: group.is_some() });
    }
    let now = Instant::now();
    state.reports.accept(report, now).map_err(refusal)?;
    // Reports are accepted even without the database. Without it no drain can be completed, and the next report checks
    // again.
    if state.store.trouble().borrow().is_none()
        && let Err(error) = state.workers.settle(now).await
    {
        tracing::warn!(%error, "removing a drained worker failed");
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Returns the answer to a refused report.
fn refusal(error: CoordinatorsError) -> ApiError {
    match error {
        CoordinatorsError::ReporterName { .. } | CoordinatorsError::TooManyReporters { .. } => {
            ApiError::BadBody { index: None, field: Some("coordinator".into()), reason: error.to_string() }
        }
        error => error.into(),
    }
}

/// Answers a report whose sender is not admitted to any group.
pub(super) fn refuse() -> Response {
    ApiError::NotANode.into_response()
}
