//! `/api/v1`: pools, policies and workers, and `apply` for several kinds at once.

mod applied_resources;
pub(super) mod apply;
pub(super) mod cordons;
pub(super) mod outcome;
pub(super) mod policies;
pub(super) mod pools;
mod worker_query;
pub(super) mod workers;

use serde_json::Value;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::ApiState;
use slotway_pools::{POLICY, POOL, StatusView, WORKER};
use slotway_store::Kind;

/// Returns the routes.
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
}

/// Returns a pool, a policy or a worker as GET returns it, by its key in the store; none if it does not exist.
pub(super) fn rendered(view: &StatusView<'_>, kind: Kind, key: &str) -> Option<Value> {
    match kind {
        POOL => serde_json::to_value(pools::resource(view, &key.parse().ok()?)?).ok(),
        POLICY => serde_json::to_value(policies::resource(&view.state, &key.parse().ok()?)?).ok(),
        WORKER => serde_json::to_value(workers::resource(view, &key.parse().ok()?)?).ok(),
        _ => None,
    }
}
