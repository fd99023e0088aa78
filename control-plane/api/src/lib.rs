//! The REST API: the only crate with handlers and status codes.

mod access;
mod audit;
mod cookies;
mod coordinator;
mod coordinator_types;
mod coordinators;
mod envoys;
mod error;
mod error_problem;
mod events;
mod flattened;
mod health;
mod identity_problem;
mod metrics;
mod observed;
mod ordinary;
mod people;
mod pool_types;
mod pools_problem;
mod port;
mod problem;
mod rates;
mod refusals;
mod reports;
mod resource;
mod sender;
mod v1;

use std::sync::{Arc, LazyLock};

use axum::{
    Extension, Router, body::Bytes, extract::DefaultBodyLimit, http::header, middleware,
    response::IntoResponse, routing::post,
};
use slotway_api_types::ResourceBodyMetadata;
use slotway_identity::IdentityService;
use slotway_xds::OtherRoutes;
use utoipa::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

use slotway_coordinators::{Coordinators, NodeKeys, REPORT_BYTES_MAX, Reports};
use slotway_pools::Pools;
use slotway_runtime::Stopping;
use slotway_runtime::telemetry::{Metrics, RequestMetrics};
use slotway_store::Store;

pub use cookies::OIDC_CALLBACK;
pub use coordinator_types::protocol_variant;
pub use error::ApiError;
pub use events::{EventSources, Hub};
pub use ordinary::ResourceRegistry;
pub use port::ApiPort;
pub use rates::{RateLimits, Rates};
pub use slotway_api_types::{CoordinatorSpec, List, Metadata, Problem, Resource};

/// The components that the handlers use.
#[derive(Clone)]
pub struct ApiState {
    /// The domains of the ordinary kinds.
    pub resources: Arc<ResourceRegistry>,
    /// The workers.
    pub workers: Arc<Pools>,
    /// The store.
    pub store: Arc<dyn Store>,
    /// The coordinators' reports.
    pub reports: Arc<Reports>,
    /// The coordinators' connections.
    pub coordinators: Arc<Coordinators>,
    /// The listeners to events.
    pub events: Arc<Hub>,
    /// Authenticates requests; users, sessions, tokens.
    pub identity: Arc<IdentityService>,
    /// The keys of the nodes, which their reports need.
    pub node_keys: Arc<NodeKeys>,
    /// The rate limits.
    pub rates: Arc<Rates>,
    /// The metrics of all components.
    pub metrics: Arc<Metrics>,
    /// The progress of the shutdown.
    pub stopping: Stopping,
    /// The metrics of requests.
    pub requests: Arc<RequestMetrics>,
}

impl ApiState {
    /// Returns the components whose changes become events.
    #[must_use]
    pub fn event_sources(&self) -> EventSources {
        EventSources {
            resources: Arc::clone(&self.resources),
            workers: Arc::clone(&self.workers),
            store: Arc::clone(&self.store),
            reports: Arc::clone(&self.reports),
            coordinators: Arc::clone(&self.coordinators),
        }
    }
}

/// Returns the routes of the REST port.
pub fn router(state: ApiState) -> Router {
    let Endpoints { router, description } = &*ENDPOINTS;
    router
        .clone()
        .route_layer(middleware::from_fn_with_state(state.clone(), access::enforce))
        .layer(Extension(DescriptionText(description.clone())))
        .fallback(problem::not_found)
        .method_not_allowed_fallback(problem::method_not_allowed)
        // Requests above the limit cost only a log line.
        .layer(middleware::from_fn_with_state(state.clone(), rates::enforce))
        .layer(middleware::from_fn_with_state(state.clone(), observed::observe))
        .with_state(state)
}

/// Returns the route of the xDS port beside xDS, where the filter's reports arrive.
pub fn report_routes(state: ApiState) -> OtherRoutes {
    let state = reports::ReportState::new(state);
    let router = Router::new().route("/coordinator/report", post(reports::take_report)).with_state(state);
    OtherRoutes { router: router.layer(DefaultBodyLimit::max(REPORT_BYTES_MAX)), refuse: reports::refuse }
}

/// The endpoints without a state, and their serialized description. Made once: it takes milliseconds.
struct Endpoints {
    router: Router<ApiState>,
    description: Bytes,
}

static ENDPOINTS: LazyLock<Endpoints> = LazyLock::new(|| {
    let (router, description) = described().split_for_parts();
    // The description consists of literals, which can always be serialized.
    let text = completed(description).to_json().unwrap_or_default();
    Endpoints { router, description: text.into() }
});

/// Returns the description of this API: `GET /openapi.json`.
#[must_use]
pub fn description() -> utoipa::openapi::OpenApi {
    completed(described().into_openapi())
}

/// Adds what all endpoints have in common to the descriptions of the handlers.
fn completed(mut description: utoipa::openapi::OpenApi) -> utoipa::openapi::OpenApi {
    access::describe(&mut description);
    refusals::describe(&mut description);
    flattened::describe(&mut description);
    description
}

/// The description of the API as a whole. Handlers describe their endpoints.
#[derive(OpenApi)]
#[openapi(
    info(title = "Slotway", description = "Workers with slots behind Envoy."),
    components(schemas(Problem, CoordinatorSpec, Metadata, ResourceBodyMetadata))
)]
struct Description;

/// Returns the endpoints with their descriptions: an endpoint without one cannot be served.
fn described() -> OpenApiRouter<ApiState> {
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(coordinator::list_workers, coordinator::put_workers, coordinator::delete_worker))
        .routes(routes!(envoys::list_envoys))
        .routes(routes!(coordinators::list))
        .routes(routes!(coordinators::get))
        .routes(routes!(audit::list_changes))
        .routes(routes!(events::listen))
        .merge(people::router())
        .merge(v1::router())
        .merge(ordinary::router())
        .routes(routes!(openapi))
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(health::readyz_xds))
        .routes(routes!(health::readyz_store))
        .routes(routes!(metrics::metrics))
}

/// Returns the description of this API.
#[utoipa::path(get, path = "/openapi.json", responses((status = 200, description = "OpenAPI 3.1", body = Object)))]
async fn openapi(Extension(DescriptionText(text)): Extension<DescriptionText>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], Bytes::clone(&text))
}

/// The serialized description.
#[derive(Clone)]
struct DescriptionText(Bytes);
