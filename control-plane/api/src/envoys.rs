use axum::{Json, extract::State};

use slotway_api_types::CoordinatorStatus;

use super::{ApiState, Problem, coordinator_types::coordinator_status};

/// Lists the connected Envoys: which configuration each has acknowledged, what it rejected, and which changes it rejected.
#[utoipa::path(get, path = "/coordinator/envoys", responses(
    (status = 200, description = "The connected Envoys", body = Vec<CoordinatorStatus>),
    (status = 401, description = "Authentication required", body = Problem),
))]
pub(super) async fn list_envoys(State(state): State<ApiState>) -> Json<Vec<CoordinatorStatus>> {
    let nodes = state.coordinators.nodes().list();
    let coordinators = state.coordinators.with_rejected_changes(nodes).await;
    Json(coordinators.into_iter().map(coordinator_status).collect())
}
