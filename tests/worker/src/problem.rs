use std::borrow::Cow;

use axum::{
    http::{HeaderValue, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use serde::Serialize;

/// A refusal (RFC 9457): `application/problem+json` with a stable `type` and a readable message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    /// The kind of problem, in one word: the last part of `type`, and `reason`.
    pub(crate) reason: &'static str,
    pub(crate) detail: Cow<'static, str>,
}

impl Problem {
    pub(crate) fn new(
        status: StatusCode,
        reason: &'static str,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { status, reason, detail: detail.into() }
    }
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "type")]
    problem_type: String,
    title: &'static str,
    status: u16,
    reason: &'static str,
    detail: &'a str,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = Body {
            problem_type: format!("urn:slotway:worker:{}", self.reason),
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            reason: self.reason,
            detail: &self.detail,
        };
        // Strings and a number can always be serialized.
        let body = serde_json::to_vec(&body).unwrap_or_default();
        let content_type = HeaderValue::from_static("application/problem+json");
        (self.status, [(CONTENT_TYPE, content_type)], body).into_response()
    }
}
