//! Maps the failures of requests to problems. Only this module determines their status and type.

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use slotway_api_types::Problem;
use slotway_coordinators::CoordinatorsError;
use slotway_servers::ServersError;
use slotway_store::ResourceError;

use super::{
    ApiError,
    identity_problem::of_identity,
    pools_problem::of_pools,
    problem::{ProblemAnswer, of_store, problem},
};

/// Returns the problem of an ordinary resource.
fn of_resource(error: &ResourceError) -> Problem {
    let detail = error.to_string();
    match error {
        ResourceError::Invalid { field, .. } => Problem {
            field: Some(field.clone()),
            ..problem(StatusCode::BAD_REQUEST, "bad-body", "Invalid body", detail)
        },
        ResourceError::Domain { error, .. } => match error.downcast_ref::<ServersError>() {
            Some(error) => of_servers(error),
            None => problem(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Internal error", detail),
        },
        // A failure of the store is handled as the domain's own error here.
        ResourceError::Conflict { .. } | ResourceError::Store(_) => {
            problem(StatusCode::CONFLICT, "conflict", "Conflict", detail)
        }
    }
}

/// Returns the problem of a failure of the servers.
fn of_servers(error: &ServersError) -> Problem {
    let detail = error.to_string();
    match error {
        ServersError::NoRoom { holders, .. } => Problem {
            holders: Some(holders.clone()),
            ..problem(StatusCode::CONFLICT, "no-place", "Server limit reached", detail)
        },
        ServersError::UnknownWorker { known, .. } => Problem {
            known: Some(known.clone()),
            field: Some("spec.external".to_owned()),
            ..problem(StatusCode::NOT_FOUND, "unknown-worker", "Unknown worker", detail)
        },
        ServersError::Value { error, .. } => Problem {
            field: Some(error.field.clone()),
            ..problem(StatusCode::BAD_REQUEST, "bad-body", "Invalid body", detail)
        },
        ServersError::Conflict { .. } => problem(StatusCode::CONFLICT, "conflict", "Conflict", detail),
        ServersError::Store(_) => {
            problem(StatusCode::SERVICE_UNAVAILABLE, "store", "Database unavailable", detail)
        }
    }
}

impl From<&ApiError> for Problem {
    fn from(error: &ApiError) -> Self {
        let detail = error.to_string();
        let problem = |status, kind: &str, title: &str| problem(status, kind, title, detail.clone());
        match error {
            ApiError::BadBody { index, field, .. } => Self {
                index: *index,
                field: field.clone(),
                ..problem(StatusCode::BAD_REQUEST, "bad-body", "Invalid body")
            },
            ApiError::Conflict { index, field, .. } => Self {
                index: *index,
                field: field.map(str::to_owned),
                ..problem(StatusCode::CONFLICT, "conflict", "Conflict")
            },
            ApiError::Stale { .. } => problem(StatusCode::PRECONDITION_FAILED, "stale", "Version conflict"),
            ApiError::UnknownWorker { known, .. } => Self {
                known: Some(known.clone()),
                ..problem(StatusCode::NOT_FOUND, "unknown-worker", "Unknown worker")
            },
            ApiError::UnknownPool { known, .. } => Self {
                known: Some(known.clone()),
                ..problem(StatusCode::NOT_FOUND, "unknown-pool", "Unknown pool")
            },
            ApiError::Item { index, error } => Self { index: Some(*index), ..Self::from(&**error) },
            ApiError::UnknownCoordinator { known, .. } => Self {
                known: Some(known.clone()),
                ..problem(StatusCode::NOT_FOUND, "unknown-coordinator", "Unknown coordinator")
            },
            ApiError::NoEvents(_) => {
                problem(StatusCode::SERVICE_UNAVAILABLE, "no-events", "Events unavailable")
            }
            ApiError::UnknownResource { kind, known, .. } => Self {
                known: Some(known.clone()),
                ..problem(
                    StatusCode::NOT_FOUND,
                    &format!("unknown-{}", kind.problem_word()),
                    &format!("Unknown {}", kind.title),
                )
            },
            ApiError::Resource(error) => of_resource(error),
            ApiError::Servers(error) => of_servers(error),
            ApiError::Unauthorized(_) => {
                problem(StatusCode::UNAUTHORIZED, "unauthorized", "Authentication required")
            }
            ApiError::Identity(error) => of_identity(error),
            ApiError::TooManyRequests { .. } => {
                problem(StatusCode::TOO_MANY_REQUESTS, "too-many-requests", "Too many requests")
            }
            ApiError::NotANode => {
                problem(StatusCode::UNAUTHORIZED, "not-a-node", "Group credentials required")
            }
            ApiError::NotItsNode { .. } => {
                problem(StatusCode::FORBIDDEN, "not-its-node", "Wrong group credentials")
            }
            ApiError::ReportOfAPage => problem(StatusCode::FORBIDDEN, "report-of-a-page", "Not for browsers"),
            ApiError::NoNodeKey { .. } => {
                problem(StatusCode::FORBIDDEN, "wrong-node-key", "Key of the coordinator required")
            }
            ApiError::TooManyReports { .. } => {
                problem(StatusCode::TOO_MANY_REQUESTS, "too-many-reports", "Too many reports")
            }
            ApiError::NotJson => problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-json", "JSON required"),
            ApiError::TooLarge(_) => problem(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "Body too large"),
            ApiError::Coordinators(CoordinatorsError::ReportBaseMissing) => {
                problem(StatusCode::CONFLICT, "report-base-missing", "Full report required")
            }
            ApiError::Busy => problem(StatusCode::CONFLICT, "busy", "Concurrent changes"),
            ApiError::Store(error) => of_store(error),
            ApiError::Pools(error) => of_pools(error),
            _ => problem(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Internal error"),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let problem = Problem::from(&self);
        if problem.status >= 500 {
            tracing::error!(error = %self, "request failed");
        }
        let mut response = ProblemAnswer(problem).into_response();
        if let Some(wait_s) = self.retry_after_s() {
            response.headers_mut().insert(header::RETRY_AFTER, wait_s.into());
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_race_says_that_nothing_was_changed_and_to_try_again() {
        let problem = serde_json::to_value(Problem::from(&ApiError::Busy)).unwrap();
        assert_eq!((&problem["status"], &problem["type"]), (&409.into(), &"urn:slotway:problem:busy".into()));
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("nothing was changed, try again"), "{detail}");
    }
}
