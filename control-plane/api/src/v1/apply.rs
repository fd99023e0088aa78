use std::{collections::HashMap, sync::Arc, time::Instant};

use axum::{
    Extension, Json,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use slotway_api_types::{Action, Applied, AppliedItem, ResourceKind, kinds};
use slotway_config::{Policy, PoolName, limits};
use slotway_store::Replicated;

use super::{
    applied_resources::{self, OrdinaryItem},
    outcome::at,
    policies, pools, workers,
};
use crate::ApiError;
use crate::{
    ApiState, Problem,
    access::scope_of,
    ordinary::ATTEMPTS_MAX,
    resource::{DryRun, Precondition, RequestBody, located, read},
};
use slotway_identity::Identity;
use slotway_pools::{
    ChangeContext, PoolSpec, PoolsError, PoolsState, RuleSubject, RuleViolation, StatusView, WantedWorker,
    WorkerSpec,
};
use slotway_store::{Batch, StoreError};

/// The largest number of resources of one request.
const ITEMS_MAX: usize = limits::WORKERS_PER_POOL_MAX;

/// Resources to apply, all or nothing.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApplyBody {
    /// Resources of any kinds that can be applied, each with `kind`, `metadata.name` and `spec`.
    #[schema(value_type = Vec<Object>)]
    items: Vec<Value>,
}

/// A resource to apply.
#[derive(Debug, Clone)]
enum Item {
    Pool(PoolName, PoolSpec),
    Policy(PoolName, Policy),
    Worker(Box<WantedWorker>),
    Ordinary(OrdinaryItem),
}

impl Item {
    /// Reads a resource with its precondition.
    fn read(value: Value) -> Result<(Self, Precondition), ApiError> {
        let bad =
            |field: &str, reason| ApiError::BadBody { index: None, field: Some(field.to_owned()), reason };
        let kind = value.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
        match kind.as_str() {
            pools::KIND => {
                let (name, body, precondition) = named::<PoolSpec>(value)?;
                body.metadata.has_no_labels()?;
                Ok((Self::Pool(pools::parse_name(&name)?, body.spec), precondition))
            }
            policies::KIND => {
                let (name, body, precondition) = named::<Policy>(value)?;
                body.metadata.has_no_labels()?;
                Ok((Self::Policy(pools::parse_name(&name)?, body.spec), precondition))
            }
            workers::KIND => {
                let (name, body, precondition) = named::<WorkerSpec>(value)?;
                let worker = workers::wanted(workers::named(&name)?, body.metadata, body.spec)?;
                Ok((Self::Worker(Box::new(worker)), precondition))
            }
            other => {
                let Some(kind) = kinds::ordinary().find(|kind| kind.is_applied && kind.name == other) else {
                    let applied = kinds::ALL.into_iter().filter(|kind| kind.is_applied);
                    let applied = applied.map(|kind| kind.name).collect::<Vec<_>>().join(", ");
                    return Err(bad(
                        "kind",
                        format!("{other:?} is no kind that can be applied; use one of {applied}"),
                    ));
                };
                let (name, body, precondition) = named::<Value>(value)?;
                body.metadata.has_no_labels()?;
                Ok((Self::Ordinary(OrdinaryItem { kind, name, spec: body.spec }), precondition))
            }
        }
    }

    fn kind(&self) -> &'static ResourceKind {
        match self {
            Self::Pool(..) => &kinds::POOL,
            Self::Policy(..) => &kinds::POLICY,
            Self::Worker(_) => &kinds::WORKER,
            Self::Ordinary(item) => item.kind,
        }
    }

    fn is_of_pools(&self) -> bool {
        !matches!(self, Self::Ordinary(_))
    }

    fn name(&self) -> &str {
        match self {
            Self::Pool(name, _) | Self::Policy(name, _) => name.as_str(),
            Self::Worker(wanted) => wanted.worker.as_str(),
            Self::Ordinary(item) => &item.name,
        }
    }

    fn version(&self, roster: &PoolsState) -> Option<u64> {
        match self {
            Self::Pool(name, _) => pools::version(roster, name),
            Self::Policy(name, _) => policies::version(roster, name),
            Self::Worker(wanted) => workers::version(roster, &wanted.worker),
            Self::Ordinary(_) => None,
        }
    }

    fn resource(&self, view: &StatusView<'_>) -> Option<Value> {
        match self {
            Self::Pool(name, _) => json(pools::resource(view, name)),
            Self::Policy(name, _) => json(policies::resource(&view.state, name)),
            Self::Worker(wanted) => json(workers::resource(view, &wanted.worker)),
            Self::Ordinary(_) => None,
        }
    }

    fn action(&self, before: &PoolsState, after: &PoolsState) -> Action {
        let (there, same) = match self {
            Self::Pool(name, _) => {
                (before.pools().has(name), before.pools().get(name) == after.pools().get(name))
            }
            Self::Policy(name, _) => (
                before.pools().policy(name).is_some(),
                before.pools().policy(name) == after.pools().policy(name),
            ),
            Self::Worker(wanted) => {
                let url = &wanted.worker;
                (before.worker(url).is_some(), before.worker(url) == after.worker(url))
            }
            Self::Ordinary(_) => (false, false),
        };
        Action::of(there, same)
    }
}

