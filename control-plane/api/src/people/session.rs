use axum::{
    Json,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::{StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use slotway_api_types::SessionView;
use slotway_identity::{ActiveSession, Password};

use super::permissions::{role_name, scope_name};
use crate::ApiError;
use crate::{ApiState, Problem, access::CallerIdentity, cookies, resource::read, sender::peer};

fn session_view(session: &ActiveSession) -> SessionView {
    SessionView {
        who: session.user.clone(),
        user: Some(session.user.clone()),
        role: Some(role_name(session.role)),
        scope: scope_name(session.role.scope()),
        csrf_token: Some(session.id.csrf_token()),
        expires_at: Some(session.ends_at.to_string()),
    }
}

/// Credentials for signing in.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Credentials {
    /// The user's name.
    name: String,
    /// The password.
    #[schema(value_type = String)]
    password: Password,
}

/// A change of the user's own password.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasswordChange {
    /// The current password.
    #[schema(value_type = String)]
    password: Password,
    /// The new password: 12 to 256 bytes, not the name.
    #[schema(value_type = String, min_length = 12, max_length = 256)]
    new_password: Password,
}

/// Shows the sender of the request and their permissions.
#[utoipa::path(get, path = "/api/v1/session", operation_id = "get_session", responses(
    (status = 200, description = "The sender of the request", body = SessionView),
    (status = 401, description = "Authentication required, or the session has ended", body = Problem),
))]
pub(crate) async fn get(State(state): State<ApiState>, CallerIdentity(identity): CallerIdentity) -> Response {
    let view = match state.identity.session_of(&identity) {
        Some(session) => session_view(&session),
        None => SessionView {
            who: identity.who.as_str().to_owned(),
            user: identity.user().map(str::to_owned),
            role: None,
            scope: scope_name(identity.scope),
            csrf_token: None,
            expires_at: None,
        },
    };
    not_kept(Json(view))
}

/// Signs a user in by name and password.
#[utoipa::path(post, path = "/api/v1/session", operation_id = "begin_session", request_body = Credentials, responses(
    (status = 200, description = "The session; its cookie is set", body = SessionView),
    (status = 400, description = "Invalid body", body = Problem),
    (status = 401, description = "Name or password is wrong", body = Problem),
    (status = 415, description = "The body is not JSON", body = Problem),
    (status = 429, description = "Too many failed attempts; see `Retry-After`", body = Problem),
    (status = 503, description = "Too many simultaneous sign-ins, or the database cannot be used", body = Problem),
))]
pub(crate) async fn begin(
    State(state): State<ApiState>,
    parts: Parts,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    let Credentials { name, password } = read(&parts.headers, body)?;
    let session = state.identity.sign_in(peer(&parts), &name, password).await?;
    Ok(with_session(&state, &session))
}

/// Ends the session.
#[utoipa::path(delete, path = "/api/v1/session", operation_id = "end_session", responses(
    (status = 204, description = "The session has ended"),
    (status = 401, description = "Authentication required, or the session has ended", body = Problem),
    (status = 403, description = "No session, or the CSRF token is missing", body = Problem),
    (status = 503, description = "Database unavailable", body = Problem),
))]
pub(crate) async fn end(
    State(state): State<ApiState>,
    CallerIdentity(identity): CallerIdentity,
) -> Result<Response, ApiError> {
    state.identity.sign_out(&identity).await?;
    let cookie = cookies::delete_session(state.identity.settings().secure_cookies);
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response())
}

/// Changes the user's own password. All sessions end; the answer has a new one.
#[utoipa::path(put, path = "/api/v1/session/password", operation_id = "change_password", request_body = PasswordChange, responses(
    (status = 200, description = "A new session, whose cookie goes with this answer", body = SessionView),
    (status = 400, description = "The new password is not acceptable", body = Problem),
    (status = 401, description = "The password is wrong, or the session has ended", body = Problem),
    (status = 403, description = "No session, or the CSRF token is missing", body = Problem),
    (status = 409, description = "A user of the provider has no password", body = Problem),
    (status = 415, description = "The body is not JSON", body = Problem),
    (status = 429, description = "Too many failed attempts; see `Retry-After`", body = Problem),
    (status = 503, description = "Too many simultaneous sign-ins, or the database cannot be used", body = Problem),
))]
pub(crate) async fn change_password(
    State(state): State<ApiState>,
    CallerIdentity(identity): CallerIdentity,
    parts: Parts,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    let PasswordChange { password, new_password } = read(&parts.headers, body)?;
    let peer = peer(&parts);
    let session = state.identity.change_password(&identity, peer, password, new_password).await?;
    Ok(with_session(&state, &session))
}

/// Returns the answer that starts a session.
fn with_session(state: &ApiState, session: &ActiveSession) -> Response {
    let cookie = cookies::set_session(&session.id, state.identity.settings().secure_cookies);
    ([(header::SET_COOKIE, cookie)], not_kept(Json(session_view(session)))).into_response()
}

/// Returns an answer with secrets, which no cache may keep.
pub(super) fn not_kept(answer: impl IntoResponse) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], answer).into_response()
}
