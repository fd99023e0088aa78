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
use slotway_config::{Policy, PoolName, limits};

use super::{policies, pools, workers};
use crate::{
    api::{
        ApiState, Problem,
        resource::{DryRun, Given, Precondition, located, read},
    },
    error::Error,
    people::{Identity, Scope},
    workers::{
        ChangeContext, PoolSpec, PoolsError, PoolsState, RuleSubject, RuleViolation, StatusView,
        WantedWorker, WorkerSpec,
    },
};

/// Most resources in one request.
const ITEMS_MAX: usize = limits::WORKERS_PER_POOL_MAX;

/// Resources that are to be so, all of them or none.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct ApplyBody {
    /// Each a `Pool`, a `Policy` or a `Worker`, with `kind`, `metadata.name` and `spec`.
    #[schema(value_type = Vec<Object>)]
    items: Vec<Value>,
}

/// What became of what was to be so.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Applied {
    /// One for each that was sent, in their order.
    pub items: Vec<AppliedItem>,
}

/// What became of one resource.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AppliedItem {
    /// What it is.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// What became of it.
    pub action: Action,
    /// What was there; `null` where there was none.
    #[schema(value_type = Option<Object>)]
    pub before: Option<Value>,
    /// What is there now.
    #[schema(value_type = Option<Object>)]
    pub after: Option<Value>,
}

/// What became of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// There was none.
    Created,
    /// It was otherwise.
    Changed,
    /// It was so already.
    Unchanged,
}

/// A resource as it is to be.
#[derive(Debug, Clone)]
enum Item {
    Pool(PoolName, PoolSpec),
    Policy(PoolName, Policy),
    Worker(Box<WantedWorker>),
}

impl Item {
    /// Reads one, with what it asks of the version that is there.
    fn read(value: Value) -> Result<(Self, Precondition), Error> {
        let bad = |field: &str, reason| Error::BadBody { index: None, field: Some(field.to_owned()), reason };
        let kind = value.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
        match kind.as_str() {
            pools::KIND => {
                let (name, given, precondition) = named::<PoolSpec>(value)?;
                given.metadata.has_no_labels()?;
                Ok((Self::Pool(pools::parse_name(&name)?, given.spec), precondition))
            }
            policies::KIND => {
                let (name, given, precondition) = named::<Policy>(value)?;
                given.metadata.has_no_labels()?;
                Ok((Self::Policy(pools::parse_name(&name)?, given.spec), precondition))
            }
            workers::KIND => {
                let (name, given, precondition) = named::<WorkerSpec>(value)?;
                let worker = workers::wanted(workers::named(&name)?, given.metadata, given.spec)?;
                Ok((Self::Worker(Box::new(worker)), precondition))
            }
            "" => Err(bad("kind", "say what it is: Pool, Policy or Worker".to_owned())),
            other => Err(bad("kind", format!("{other:?} cannot be applied; Pool, Policy and Worker can"))),
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Pool(..) => pools::KIND,
            Self::Policy(..) => policies::KIND,
            Self::Worker(_) => workers::KIND,
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Pool(name, _) | Self::Policy(name, _) => name.as_str(),
            Self::Worker(wanted) => wanted.worker.as_str(),
        }
    }

    fn version(&self, roster: &PoolsState) -> Option<u64> {
        match self {
            Self::Pool(name, _) => pools::version(roster, name),
            Self::Policy(name, _) => policies::version(roster, name),
            Self::Worker(wanted) => workers::version(roster, &wanted.worker),
        }
    }

    fn resource(&self, view: &StatusView<'_>) -> Option<Value> {
        match self {
            Self::Pool(name, _) => json(pools::resource(view, name)),
            Self::Policy(name, _) => json(policies::resource(&view.state, name)),
            Self::Worker(wanted) => json(workers::resource(view, &wanted.worker)),
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
        };
        match (there, same) {
            (false, _) => Action::Created,
            (true, false) => Action::Changed,
            (true, true) => Action::Unchanged,
        }
    }
}

