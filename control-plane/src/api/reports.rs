use std::time::Instant;

use axum::{
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::StatusCode,
};
use slotway_config::Report;

use super::ApiState;
use crate::{error::Error, reports::REPORT_BYTES_MAX};

/// Takes a coordinator's report in, and looks whether a removed worker has drained by it.
pub(super) async fn take_report(
    State(state): State<ApiState>,
    body: Result<Bytes, BytesRejection>,
) -> Result<StatusCode, Error> {
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Error::TooLarge(REPORT_BYTES_MAX),
        _ => Error::BadBody { index: None, field: None, reason: "the body did not arrive whole".to_owned() },
    })?;
    let report: Report = serde_json::from_slice(&body).map_err(|error| Error::BadBody {
        index: None,
        field: None,
        reason: error.to_string(),
    })?;
    let now = Instant::now();
    state.reports.accept(report, now)?;
    // A report is taken whatever the database does. Without one, nothing can be let go of, and the next look is soon.
    if state.store.trouble().borrow().is_none()
        && let Err(error) = state.workers.settle(now).await
    {
        tracing::warn!("a removed worker cannot be let go: {error}");
    }
    Ok(StatusCode::NO_CONTENT)
}
