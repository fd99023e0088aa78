use axum::{
    Json,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode},
};
use jiff::Timestamp;
use serde::Serialize;
use slotway_config::PoolName;

use super::{Stated, read};
use crate::{
    agents::{BackupJob, BackupJobBody},
    api::{ApiState, Problem, access::By, resource::PathName},
    error::Error,
};

/// How many of the next runs are shown.
const RUNS_SHOWN: usize = 5;

/// A backup job, and when it would run next.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(in crate::api) struct Shown {
    /// Its name.
    name: String,
    #[serde(flatten)]
    job: BackupJobBody,
    /// The next five times of its schedule, in its time zone (RFC 9557).
    next_runs: Vec<String>,
}

impl Shown {
    fn new(name: &str, job: &BackupJob) -> Result<Stated<Self>, Error> {
        let runs = job.schedule()?.next_runs(Timestamp::now(), RUNS_SHOWN);
        let next_runs = runs.iter().map(ToString::to_string).collect();
        Ok(Stated::new(Self { name: name.to_owned(), job: job.body().clone(), next_runs }))
    }
}

/// Lists the backup jobs.
#[utoipa::path(get, path = "/api/v1/backup-jobs", operation_id = "list_backup_jobs", responses(
    (status = 200, description = "The backup jobs", body = Vec<Shown>),
    (status = 401, description = "Not from this machine, and without the token", body = Problem),
))]
pub(in crate::api) async fn list(State(state): State<ApiState>) -> Result<Json<Vec<Stated<Shown>>>, Error> {
    let current = state.agents.current();
    let shown = current.backup_jobs.iter().map(|(name, job)| Shown::new(name, job));
    Ok(Json(shown.collect::<Result<_, _>>()?))
}

/// Shows a backup job.
#[utoipa::path(get, path = "/api/v1/backup-jobs/{name}", operation_id = "get_backup_job", params(
    ("name" = String, Path, description = "The job's name"),
), responses(
    (status = 200, description = "The job", body = Stated<Shown>),
    (status = 401, description = "Not from this machine, and without the token", body = Problem),
    (status = 404, description = "There is no such job", body = Problem),
))]
pub(in crate::api) async fn get(
    State(state): State<ApiState>,
    PathName(name): PathName,
) -> Result<Json<Stated<Shown>>, Error> {
    Ok(Json(Shown::new(&name, &state.agents.backup_job(&name)?)?))
}

/// Adds a backup job, or changes the one of this name.
#[utoipa::path(put, path = "/api/v1/backup-jobs/{name}", operation_id = "put_backup_job", params(
    ("name" = String, Path, description = "The job's name: lower-case letters, digits, `-` and `_`, a letter first", pattern = "^[a-z][a-z0-9_-]{0,63}$"),
), request_body = BackupJobBody, responses(
    (status = 200, description = "The job, and when it would run next", body = Stated<Shown>),
    (status = 400, description = "It is not right; nothing was changed", body = Problem),
    (status = 401, description = "Without the token", body = Problem),
    (status = 409, description = "There are too many", body = Problem),
))]
pub(in crate::api) async fn put(
    By(who): By,
    State(state): State<ApiState>,
    PathName(name): PathName,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Stated<Shown>>, Error> {
    // The alphabet of names is one: a pool's.
    let name: PoolName = name.parse().map_err(|_| Error::BadBody {
        index: None,
        field: Some("name".to_owned()),
        reason: format!(
            "{name:?} is not a name: lower-case letters, digits, `-` and `_`, a letter first, at most 64"
        ),
    })?;
    let body: BackupJobBody = read(&headers, body)?;
    let job = BackupJob::try_from(body)?;
    state.agents.put_backup_job(who, &name, job.clone()).await?;
    Ok(Json(Shown::new(name.as_str(), &job)?))
}

/// Removes a backup job, not the backups that it has made.
#[utoipa::path(delete, path = "/api/v1/backup-jobs/{name}", operation_id = "remove_backup_job", params(
    ("name" = String, Path, description = "The job's name"),
), responses(
    (status = 204, description = "It is gone"),
    (status = 401, description = "Without the token", body = Problem),
    (status = 404, description = "There is no such job", body = Problem),
))]
pub(in crate::api) async fn remove(
    By(who): By,
    State(state): State<ApiState>,
    PathName(name): PathName,
) -> Result<StatusCode, Error> {
    state.agents.remove_backup_job(who, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}