/// Makes pools, policies and workers so: all of them, or nothing. Pools come first, whatever their place in the list.
#[utoipa::path(post, path = "/api/v1/apply", operation_id = "apply", params(
    ("dry_run" = Option<bool>, Query, description = "Only try it out: the answer is what would change"),
), request_body = ApplyBody, responses(
    (status = 200, description = "What became of each", body = Applied),
    (status = 400, description = "One is not right; nothing was changed", body = Problem),
    (status = 401, description = "It is not known who asks", body = Problem),
    (status = 403, description = "They may not; pools and policies need the scope `admin`", body = Problem),
    (status = 404, description = "A policy of a pool that is not there; nothing was changed", body = Problem),
    (status = 409, description = "It contradicts what is there; nothing was changed", body = Problem),
    (status = 412, description = "Of one it is another version that is there; nothing was changed", body = Problem),
    (status = 415, description = "Not JSON", body = Problem),
))]
pub(in crate::api) async fn apply(
    Extension(identity): Extension<Identity>,
    State(state): State<ApiState>,
    dry_run: DryRun,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Error> {
    let ApplyBody { items } = read(&headers, body)?;
    let items = Arc::new(read_items(items)?);
    if let Err(forbidden) = identity.require(Scope::Admin)
        && let Some(index) = items.iter().position(|(item, _)| !matches!(item, Item::Worker(_)))
    {
        return Err(at(index)(forbidden));
    }
    let context = state.workers.context(identity.who.clone());
    let wanted = Arc::clone(&items);
    let make = |next: &mut PoolsState| -> Result<_, Error> {
        let before = Arc::new(next.clone());
        make_so(next, &wanted, &context)?;
        Ok(before)
    };
    let (before, after) = state.workers.change(identity.who, dry_run.0, make).await?;
    let now = Instant::now();
    let (before, after) = (state.workers.view_of(before, now), state.workers.view_of(after, now));
    let applied = |(item, _): &(Item, Precondition)| AppliedItem {
        kind: item.kind().to_owned(),
        name: item.name().to_owned(),
        action: item.action(&before.state, &after.state),
        before: item.resource(&before),
        after: item.resource(&after),
    };
    let mut response = Json(Applied { items: items.iter().map(applied).collect() }).into_response();
    dry_run.mark(&mut response);
    Ok(response)
}

fn read_items(values: Vec<Value>) -> Result<Vec<(Item, Precondition)>, Error> {
    let bad = |field: &str, reason| Error::BadBody { index: None, field: Some(field.to_owned()), reason };
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
        if let Some(first) = seen.insert((item.kind(), item.name().to_owned()), index) {
            let reason = format!("the same {} cannot stand twice; the first is item {first}", item.kind());
            return Err(at(index)(bad("metadata.name", reason)));
        }
        items.push((item, precondition));
    }
    Ok(items)
}

/// Pools first, then policies, then workers, so that it does not matter in which order they stand in the list.
fn make_so(
    next: &mut PoolsState,
    items: &[(Item, Precondition)],
    context: &ChangeContext,
) -> Result<(), Error> {
    for (index, (item, precondition)) in items.iter().enumerate() {
        precondition.check(item.version(next)).map_err(at(index))?;
    }
    next.put_pools(items.iter().filter_map(|(item, _)| match item {
        Item::Pool(name, spec) => Some((name.clone(), spec.clone())),
        Item::Policy(..) | Item::Worker(_) => None,
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
        let error = Error::from(PoolsError::from(violation));
        match index {
            Some(index) => at(index)(error),
            None => error,
        }
    })
}

/// Whether an item can be what broke a rule.
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

/// Reads a resource that has its name within.
fn named<Spec: DeserializeOwned>(value: Value) -> Result<(String, Given<Spec>, Precondition), Error> {
    let given: Given<Spec> = located(value)?;
    let name = given.metadata.name.clone().ok_or_else(|| Error::BadBody {
        index: None,
        field: Some("metadata.name".to_owned()),
        reason: "say which one it is".to_owned(),
    })?;
    let precondition = Precondition::Any.and_body(given.metadata.resource_version.as_deref())?;
    Ok((name, given, precondition))
}

/// Returns an error about the item with this index.
fn at<E: Into<Error>>(index: usize) -> impl Fn(E) -> Error {
    move |error| Error::Item { index, error: Box::new(error.into()) }
}

fn json(resource: Option<impl Serialize>) -> Option<Value> {
    // What is text and numbers can always be written.
    resource.and_then(|resource| serde_json::to_value(resource).ok())
}
