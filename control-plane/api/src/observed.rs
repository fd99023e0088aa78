use std::time::Instant;

use axum::{
    extract::{MatchedPath, Request, State},
    http::Method,
    middleware::Next,
    response::{IntoResponse, Response},
};
use tracing::{Instrument, Span};

use super::ApiState;
use crate::ApiError;
use slotway_identity::Identity;
use slotway_runtime::telemetry::{REQUEST_ID, RequestId, caught};

/// The route of a request without one.
const NO_ROUTE: &str = "(none)";
/// The logged part of a path, in characters.
const PATH_BYTES_MAX: usize = 200;

/// Gives a request its id, counts its answer, and logs it in one line with sender, path, status and duration; never the
/// query, headers or bodies. A panic of a handler becomes a problem.
pub(super) async fn observe(State(state): State<ApiState>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let id = RequestId::of(request.headers());
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let route = route.unwrap_or_else(|| NO_ROUTE.to_owned());
    let path: String = request.uri().path().chars().take(PATH_BYTES_MAX).collect();
    let span = span_of(&id, &method, &route);
    #[cfg(feature = "otlp")]
    slotway_runtime::telemetry::traces::continue_from(&span, request.headers());
    let answered = caught(next.run(request)).instrument(span.clone()).await;
    let mut response = answered.unwrap_or_else(|_| {
        // The panic hook has logged the panic.
        let doing =
            "answering; what went wrong is in the control plane's log, under the x-request-id of this answer";
        ApiError::System { doing, reason: "a defect".to_owned() }.into_response()
    });
    let (status, took) = (response.status().as_u16(), began.elapsed());
    #[cfg(feature = "otlp")]
    span.record("http.response.status_code", status);
    state.requests.count(&method, &route, status, took);
    let who = response.extensions().get::<Identity>();
    let who = who.map_or("-", |identity| identity.who.as_str());
    let ms = u64::try_from(took.as_micros()).unwrap_or(u64::MAX) as f64 / 1_000.0;
    let _in_its_span = span.enter();
    if response.status().is_server_error() {
        tracing::warn!(who, %method, path, status, ms, "request");
    } else {
        tracing::debug!(who, %method, path, status, ms, "request");
    }
    if let Some(id) = id.header() {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// Returns the span of a request.
#[cfg(not(feature = "otlp"))]
fn span_of(id: &RequestId, _: &Method, route: &str) -> Span {
    tracing::info_span!("request", %id, route)
}

/// Returns the span of a request, with OpenTelemetry's attributes.
#[cfg(feature = "otlp")]
fn span_of(id: &RequestId, method: &Method, route: &str) -> Span {
    tracing::info_span!("request", %id, route, otel.kind = "server", otel.name = format!("{method} {route}"),
        http.request.method = %method, http.route = route, http.response.status_code = tracing::field::Empty)
}