impl Item {
    fn applied(&self, before: &StatusView<'_>, after: &StatusView<'_>) -> AppliedItem {
        AppliedItem {
            kind: self.kind().name.to_owned(),
            name: self.name().to_owned(),
            action: self.action(&before.state, &after.state),
            before: self.resource(before),
            after: self.resource(after),
        }
    }
}

/// Creates or replaces resources of several kinds: all of them, or none. Their order in the list does not matter.
#[utoipa::path(post, path = "/api/v1/apply", operation_id = "apply", params(
    ("dry_run" = Option<bool>, Query, description = "Validate only; the answer shows the changes"),
), request_body = ApplyBody, responses(
    (status = 200, description = "The outcome of each item", body = Applied),
    (status = 400, description = "One item is invalid; nothing was changed", body = Problem),
    (status = 401, description = "Authentication required", body = Problem),
    (status = 403, description = "The scope does not suffice for one of the kinds", body = Problem),
    (status = 404, description = "One refers to a resource that does not exist; nothing was changed", body = Problem),
    (status = 409, description = "Conflict with the current state; nothing was changed", body = Problem),
    (status = 412, description = "Version conflict of one item; nothing was changed", body = Problem),
    (status = 415, description = "The body is not JSON", body = Problem),
))]
pub(crate) async fn apply(
    Extension(identity): Extension<Identity>,
    State(state): State<ApiState>,
    dry_run: DryRun,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    let ApplyBody { items } = read(&headers, body)?;
    let items = Arc::new(read_items(items)?);
    for (index, (item, _)) in items.iter().enumerate() {
        identity.require(scope_of(item.kind().change)).map_err(at(index))?;
    }
    let applied = if items.iter().all(|(item, _)| item.is_of_pools()) {
        apply_to_pools(&state, identity, dry_run, &items).await?
    } else {
        apply_to_all(&state, identity, dry_run, &items).await?
    };
    let mut response = Json(Applied { items: applied }).into_response();
    dry_run.mark(&mut response);
    Ok(response)
}

type Items = Arc<Vec<(Item, Precondition)>>;

async fn apply_to_pools(
    state: &ApiState,
    identity: Identity,
    dry_run: DryRun,
    items: &Items,
) -> Result<Vec<AppliedItem>, ApiError> {
    let make = change_of(state, items, &identity);
    let (before, after) = state.workers.change(identity.who, dry_run.0, make).await?;
    let (before, after) = views(state, before, after);
    Ok(items.iter().map(|(item, _)| item.applied(&before, &after)).collect())
}

/// Applies resources of pools and of other domains in one batch.
async fn apply_to_all(
    state: &ApiState,
    identity: Identity,
    dry_run: DryRun,
    items: &Items,
) -> Result<Vec<AppliedItem>, ApiError> {
    let has_pools = items.iter().any(|(item, _)| item.is_of_pools());
    let workers: Vec<_> = items.iter().filter(|(item, _)| matches!(item, Item::Worker(_))).collect();
    let workers: Vec<_> =
        workers.iter().map(|(item, _)| (slotway_pools::WORKER, item.name().to_owned())).collect();
    let ordinary: Vec<_> = items
        .iter()
        .enumerate()
        .filter_map(|(index, (item, precondition))| match item {
            Item::Ordinary(item) => Some((index, item, *precondition)),
            _ => None,
        })
        .collect();
    let _alone = state.resources.alone().await;
    for _ in 0..ATTEMPTS_MAX {
        let pools = match has_pools {
            true => Some(state.workers.prepare(change_of(state, items, &identity)).await?),
            false => None,
        };
        let planned = applied_resources::plan(state, &ordinary, &workers).await?;
        let own = pools.iter().flat_map(|pools| pools.writes.iter().cloned());
        let writes: Vec<_> =
            own.chain(planned.iter().flat_map(|planned| planned.writes.iter().cloned())).collect();
        let revision = if dry_run.0 || writes.is_empty() {
            None
        } else {
            match state.store.commit(Batch { who: identity.who.clone(), writes }).await {
                Ok(revision) => Some(revision),
                Err(StoreError::Conflict { .. }) => continue,
                Err(error) => return Err(error.into()),
            }
        };
        if let Some(revision) = revision {
            state.resources.read_up_to(revision).await;
            if let Err(error) = state.workers.caught_up(revision).await {
                tracing::debug!("a change was made and cannot be read yet: {error}");
            }
        }
        let mut applied = applied_resources::applied(planned, revision);
        if let Some(pools) = pools {
            let (before, mut after) = (pools.before, pools.next);
            if let (Some(revision), false) = (revision, pools.writes.is_empty()) {
                after.stamp(&before, revision);
            }
            let (before, after) = views(state, before, Arc::new(after));
            let of_pools = items.iter().enumerate().filter(|(_, (item, _))| item.is_of_pools());
            applied.extend(of_pools.map(|(index, (item, _))| (index, item.applied(&before, &after))));
        }
        return Ok(applied.into_values().collect());
    }
    Err(StoreError::Contended.into())
}

