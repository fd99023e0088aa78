use axum::{
    Json,
    http::{HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use slotway_api_types::Problem;

use slotway_store::StoreError;

/// Returns a problem without a field.
pub(super) fn problem(status: StatusCode, kind: &str, title: &str, detail: String) -> Problem {
    let (kind, title) = (format!("urn:slotway:problem:{kind}"), title.to_owned());
    let status = status.as_u16();
    Problem { kind, title, status, detail, index: None, field: None, known: None, holders: None }
}

/// A problem as an answer.
pub(super) struct ProblemAnswer(pub(super) Problem);

impl IntoResponse for ProblemAnswer {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self.0)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"slotway\""));
        }
        response
    }
}

/// Returns the problem of a failure of the store.
pub(super) fn of_store(error: &StoreError) -> Problem {
    let (status, kind, title) = match error {
        StoreError::Contended => (StatusCode::CONFLICT, "busy", "Concurrent changes"),
        StoreError::Full { .. } => (StatusCode::INSUFFICIENT_STORAGE, "store-full", "Database full"),
        StoreError::Refused { .. } => (StatusCode::BAD_REQUEST, "bad-body", "Invalid body"),
        StoreError::Conflict { .. } => (StatusCode::CONFLICT, "conflict", "Conflict"),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "store", "Database unavailable"),
    };
    problem(status, kind, title, error.to_string())
}

pub(super) async fn not_found(uri: Uri) -> ProblemAnswer {
    let detail = format!("{} does not exist. GET /openapi.json lists the endpoints", uri.path());
    ProblemAnswer(problem(StatusCode::NOT_FOUND, "not-found", "Not found", detail))
}

pub(super) async fn method_not_allowed(method: Method, uri: Uri) -> ProblemAnswer {
    let detail = format!("{method} is not allowed at {}. GET /openapi.json lists the endpoints", uri.path());
    ProblemAnswer(problem(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed", detail))
}
