use std::{collections::BTreeMap, time::Instant};

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
};
use slotway_api_types::{CoordinatorSpec, CoordinatorState, CoordinatorStatus};

use super::{
    ApiState, List, Metadata, Problem, Resource,
    coordinator_types::{coordinator_pool, coordinator_status},
    resource::{PageQuery, PathName, paged},
};
use crate::ApiError;
use slotway_pools::CoordinatorFigures;

/// The kind of a coordinator.
pub(super) const KIND: &str = "Coordinator";
/// The largest number of coordinators in an error.
const NAMED_MAX: usize = 20;

/// A connected Envoy.
pub(super) type Coordinator = Resource<CoordinatorSpec, CoordinatorState>;

/// Lists the connected Envoys with their configuration state and last report.
#[utoipa::path(get, path = "/api/v1/coordinators", operation_id = "list_coordinators", params(
    ("limit" = Option<usize>, Query, description = "Largest number of items, 1 to 1000; 500 by default", minimum = 1, maximum = 1000),
    ("continue" = Option<String>, Query, description = "The `continue` of the previous page"),
), responses(
    (status = 200, description = "A page of coordinators", body = List<Resource<CoordinatorSpec, CoordinatorState>>),
    (status = 400, description = "Invalid page", body = Problem),
    (status = 401, description = "Authentication required", body = Problem),
))]
pub(super) async fn list(
    State(state): State<ApiState>,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Json<List<Coordinator>>, ApiError> {
    let Query(query) = query.map_err(|rejection| ApiError::BadBody {
        index: None,
        field: None,
        reason: format!("{}; there is limit and continue", rejection.body_text()),
    })?;
    let nodes = state.coordinators.nodes().list();
    let page = paged(KIND, 0, &query, nodes, |node| &node.id)?;
    let coordinators = state.coordinators.with_rejected_changes(page.items).await;
    let reports = by_coordinator(state.reports.latest(Instant::now()));
    let items = coordinators.into_iter().map(|own| resource(coordinator_status(own), &reports)).collect();
    Ok(Json(List { kind: page.kind, resource_version: page.resource_version, items, next: page.next }))
}

/// Shows one connected Envoy.
#[utoipa::path(get, path = "/api/v1/coordinators/{name}", operation_id = "get_coordinator", params(
    ("name" = String, Path, description = "The Envoy's node id"),
), responses(
    (status = 200, description = "The coordinator", body = Resource<CoordinatorSpec, CoordinatorState>),
    (status = 400, description = "Not a name", body = Problem),
    (status = 401, description = "Authentication required", body = Problem),
    (status = 404, description = "No Envoy with this node id is connected", body = Problem),
))]
pub(super) async fn get(
    State(state): State<ApiState>,
    PathName(name): PathName,
) -> Result<Json<Coordinator>, ApiError> {
    let Some(node) = state.coordinators.nodes().get(&name) else {
        let known = state.coordinators.nodes().list().into_iter().take(NAMED_MAX).map(|node| node.id);
        return Err(ApiError::UnknownCoordinator { name, known: known.collect() });
    };
    let coordinators = state.coordinators.with_rejected_changes(vec![node]).await;
    let reports = by_coordinator(state.reports.latest(Instant::now()));
    let mut found = coordinators.into_iter().map(|own| resource(coordinator_status(own), &reports));
    found.next().map(Json).ok_or(ApiError::UnknownCoordinator { name, known: Vec::new() })
}

fn by_coordinator(reports: Vec<CoordinatorFigures>) -> BTreeMap<String, CoordinatorFigures> {
    reports.into_iter().map(|report| (report.coordinator.clone(), report)).collect()
}

fn resource(status: CoordinatorStatus, reports: &BTreeMap<String, CoordinatorFigures>) -> Coordinator {
    let report = reports.get(&status.node);
    let state = CoordinatorState {
        cluster: status.cluster,
        envoy_version: status.envoy_version,
        protocol: status.protocol,
        connected_since_unix_ms: status.connected_since_unix_ms,
        generation: status.generation,
        state: status.state,
        types: status.types,
        pools: report.iter().flat_map(|report| &report.pools).map(coordinator_pool).collect(),
        report_age_ms: report.map(|report| u64::try_from(report.age.as_millis()).unwrap_or(u64::MAX)),
        generation_in_force: report.map(|report| report.generation),
    };
    let metadata = Metadata::new(status.node, 0);
    Resource { kind: KIND.to_owned(), metadata, spec: CoordinatorSpec {}, status: state }
}