/// Returns the change of pools, policies and workers. It returns the state before it.
fn change_of(
    state: &ApiState,
    items: &Items,
    identity: &Identity,
) -> impl Fn(&mut PoolsState) -> Result<Arc<PoolsState>, ApiError> + use<> {
    let (context, wanted) = (state.workers.context(identity.who.clone()), Arc::clone(items));
    move |next: &mut PoolsState| {
        let before = Arc::new(next.clone());
        make_so(next, &wanted, &context)?;
        Ok(before)
    }
}

fn views(
    state: &ApiState,
    before: Arc<PoolsState>,
    after: Arc<PoolsState>,
) -> (StatusView<'_>, StatusView<'_>) {
    let now = Instant::now();
    (state.workers.view_of(before, now), state.workers.view_of(after, now))
}

fn read_items(values: Vec<Value>) -> Result<Vec<(Item, Precondition)>, ApiError> {
    let bad = |field: &str, reason| ApiError::BadBody { index: None, field: Some(field.to_owned()), reason };
    if !(1..=ITEMS_MAX).contains(&values.len()) {
        return Err(bad(
            "items",
            format!("from 1 to {ITEMS_MAX} can be applied at once, not {}", values.len()),
        ));
    }
    let mut items = Vec::with_capacity(values.len());
    let mut seen = HashMap::new();
    for (index, value) in values.into_iter().enumerate() {
        let (item, precondition) = Item::read(value).map_err(at(index))?;
        if let Some(first) = seen.insert((item.kind().name, item.name().to_owned()), index) {
            let reason =
                format!("the same {} cannot stand twice; the first is item {first}", item.kind().name);
            return Err(at(index)(bad("metadata.name", reason)));
        }
        items.push((item, precondition));
    }
    Ok(items)
}

/// Applies the items to the state: pools first, then policies, then workers, regardless of their order in the list.
fn make_so(
    next: &mut PoolsState,
    items: &[(Item, Precondition)],
    context: &ChangeContext,
) -> Result<(), ApiError> {
    for (index, (item, precondition)) in items.iter().enumerate().filter(|(_, (item, _))| item.is_of_pools())
    {
        precondition.check(item.version(next)).map_err(at(index))?;
    }
    next.put_pools(items.iter().filter_map(|(item, _)| match item {
        Item::Pool(name, spec) => Some((name.clone(), spec.clone())),
        Item::Policy(..) | Item::Worker(_) | Item::Ordinary(_) => None,
    }));
    for (index, (item, _)) in items.iter().enumerate() {
        if let Item::Policy(name, policy) = item {
            next.put_policy(name, *policy).map_err(at(index))?;
        }
    }
    for (index, (item, _)) in items.iter().enumerate() {
        if let Item::Worker(wanted) = item {
            next.put_worker(WantedWorker::clone(wanted), context).map_err(at(index))?;
        }
    }
    next.check_rules().map_err(|violation| {
        let index = items.iter().rposition(|(item, _)| is_to_blame(item, &violation, next));
        let error = ApiError::from(PoolsError::from(violation));
        match index {
            Some(index) => at(index)(error),
            None => error,
        }
    })
}

/// Returns whether an item may have caused a violation.
fn is_to_blame(item: &Item, violation: &RuleViolation, roster: &PoolsState) -> bool {
    match (item, violation.subject) {
        (Item::Pool(..), RuleSubject::PoolCount) => true,
        (Item::Pool(name, _), RuleSubject::Match) => {
            violation.pool.as_ref() == Some(name) || violation.other.as_ref() == Some(name)
        }
        (Item::Worker(wanted), RuleSubject::Workers) => {
            roster.worker(&wanted.worker).map(|record| &record.entry.pool) == violation.pool.as_ref()
        }
        _ => false,
    }
}

/// Parses a resource with its name.
fn named<Spec: DeserializeOwned>(
    value: Value,
) -> Result<(String, RequestBody<Spec>, Precondition), ApiError> {
    let body: RequestBody<Spec> = located(value)?;
    let name = body.metadata.name.clone().ok_or_else(|| ApiError::BadBody {
        index: None,
        field: Some("metadata.name".to_owned()),
        reason: "say which one it is".to_owned(),
    })?;
    let precondition = Precondition::Any.and_body(body.metadata.resource_version.as_deref())?;
    Ok((name, body, precondition))
}

fn json(resource: Option<impl Serialize>) -> Option<Value> {
    // Text and numbers can always be serialized.
    resource.and_then(|resource| serde_json::to_value(resource).ok())
}
