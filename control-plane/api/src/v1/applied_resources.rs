//! The part of `apply` for ordinary kinds.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;
use slotway_api_types::{Action, AppliedItem, ResourceKind};
use slotway_store::{Kind, ResourceChange, ResourceChanges, ResourceError, ResourceView, Resources, Write};

use super::outcome::at;
use crate::ApiError;
use crate::{
    ApiState,
    ordinary::{StampedView, resource, served},
    resource::Precondition,
};

/// The desired state of a resource.
#[derive(Debug, Clone)]
pub(super) struct OrdinaryItem {
    pub(super) kind: &'static ResourceKind,
    pub(super) name: String,
    pub(super) spec: Value,
}

/// The computed changes of one domain, not committed yet.
pub(super) struct PlannedDomain<'a> {
    items: Vec<(usize, Kind, &'a OrdinaryItem)>,
    before: Arc<dyn ResourceView>,
    after: Arc<dyn ResourceView>,
    pub(super) writes: Vec<Write>,
}

/// The items of one domain, each with its index in the list.
struct DomainItems<'a> {
    domain: Arc<dyn Resources>,
    items: Vec<(usize, Kind, &'a OrdinaryItem, Precondition)>,
}

/// Computes the changes of each domain from the state in the store.
///
/// # Errors
/// Those of the domains, with the index of the item that caused them; [`ApiError::Stale`].
pub(super) async fn plan<'a>(
    state: &ApiState,
    items: &[(usize, &'a OrdinaryItem, Precondition)],
    workers: &[(Kind, String)],
) -> Result<Vec<PlannedDomain<'a>>, ApiError> {
    let mut domains: Vec<DomainItems<'a>> = Vec::new();
    for (index, item, precondition) in items {
        let served = served(state, item.kind)?;
        let entry = (*index, served.kind, *item, *precondition);
        match domains.iter_mut().find(|known| Arc::ptr_eq(&known.domain, &served.domain)) {
            Some(known) => known.items.push(entry),
            None => domains.push(DomainItems { domain: served.domain, items: vec![entry] }),
        }
    }
    let mut planned = Vec::with_capacity(domains.len());
    for DomainItems { domain, items } in domains {
        let before = domain.fresh().await?;
        let mut own = Vec::with_capacity(items.len());
        for (index, kind, item, precondition) in &items {
            let found = before.get(*kind, &item.name).map(|there| there.revision);
            precondition.check(found).map_err(at(*index))?;
            own.push(ResourceChange { kind: *kind, name: item.name.clone(), spec: Some(item.spec.clone()) });
        }
        let changed = before.changed(ResourceChanges { own: &own, created_beside: workers });
        let changed = changed.map_err(|error| placed(error, &items))?;
        let items = items.into_iter().map(|(index, kind, item, _)| (index, kind, item)).collect();
        planned.push(PlannedDomain { items, before, after: changed.view, writes: changed.writes });
    }
    Ok(planned)
}

/// Returns the outcome of each item by its index in the list. `revision` is that of the commit, if there was one.
pub(super) fn applied(
    planned: Vec<PlannedDomain<'_>>,
    revision: Option<u64>,
) -> BTreeMap<usize, AppliedItem> {
    let mut applied = BTreeMap::new();
    for PlannedDomain { items, before, after, writes } in planned {
        let after = StampedView::new(after, &writes, revision);
        for (index, kind, item) in items {
            let (was, is) = (before.get(kind, &item.name), after.get(kind, &item.name));
            let same = was.as_ref().map(|was| &was.spec) == is.as_ref().map(|is| &is.spec);
            // Plain values can always be serialized.
            let shown = |stored| serde_json::to_value(resource(item.kind, stored)).ok();
            let outcome = AppliedItem {
                kind: item.kind.name.to_owned(),
                name: item.name.clone(),
                action: Action::of(was.is_some(), same),
                before: was.and_then(shown),
                after: is.and_then(shown),
            };
            applied.insert(index, outcome);
        }
    }
    applied
}

/// Adds the index of the item that caused the error.
fn placed(error: ResourceError, items: &[(usize, Kind, &OrdinaryItem, Precondition)]) -> ApiError {
    let to_blame = error.name().and_then(|name| items.iter().rev().find(|(_, _, item, _)| item.name == name));
    let index = to_blame.map(|(index, ..)| *index);
    match index {
        Some(index) => at(index)(error),
        None => error.into(),
    }
}
