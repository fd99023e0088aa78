//! `/api/v1`: what agents are told, and which workers are servers.

pub(super) mod backup_jobs;
pub(super) mod resource_profiles;
pub(super) mod server_limits;
pub(super) mod servers;

use axum::{Router, body::Bytes, extract::rejection::BytesRejection, http::HeaderMap, routing::get};
use serde::{Serialize, de::DeserializeOwned};

use super::{ApiState, coordinator::json_body};
use crate::error::Error;

/// The routes.
pub(super) fn router() -> Router<ApiState> {
    Router::new()
        .route("/api/v1/server-limits", get(server_limits::get).put(server_limits::put))
        .route("/api/v1/resource-profiles", get(resource_profiles::get).put(resource_profiles::put))
        .route("/api/v1/backup-jobs", get(backup_jobs::list))
        .route(
            "/api/v1/backup-jobs/{name}",
            get(backup_jobs::get).put(backup_jobs::put).delete(backup_jobs::remove),
        )
        .route("/api/v1/servers", get(servers::list).post(servers::mark).delete(servers::unmark))
}

/// A value, and that it is but a value.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Stated<T> {
    #[serde(flatten)]
    value: T,
    /// Whether anything acts on it.
    executed: bool,
    /// What becomes of it.
    note: &'static str,
}

impl<T> Stated<T> {
    fn new(value: T) -> Self {
        let note = "this is kept, and pushed over xDS to the nodes that subscribe; this version starts no servers and makes no backups";
        Self { value, executed: false, note }
    }
}

/// Reads a body, or says which field is wrong.
fn read<T: DeserializeOwned>(headers: &HeaderMap, body: Result<Bytes, BytesRejection>) -> Result<T, Error> {
    let body = json_body(headers, body)?;
    let wrong = |field: Option<String>, reason: String| Error::BadBody { index: None, field, reason };
    let reader = &mut serde_json::Deserializer::from_slice(&body);
    let value = serde_path_to_error::deserialize(&mut *reader).map_err(|error| {
        let path = error.path().to_string();
        wrong((path != ".").then_some(path), error.into_inner().to_string())
    })?;
    reader.end().map_err(|error| wrong(None, error.to_string()))?;
    Ok(value)
}
