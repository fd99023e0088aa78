//! REST: what an operator, the CLI and the coordinator that Slotway replaces speak.

pub mod auth;
mod coordinator;
mod health;
mod metrics;
mod problem;
mod reports;

use std::sync::Arc;

use axum::{
    Router,
    routing::{get, post},
};
use utoipa::OpenApi;

use self::auth::{AdminToken, BearerScheme};
use crate::{reports::Reports, workers::Workers, xds::Coordinators};

pub use coordinator::RemovedWorker;
pub use problem::Problem;

/// What the handlers work with.
#[derive(Clone)]
pub struct ApiState {
    /// The workers.
    pub workers: Arc<Workers>,
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
        .route("/coordinator/envoys", get(coordinator::list_envoys))
        .route("/openapi.json", get(openapi))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
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
        coordinator::list_envoys,
        health::healthz,
        health::readyz,
        metrics::metrics
    ),
    components(schemas(Problem)),
    modifiers(&BearerScheme)
)]
struct Description;

async fn openapi() -> axum::Json<utoipa::openapi::OpenApi> {
    axum::Json(Description::openapi())
}
