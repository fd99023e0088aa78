//! `/api/v1`: pools, policies and workers; what agents are told, and which workers are servers.

pub(super) mod apply;
pub(super) mod backup_jobs;
pub(super) mod cordons;
pub(super) mod policies;
pub(super) mod pools;
pub(super) mod resource_profiles;
pub(super) mod server_limits;
pub(super) mod servers;
mod worker_query;
pub(super) mod workers;

use axum::{body::Bytes, extract::rejection::BytesRejection, http::HeaderMap};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{ApiState, coordinator::json_body};
use crate::kinds;
use crate::{error::Error, store::Kind, workers::StatusView};

/// The routes.
pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(pools::list))
        .routes(routes!(pools::get, pools::put, pools::patch, pools::remove))
        .routes(routes!(policies::list))
        .routes(routes!(policies::get, policies::put, policies::patch))
        .routes(routes!(workers::list))
        .routes(routes!(workers::get, workers::put, workers::patch, workers::remove))
        .routes(routes!(cordons::cordon))
        .routes(routes!(cordons::uncordon))
        .routes(routes!(cordons::drain))
        .routes(routes!(apply::apply))
        .routes(routes!(server_limits::get, server_limits::put))
        .routes(routes!(resource_profiles::get, resource_profiles::put))
        .routes(routes!(backup_jobs::list))
        .routes(routes!(backup_jobs::get, backup_jobs::put, backup_jobs::remove))
        .routes(routes!(servers::list, servers::mark, servers::unmark))
}

/// Whether [`rendered`] knows the kind.
pub(super) fn is_rendered(kind: Kind) -> bool {
    matches!(kind, kinds::POOL | kinds::POLICY | kinds::WORKER)
}

/// A pool, a policy or a worker as GET answers it, by its key in the store; nothing where it is not there.
pub(super) fn rendered(view: &StatusView<'_>, kind: Kind, key: &str) -> Option<Value> {
    match kind {
        kinds::POOL => serde_json::to_value(pools::resource(view, &key.parse().ok()?)?).ok(),
        kinds::POLICY => serde_json::to_value(policies::resource(&view.state, &key.parse().ok()?)?).ok(),
        kinds::WORKER => serde_json::to_value(workers::resource(view, &key.parse().ok()?)?).ok(),
        _ => None,
    }
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
