use axum::http::StatusCode;
use slotway_pools::{PoolsError, RuleSubject, RuleViolation, WorkerField};

use super::{Problem, problem};

/// Returns the problem of a failure of this domain.
pub(super) fn of_pools(error: &PoolsError) -> Problem {
    let problem = |status, kind, title| problem::problem(status, kind, title, error.to_string());
    let bad_body = || problem(StatusCode::BAD_REQUEST, "bad-body", "Invalid body");
    let conflict = || problem(StatusCode::CONFLICT, "conflict", "Conflict");
    match error {
        PoolsError::Store(error) => problem::of_store(error),
        PoolsError::Declaration(_) => {
            problem(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Internal error")
        }
        PoolsError::Rule(RuleViolation { subject, .. }) => {
            let field = match subject {
                RuleSubject::PoolCount => None,
                RuleSubject::Match => Some("spec.match".to_owned()),
                RuleSubject::Workers => Some("spec.capacity".to_owned()),
            };
            Problem { field, ..conflict() }
        }
        PoolsError::Worker { field, .. } => {
            Problem { field: Some(format!("spec.{}", field.as_str())), ..bad_body() }
        }
        PoolsError::Entry { index, field, .. } => {
            Problem { index: *index, field: Some(field.as_str().to_owned()), ..bad_body() }
        }
        PoolsError::EntryInOtherPool { index, .. } => {
            let field = WorkerField::Pool.as_str().to_owned();
            Problem { index: Some(*index), field: Some(field), ..conflict() }
        }
        PoolsError::PoolInUse { .. } => conflict(),
        PoolsError::UnknownWorker { known, .. } => Problem {
            known: Some(known.clone()),
            ..problem(StatusCode::NOT_FOUND, "unknown-worker", "Unknown worker")
        },
        PoolsError::UnknownPool { known, .. } => Problem {
            known: Some(known.clone()),
            ..problem(StatusCode::NOT_FOUND, "unknown-pool", "Unknown pool")
        },
    }
}
