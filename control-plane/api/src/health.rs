use axum::{extract::State, http::StatusCode};

use super::ApiState;
use slotway_runtime::Phase;

/// Reports that the process runs.
#[utoipa::path(get, path = "/healthz", responses((status = 200, description = "The process runs", body = String)))]
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// Reports whether xDS and REST are served and the database accepts changes. This port opens only once the
/// store is loaded and xDS is served.
#[utoipa::path(get, path = "/readyz", responses(
    (status = 200, description = "Ready", body = String),
    (status = 503, description = "The database cannot be used, so changes are refused; or the process is stopping", body = String),
))]
pub(super) async fn readyz(State(state): State<ApiState>) -> (StatusCode, String) {
    if is_stopping(&state) {
        return stopping();
    }
    let generation = state.workers.desired().borrow().generation;
    let (status, store) = store_line(&state);
    let word = if status == StatusCode::OK { "ready" } else { "not ready" };
    (status, format!("{word}\ngeneration {generation}\nxds: served\n{store}"))
}

/// Reports that xDS is served, whatever the state of the database: for a load balancer between Envoys and control planes.
#[utoipa::path(get, path = "/readyz/xds", responses(
    (status = 200, description = "xDS is served", body = String),
    (status = 503, description = "The process is stopping", body = String),
))]
pub(super) async fn readyz_xds(State(state): State<ApiState>) -> (StatusCode, String) {
    if is_stopping(&state) { stopping() } else { (StatusCode::OK, "xds: served\n".to_owned()) }
}

fn is_stopping(state: &ApiState) -> bool {
    state.stopping.phase() != Phase::Serving
}

/// Returns the answer to a load balancer during the shutdown.
fn stopping() -> (StatusCode, String) {
    (StatusCode::SERVICE_UNAVAILABLE, "stopping\n".to_owned())
}

/// Reports whether the database accepts changes.
#[utoipa::path(get, path = "/readyz/store", responses(
    (status = 200, description = "Changes are accepted", body = String),
    (status = 503, description = "Changes are refused", body = String),
))]
pub(super) async fn readyz_store(State(state): State<ApiState>) -> (StatusCode, String) {
    store_line(&state)
}

fn store_line(state: &ApiState) -> (StatusCode, String) {
    match &*state.store.trouble().borrow() {
        None => (StatusCode::OK, "store: takes changes\n".to_owned()),
        Some(trouble) => {
            let since_s = trouble.since.elapsed().as_secs();
            let line = format!("store: refuses changes for {since_s} s: {}\n", trouble.reason);
            (StatusCode::SERVICE_UNAVAILABLE, line)
        }
    }
}
