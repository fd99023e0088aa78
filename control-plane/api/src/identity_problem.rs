use axum::http::StatusCode;
use slotway_identity::{Field, IdentityError};

use super::{Problem, problem};

/// Returns the problem of a failure of this domain.
pub(super) fn of_identity(error: &IdentityError) -> Problem {
    let (status, kind, title) = match error {
        IdentityError::Store(error) => return problem::of_store(error),
        IdentityError::Runtime(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal", "Internal error"),
        IdentityError::InvalidCredentials(_) | IdentityError::WrongPassword | IdentityError::SessionEnded => {
            (StatusCode::UNAUTHORIZED, "unauthorized", "Authentication required")
        }
        IdentityError::Forbidden { .. } | IdentityError::NeedsSession { .. } => {
            (StatusCode::FORBIDDEN, "forbidden", "Forbidden")
        }
        IdentityError::CsrfTokenMissing => (StatusCode::FORBIDDEN, "csrf-token", "CSRF token required"),
        IdentityError::TooManyFailures { .. } => {
            (StatusCode::TOO_MANY_REQUESTS, "too-many-failures", "Too many failed sign-ins")
        }
        IdentityError::SignInsBusy => {
            (StatusCode::SERVICE_UNAVAILABLE, "sign-ins-busy", "Too many sign-ins at once")
        }
        IdentityError::LastAdmin { .. } => (StatusCode::CONFLICT, "last-admin", "Last admin"),
        IdentityError::UnknownUser { .. } => (StatusCode::NOT_FOUND, "unknown-user", "Unknown user"),
        IdentityError::UnknownToken { .. } => (StatusCode::NOT_FOUND, "unknown-token", "Unknown token"),
        IdentityError::Invalid { .. } => (StatusCode::BAD_REQUEST, "bad-body", "Invalid body"),
        IdentityError::Conflict { .. } => (StatusCode::CONFLICT, "conflict", "Conflict"),
        IdentityError::OidcOff => (StatusCode::NOT_FOUND, "oidc-off", "OIDC is off"),
        IdentityError::OidcRefused(_) => (StatusCode::FORBIDDEN, "oidc-refused", "OIDC sign-in refused"),
        IdentityError::OidcUnavailable(_) => {
            (StatusCode::BAD_GATEWAY, "oidc-unavailable", "OIDC provider unavailable")
        }
    };
    let field = match error {
        IdentityError::Invalid { field, .. } => Some(*field),
        IdentityError::Conflict { field, .. } => *field,
        _ => None,
    };
    let detail = match hint(error) {
        Some(hint) => format!("{error} ({hint})"),
        None => error.to_string(),
    };
    let problem = problem::problem(status, kind, title, detail);
    Problem { field: field.map(|field| path(field).to_owned()), ..problem }
}

/// Returns the request that helps after an error.
fn hint(error: &IdentityError) -> Option<&'static str> {
    match error {
        IdentityError::SessionEnded | IdentityError::NeedsSession { .. } => Some("POST /api/v1/session"),
        IdentityError::CsrfTokenMissing => {
            Some("the header `x-csrf-token` with `csrf_token` of GET /api/v1/session")
        }
        IdentityError::UnknownUser { .. } => Some("GET /api/v1/users lists all users"),
        IdentityError::UnknownToken { .. } => Some("GET /api/v1/tokens lists all that you may see"),
        _ => None,
    }
}

/// Returns the path of a value in the body or the query of its request.
fn path(field: Field) -> &'static str {
    match field {
        Field::Password => "spec.password",
        Field::NewPassword => "new_password",
        Field::Role => "spec.role",
        Field::TokenName => "metadata.name",
        Field::ReturnTo => "return_to",
    }
}
