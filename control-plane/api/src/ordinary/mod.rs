//! The ordinary kinds: one handler implements list, get, put, patch and delete for all of them.
//!
//! A kind is served if it has a descriptor in `slotway_api_types::kinds` and a domain in [`ResourceRegistry`].

mod paths;
mod registry;

use axum::{
    Json,
    body::Bytes,
    extract::{Query, State, rejection::BytesRejection, rejection::QueryRejection},
    http::{HeaderMap, StatusCode},
    response::Response,
    routing::get,
};
use serde_json::{Value, json};
use slotway_api_types::{ResourceKind, kinds};
use slotway_store::{DomainResource, ResourceChange, ResourceView};
use utoipa_axum::router::OpenApiRouter;

use super::{
    ApiState, List, Metadata, Resource,
    access::RequestAuthor,
    resource::{
        DryRun, PageQuery, PathName, Precondition, RequestBody, answer, bad_query, located, merged, paged,
        read,
    },
};
use crate::ApiError;

pub use registry::ResourceRegistry;
pub(super) use registry::{ATTEMPTS_MAX, ServedKind, StampedView};

/// Returns the routes of all ordinary kinds, with their description.
pub(super) fn router() -> OpenApiRouter<ApiState> {
    let mut router = OpenApiRouter::new();
    for kind in kinds::ordinary() {
        let list = move |state, query| list(kind, state, query);
        let one = move |state, name| one(kind, state, name);
        let put = move |by, state, name, asked, dry_run, headers, body| {
            change(kind, Method::Put, by, state, name, asked, dry_run, headers, body)
        };
        let patch = move |by, state, name, asked, dry_run, headers, body| {
            change(kind, Method::Patch, by, state, name, asked, dry_run, headers, body)
        };
        let mut item = get(one).put(put).patch(patch);
        if kind.is_deletable() {
            item = item
                .delete(move |by, state, name, asked, dry_run| remove(kind, by, state, name, asked, dry_run));
        }
        router = router.route(&kind.collection(), get(list)).route(&kind.item(), item);
        paths::describe(router.get_openapi_mut(), kind);
    }
    router
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    Put,
    Patch,
}

/// Returns a resource as it is sent.
pub(super) fn resource(kind: &ResourceKind, stored: DomainResource) -> Resource<Value, Value> {
    let DomainResource { name, revision, spec, status } = stored;
    Resource { kind: kind.name.to_owned(), metadata: Metadata::new(name, revision), spec, status }
}

/// Returns a resource as GET returns it, by its kind and name.
pub(super) fn rendered(resources: &ResourceRegistry, kind: &ResourceKind, name: &str) -> Option<Value> {
    let served = resources.served(kind)?;
    let stored = served.domain.current().get(served.kind, name)?;
    // Plain values can always be serialized.
    serde_json::to_value(resource(kind, stored)).ok()
}

/// Returns whether a resource exists even without a document.
pub(super) fn is_built_in(resources: &ResourceRegistry, kind: &ResourceKind, name: &str) -> bool {
    let served = kind.ordinary.and_then(|_| resources.served(kind));
    served.is_some_and(|served| served.domain.current().is_built_in(served.kind, name))
}

async fn list(
    kind: &'static ResourceKind,
    State(state): State<ApiState>,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Json<List<Resource<Value, Value>>>, ApiError> {
    let Query(query) = query.map_err(|rejection| bad_query(&rejection, "limit and continue"))?;
    let served = served(&state, kind)?;
    let view = served.domain.current();
    let page = paged(kind.name, view.revision(), &query, view.list(served.kind), |stored| &stored.name)?;
    Ok(Json(page.map(|stored| Some(resource(kind, stored)))))
}

async fn one(
    kind: &'static ResourceKind,
    State(state): State<ApiState>,
    PathName(name): PathName,
) -> Result<Response, ApiError> {
    let served = served(&state, kind)?;
    let found = there(kind, &served, &*served.domain.current(), &name)?;
    Ok(answer(StatusCode::OK, &resource(kind, found), DryRun::NO))
}

/// Creates or replaces a resource, or applies a merge patch (RFC 7396) to it.
#[expect(clippy::too_many_arguments, reason = "each is a part of the request")]
async fn change(
    kind: &'static ResourceKind,
    method: Method,
    RequestAuthor(who): RequestAuthor,
    State(state): State<ApiState>,
    PathName(name): PathName,
    precondition: Precondition,
    dry_run: DryRun,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    let served = served(&state, kind)?;
    let body: Value = read(&headers, body)?;
    let make = |view: &dyn ResourceView| {
        let before = view.get(served.kind, &name);
        let body: RequestBody<Value> = match (method, &before) {
            (Method::Put, _) => located(body.clone())?,
            (Method::Patch, Some(there)) => merged(json!({ "spec": there.spec }), body.clone())?,
            (Method::Patch, None) => return Err(unknown(kind, &served, view, &name)),
        };
        body.is_of(kind.name, &name)?;
        body.metadata.has_no_labels()?;
        let precondition = precondition.and_body(body.metadata.resource_version.as_deref())?;
        precondition.check(before.map(|there| there.revision))?;
        Ok(vec![ResourceChange { kind: served.kind, name: name.clone(), spec: Some(body.spec) }])
    };
    let (before, after) = state.resources.change(who, dry_run.0, &served, &make).await?;
    let is_new = before.get(served.kind, &name).is_none();
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    let found = after.get(served.kind, &name).ok_or_else(|| unknown(kind, &served, &*before, &name))?;
    Ok(answer(status, &resource(kind, found), dry_run))
}

async fn remove(
    kind: &'static ResourceKind,
    RequestAuthor(who): RequestAuthor,
    State(state): State<ApiState>,
    PathName(name): PathName,
    precondition: Precondition,
    dry_run: DryRun,
) -> Result<Response, ApiError> {
    let served = served(&state, kind)?;
    let make = |view: &dyn ResourceView| {
        let before = there(kind, &served, view, &name)?;
        precondition.check(Some(before.revision))?;
        Ok(vec![ResourceChange { kind: served.kind, name: name.clone(), spec: None }])
    };
    let (before, _) = state.resources.change(who, dry_run.0, &served, &make).await?;
    let before = there(kind, &served, &*before, &name)?;
    Ok(answer(StatusCode::OK, &resource(kind, before), dry_run))
}

/// Returns the domain of a kind.
///
/// # Errors
/// [`ApiError::System`] if the kind is described but has no domain.
pub(super) fn served(state: &ApiState, kind: &'static ResourceKind) -> Result<ServedKind, ApiError> {
    let reason = || format!("no domain serves {}", kind.titles);
    state
        .resources
        .served(kind)
        .ok_or_else(|| ApiError::System { doing: "serving resources", reason: reason() })
}

fn there(
    kind: &'static ResourceKind,
    served: &ServedKind,
    view: &dyn ResourceView,
    name: &str,
) -> Result<DomainResource, ApiError> {
    view.get(served.kind, name).ok_or_else(|| unknown(kind, served, view, name))
}

fn unknown(
    kind: &'static ResourceKind,
    served: &ServedKind,
    view: &dyn ResourceView,
    name: &str,
) -> ApiError {
    let known = view.list(served.kind).into_iter().take(KNOWN_MAX).map(|stored| stored.name);
    ApiError::UnknownResource { kind, name: name.to_owned(), known: known.collect() }
}

/// The maximum number of names in an error.
const KNOWN_MAX: usize = 20;
