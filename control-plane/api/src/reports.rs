use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Extension,
    body::Bytes,
    extract::{ConnectInfo, FromRequest, Request, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use slotway_config::Report;
use slotway_coordinators::{CoordinatorsError, NODE_HEADER, NODE_KEY_HEADER, NodeKeys, REPORT_BYTES_MAX};
use slotway_xds::{AdmittedNode, Peer, is_from_a_page};
use tokio::time::timeout;

use super::{ApiState, RateLimits, Rates, resource::media_type};
use crate::ApiError;

/// The rate of one coordinator's reports. A filter sends 4 a second, and one more after each push.
const RATE: RateLimits = RateLimits { requests_per_s: 50, burst: 100 };
/// The longest time for a body. A filter waits 2 s for the answer.
const BODY_WITHIN: Duration = Duration::from_secs(10);

/// The components that the handler of reports uses.
#[derive(Clone)]
pub(super) struct ReportState {
    api: ApiState,
    rates: Arc<Rates>,
}

impl ReportState {
    pub(super) fn new(api: ApiState) -> Self {
        Self { api, rates: Arc::new(Rates::new(&RATE)) }
    }
}

/// Accepts a report of a coordinator, from the coordinator itself, and checks whether a removed worker has drained.
pub(super) async fn take_report(
    State(ReportState { api, rates }): State<ReportState>,
    Extension(sender): Extension<AdmittedNode>,
    request: Request,
) -> Result<StatusCode, ApiError> {
    let peer = request.extensions().get::<ConnectInfo<Peer>>().map(|ConnectInfo(peer)| peer.address.ip());
    let node = text(request.headers(), NODE_HEADER).to_owned();
    let nodes = api.coordinators.nodes();
    let refused = |error: ApiError| {
        nodes.refuse_report(&node, peer, &error.to_string());
        error
    };
    // The headers are sufficient for a refusal: a foreign body is not read.
    admit(&api, &sender, &node, request.headers()).map_err(refused)?;
    if media_type(request.headers()) != "application/json" {
        return Err(ApiError::NotJson);
    }
    rates.take_of_node(&node, Instant::now())?;
    let report = read(request).await?;
    if report.coordinator != node {
        return Err(refused(ApiError::NoNodeKey { given: true }));
    }
    nodes.admit_report(&node);
    let now = Instant::now();
    api.reports.accept(report, &*api.workers.current(), now).map_err(refusal)?;
    // Reports are accepted even without the database. Without it no drain can be completed, and the next report checks
    // again.
    if api.store.trouble().borrow().is_none()
        && let Err(error) = api.workers.settle(now).await
    {
        tracing::warn!(%error, "removing a drained worker failed");
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Checks by its headers that the sender is this coordinator.
fn admit(state: &ApiState, sender: &AdmittedNode, node: &str, headers: &HeaderMap) -> Result<(), ApiError> {
    if is_from_a_page(headers) {
        return Err(ApiError::ReportOfAPage);
    }
    if !has_key(&state.node_keys, node, headers) {
        let given = !node.is_empty() && headers.contains_key(NODE_KEY_HEADER);
        return Err(ApiError::NoNodeKey { given });
    }
    let group = state.coordinators.nodes().group_of(node);
    if sender.may_speak_for(group.as_deref()) {
        return Ok(());
    }
    Err(ApiError::NotItsNode { connected: group.is_some() })
}

fn has_key(keys: &NodeKeys, node: &str, headers: &HeaderMap) -> bool {
    let mut given = headers.get_all(NODE_KEY_HEADER).iter();
    match (given.next(), given.next()) {
        (Some(given), None) => !node.is_empty() && keys.is_of(node, given.as_bytes()),
        _ => false,
    }
}

/// Returns a header's value; empty without one, and with several.
fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().unwrap_or_default(),
        _ => "",
    }
}

/// Reads and parses the body.
async fn read(request: Request) -> Result<Report, ApiError> {
    let bad = |reason: String| ApiError::BadBody { index: None, field: None, reason };
    let body = timeout(BODY_WITHIN, Bytes::from_request(request, &())).await;
    let body =
        body.map_err(|_| bad(format!("the body is not complete after {} s", BODY_WITHIN.as_secs())))?;
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => ApiError::TooLarge(REPORT_BYTES_MAX),
        _ => bad("the body is incomplete".to_owned()),
    })?;
    serde_json::from_slice(&body).map_err(|error| bad(error.to_string()))
}

/// Returns the answer to a refused report.
fn refusal(error: CoordinatorsError) -> ApiError {
    let field = match error {
        CoordinatorsError::ReporterName { .. } | CoordinatorsError::TooManyReporters { .. } => "coordinator",
        CoordinatorsError::ReportTooLong { .. } => "pools",
        error => return error.into(),
    };
    ApiError::BadBody { index: None, field: Some(field.into()), reason: error.to_string() }
}

/// Answers a report whose sender is not admitted to any group.
pub(super) fn refuse() -> Response {
    ApiError::NotANode.into_response()
}
