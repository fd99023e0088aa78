use axum::{
    extract::{Query, State, rejection::QueryRejection},
    http::{StatusCode, header, request::Parts},
    response::{AppendHeaders, IntoResponse, Response},
};
use serde::Deserialize;

use super::{query, session::not_kept};
use crate::{
    api::{ApiState, Problem},
    error::Error,
    people::oidc::Returned,
};

/// Where to go afterwards.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Leaving {
    return_to: Option<String>,
}

/// Sends a browser to the provider.
#[utoipa::path(get, path = "/api/v1/oidc/login", operation_id = "oidc_login", params(
    ("return_to" = Option<String>, Query, description = "Where to go afterwards: a path of this API's; / if absent"),
), responses(
    (status = 303, description = "To the provider"),
    (status = 400, description = "`return_to` leads elsewhere", body = Problem),
    (status = 404, description = "There is no provider", body = Problem),
    (status = 502, description = "The provider cannot be asked", body = Problem),
))]
pub(in crate::api) async fn login(
    State(state): State<ApiState>,
    leaving: Result<Query<Leaving>, QueryRejection>,
) -> Result<Response, Error> {
    let leaving = query(leaving, "return_to")?;
    let departure = state.people.depart(leaving.return_to.as_deref().unwrap_or("/")).await?;
    let headers = [(header::LOCATION, departure.location), (header::SET_COOKIE, departure.cookie)];
    Ok(not_kept((StatusCode::SEE_OTHER, headers)))
}

/// Takes a browser in that comes back from the provider, with a session. What else the provider sends along is not looked at
/// (RFC 6749, section 4.1.2).
#[utoipa::path(get, path = "/api/v1/oidc/callback", operation_id = "oidc_callback", params(
    ("code" = Option<String>, Query, description = "What the provider gives for tokens"),
    ("state" = Option<String>, Query, description = "What went with the browser"),
    ("error" = Option<String>, Query, description = "Why the provider gives nothing"),
    ("error_description" = Option<String>, Query, description = "In its words"),
    ("iss" = Option<String>, Query, description = "Which provider it was (RFC 9207)"),
), responses(
    (status = 303, description = "To where the person wanted to go, with the cookie of a session"),
    (status = 400, description = "The query is not right", body = Problem),
    (status = 403, description = "Whom the provider sends is not let in", body = Problem),
    (status = 404, description = "There is no provider", body = Problem),
    (status = 502, description = "The provider cannot be asked", body = Problem),
    (status = 503, description = "The database cannot be used", body = Problem),
))]
pub(in crate::api) async fn callback(
    State(state): State<ApiState>,
    parts: Parts,
    returned: Result<Query<Returned>, QueryRejection>,
) -> Result<Response, Error> {
    let returned = query(returned, "code, state, error, error_description and iss")?;
    let arrival = state.people.arrive(&parts, returned).await?;
    let session = arrival.signed.id.cookie(state.people.settings().secure_cookies);
    let headers = AppendHeaders([
        (header::LOCATION, arrival.return_to),
        (header::SET_COOKIE, session),
        (header::SET_COOKIE, arrival.cookie),
    ]);
    Ok(not_kept((StatusCode::SEE_OTHER, headers).into_response()))
}
