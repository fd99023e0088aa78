use axum::{
    extract::{Query, State, rejection::QueryRejection},
    http::{StatusCode, header, request::Parts},
    response::{AppendHeaders, IntoResponse, Response},
};
use serde::Deserialize;
use slotway_identity::oidc::AuthorizationResponse;

use super::{query, session::not_kept};
use crate::{
    api::{ApiState, Problem, cookies},
    error::Error,
};

/// Where to go afterwards.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Leaving {
    return_to: Option<String>,
}

/// The query with which the provider sends a browser back (RFC 6749, section 4.1.2; RFC 9207).
#[derive(Debug, Default, Deserialize)]
pub(in crate::api) struct CallbackQuery {
    code: Option<String>,
    state: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
    iss: Option<String>,
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
    let return_to = leaving.return_to.as_deref().unwrap_or("/");
    let redirect = state.identity.begin_oidc_sign_in(return_to).await?;
    let cookie = cookies::set_oidc_flow(&redirect.flow, state.identity.settings().secure_cookies);
    let headers = [(header::LOCATION, redirect.location), (header::SET_COOKIE, cookie)];
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
    returned: Result<Query<CallbackQuery>, QueryRejection>,
) -> Result<Response, Error> {
    let CallbackQuery { code, state: oidc_state, error, error_description, iss } =
        query(returned, "code, state, error, error_description and iss")?;
    let response = AuthorizationResponse { code, state: oidc_state, error, error_description, iss };
    let sign_in = state.identity.finish_oidc_sign_in(cookies::oidc_flow(&parts), response).await?;
    let secure = state.identity.settings().secure_cookies;
    let headers = AppendHeaders([
        (header::LOCATION, sign_in.return_to),
        (header::SET_COOKIE, cookies::set_session(&sign_in.session.id, secure)),
        (header::SET_COOKIE, cookies::delete_oidc_flow(secure)),
    ]);
    Ok(not_kept((StatusCode::SEE_OTHER, headers).into_response()))
}
