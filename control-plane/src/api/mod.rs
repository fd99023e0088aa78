//! REST: what an operator, the CLI and the coordinator that Slotway replaces speak.

mod audit;
pub mod auth;
mod coordinator;
mod envoys;
mod health;
mod metrics;
mod problem;
mod reports;
mod v1;

use std::sync::Arc;

use axum::{
    Router,
    routing::{get, post},
};
use utoipa::OpenApi;

use self::auth::{AdminToken, BearerScheme};
use crate::{agents::Agents, reports::Reports, store::Store, workers::Workers, xds::Coordinators};

pub use audit::{AuditPage, AuditedChange};
pub use coordinator::RemovedWorker;
pub use problem::Problem;

/// What the handlers work with.
#[derive(Clone)]
pub struct ApiState {
    /// What agents are told.
    pub agents: Arc<Agents>,
    /// The workers.
    pub workers: Arc<Workers>,
    /// Where all is kept.
    pub store: Arc<dyn Store>,
    /// The coordinators' figures.
    pub reports: Arc<Reports>,
    /// The coordinators' connections.
    pub coordinators: Arc<Coordinators>,
    /// What a change needs.
    pub token: Arc<AdminToken>,
}

/// The routes of the API port.
pub fn router(state: ApiState) -> Router {
    Router::new()
        .route(
            "/coordinator/workers",
            get(coordinator::list_workers).post(coordinator::put_workers).delete(coordinator::delete_worker),
        )
        .route("/coordinator/envoys", get(envoys::list_envoys))
        .merge(v1::router())
        .route("/openapi.json", get(openapi))
        .route("/healthz", get(health::healthz))
        .route("/api/v1/audit", get(audit::list_changes))
        .route("/readyz", get(health::readyz))
        .route("/readyz/xds", get(health::readyz_xds))
        .route("/readyz/store", get(health::readyz_store))
        .route("/metrics", get(metrics::metrics))
        .fallback(problem::not_found)
        .method_not_allowed_fallback(problem::method_not_allowed)
        .with_state(state)
}

/// The route of the xDS port that is not xDS: where the filter's reports arrive.
pub fn report_router(state: ApiState) -> Router {
    Router::new().route("/coordinator/report", post(reports::take_report)).with_state(state)
}

/// The description of this API.
#[derive(OpenApi)]
#[openapi(
    info(title = "Slotway", description = "Workers with slots behind Envoy: who there is, and what is free."),
    paths(
        coordinator::list_workers,
        coordinator::put_workers,
        coordinator::delete_worker,
        envoys::list_envoys,
        v1::server_limits::get,
        v1::server_limits::put,
        v1::resource_profiles::get,
        v1::resource_profiles::put,
        v1::backup_jobs::list,
        v1::backup_jobs::get,
        v1::backup_jobs::put,
        v1::backup_jobs::remove,
        v1::servers::list,
        v1::servers::mark,
        v1::servers::unmark,
        health::healthz,
        audit::list_changes,
        health::readyz,
        health::readyz_xds,
        health::readyz_store,
        metrics::metrics
    ),
    components(schemas(Problem)),
    modifiers(&BearerScheme)
)]
struct Description;

async fn openapi() -> axum::Json<utoipa::openapi::OpenApi> {
    axum::Json(Description::openapi())
}
