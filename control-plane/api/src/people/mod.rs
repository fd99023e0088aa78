//! `/api/v1`: sessions, users, tokens, and signing in with an OIDC provider.

mod oidc;
mod permissions;
mod session;
mod tokens;
mod users;

use axum::extract::{Query, rejection::QueryRejection};
use serde::de::DeserializeOwned;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{ApiState, resource::RequestBody};
use crate::ApiError;

/// Returns the routes.
pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(session::get, session::begin, session::end))
        .routes(routes!(session::change_password))
        .routes(routes!(users::list))
        .routes(routes!(users::get, users::put, users::patch, users::remove))
        .routes(routes!(tokens::list, tokens::make))
        .routes(routes!(tokens::get, tokens::remove))
        .routes(routes!(oidc::login))
        .routes(routes!(oidc::callback))
}

/// Reads a query; an error lists its parameters.
fn query<T>(query: Result<Query<T>, QueryRejection>, known: &str) -> Result<T, ApiError> {
    query.map(|Query(query)| query).map_err(|rejection| ApiError::BadBody {
        index: None,
        field: None,
        reason: format!("{}; there is {known}", rejection.body_text()),
    })
}

/// Checks kind and name of a body against the path, and that it has no fields of other kinds.
fn is_of<Spec: DeserializeOwned>(body: &RequestBody<Spec>, kind: &str, name: &str) -> Result<(), ApiError> {
    body.is_of(kind, name)?;
    let refused = |field: &str| {
        Err(bad(&format!("metadata.{field}"), format!("a {kind} has no {field}; leave it out")))
    };
    if !body.metadata.labels.is_empty() {
        return refused("labels");
    }
    if body.metadata.notes.is_empty() { Ok(()) } else { refused("notes") }
}

fn bad(field: &str, reason: String) -> ApiError {
    ApiError::BadBody { index: None, field: Some(field.to_owned()), reason }
}
