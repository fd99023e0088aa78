use std::time::Instant;

use axum::{
    Extension,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::StatusCode,
};
use slotway_config::Report;

use super::ApiState;
use crate::{
    error::Error,
    reports::REPORT_BYTES_MAX,
    xds::{Refusal, access::Caller},
};

/// Takes a coordinator's report in from who is let into its group, and looks whether a removed worker has drained by it.
pub(super) async fn take_report(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
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
    let group = state.coordinators.group_of(&report.coordinator);
    if !caller.may_speak_for(group.as_deref()) {
        state.coordinators.refusals().count(Refusal::Report);
        return Err(Error::NotItsNode { connected: group.is_some() });
    }
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
