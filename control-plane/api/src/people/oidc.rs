use axum::{
    extract::{Query, State, rejection::QueryRejection},
    http::{StatusCode, header, request::Parts},
    response::{AppendHeaders, IntoResponse, Response},
};
use serde::Deserialize;
use slotway_identity::oidc::AuthorizationResponse;

use super::{query, session::not_kept};
use crate::ApiError;
use crate::{ApiState, Problem, cookies};

/// The target after signing in.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignInQuery {
    return_to: Option<String>,
}

/// The query of the provider's redirect (RFC 6749, section 4.1.2; RFC 9207).
#[derive(Debug, Default, Deserialize)]
pub(crate) struct CallbackQuery {
    code: Option<String>,
    state: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
    iss: Option<String>,
}

/// Redirects a browser to the provider.
#[utoipa::path(get, path = "/api/v1/oidc/login", operation_id = "oidc_login", params(
    ("return_to" = Option<String>, Query, description = "The target after signing in: a path of this API; `/` by default"),
), responses(
    (status = 303, description = "Redirect to the provider"),
    (status = 400, description = "`return_to` is not a path of this API", body = Problem),
    (status = 404, description = "No provider is configured", body = Problem),
    (status = 502, description = "The provider cannot be reached", body = Problem),
))]
pub(crate) async fn login(
    State(state): State<ApiState>,
    leaving: Result<Query<SignInQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    let leaving = query(leaving, "return_to")?;
    let return_to = leaving.return_to.as_deref().unwrap_or("/");
    let redirect = state.identity.begin_oidc_sign_in(return_to).await?;
    let cookie = cookies::set_oidc_flow(&redirect.flow, state.identity.settings().secure_cookies);
    let headers = [(header::LOCATION, redirect.location), (header::SET_COOKIE, cookie)];
    Ok(not_kept((StatusCode::SEE_OTHER, headers)))
}

/// Completes signing in with the provider, and starts a session. Other parameters of the provider are ignored
/// (RFC 6749, section 4.1.2).
#[utoipa::path(get, path = "/api/v1/oidc/callback", operation_id = "oidc_callback", params(
    ("code" = Option<String>, Query, description = "The authorization code"),
    ("state" = Option<String>, Query, description = "The state of the sign-in"),
    ("error" = Option<String>, Query, description = "The provider's error code"),
    ("error_description" = Option<String>, Query, description = "The provider's description of the error"),
    ("iss" = Option<String>, Query, description = "The issuer (RFC 9207)"),
), responses(
    (status = 303, description = "Redirect to the target, with the session's cookie"),
    (status = 400, description = "Invalid query", body = Problem),
    (status = 403, description = "The provider's user is not admitted", body = Problem),
    (status = 404, description = "No provider is configured", body = Problem),
    (status = 502, description = "The provider cannot be reached", body = Problem),
    (status = 503, description = "Database unavailable", body = Problem),
))]
pub(crate) async fn callback(
    State(state): State<ApiState>,
    parts: Parts,
    returned: Result<Query<CallbackQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
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
