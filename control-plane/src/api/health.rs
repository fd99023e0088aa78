use axum::extract::State;

use super::ApiState;

/// Tells that the process runs.
#[utoipa::path(get, path = "/healthz", responses((status = 200, description = "It runs", body = String)))]
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// Tells that the store is loaded and xDS is served. This port opens only once both are so.
#[utoipa::path(get, path = "/readyz", responses((status = 200, description = "It serves", body = String)))]
pub(super) async fn readyz(State(state): State<ApiState>) -> String {
    format!("ready\ngeneration {}\n", state.workers.desired().borrow().generation)
}
