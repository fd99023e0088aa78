use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde::Serialize;
use serde_json::{Value, json};
use slotway_config::WorkerUrl;
use slotway_store::{
    ChangedResources, DomainResource, Kind, Replicated, ResourceChange, ResourceChanges, ResourceError,
    ResourceFieldError, ResourceName, ResourceView, Versioned, read_spec,
};

use crate::{
    BUILT_IN_PROFILES, SERVER_LIMITS_NAME, ServersError, WorkerDirectory,
    admission::{admit, is_counted},
    state::{RESOURCE_PROFILE, SERVER, SERVER_LIMITS, State},
};

/// The kind of workers, which belongs to another domain: servers refer to them.
const WORKER: &str = "worker";
const NOTE: &str =
    "The profile is stored and pushed over xDS to the nodes that subscribe. This version starts no servers.";

/// The servers, limits and profiles at one revision.
pub(crate) struct ServersView {
    state: Arc<State>,
    workers: Arc<dyn WorkerDirectory>,
}

impl ServersView {
    pub(crate) fn new(state: Arc<State>, workers: Arc<dyn WorkerDirectory>) -> Self {
        Self { state, workers }
    }

    fn limits(&self) -> DomainResource {
        let workers = self.workers.workers();
        let mut by_usage: BTreeMap<&str, u32> = BTreeMap::new();
        for (_, server) in self.state.servers.iter().filter(|(_, server)| is_counted(&server.value, &workers))
        {
            *by_usage.entry(server.value.usage.as_str()).or_default() += 1;
        }
        let status = json!({ "servers": by_usage.values().sum::<u32>(), "by_usage": by_usage });
        resource(SERVER_LIMITS_NAME, &self.state.limits_in_force(), status)
    }

    fn profile(&self, name: &str) -> Option<DomainResource> {
        let is_built_in = BUILT_IN_PROFILES.contains(&name);
        let status = json!({ "is_built_in": is_built_in, "executed": false, "note": NOTE });
        self.state.profile(name).map(|profile| resource(name, &profile, status))
    }

    fn server(&self, name: &str, workers: &BTreeSet<String>) -> Option<DomainResource> {
        let server = self.state.servers.get(name)?;
        Some(resource(name, server, json!({ "is_counted": is_counted(&server.value, workers) })))
    }
}

impl ResourceView for ServersView {
    fn revision(&self) -> u64 {
        self.state.revision
    }

    fn list(&self, kind: Kind) -> Vec<DomainResource> {
        match kind {
            SERVER_LIMITS => vec![self.limits()],
            RESOURCE_PROFILE => {
                self.state.profile_names().iter().filter_map(|name| self.profile(name)).collect()
            }
            SERVER => {
                let workers = self.workers.workers();
                self.state.servers.iter().filter_map(|(name, _)| self.server(name, &workers)).collect()
            }
            _ => Vec::new(),
        }
    }

    fn get(&self, kind: Kind, name: &str) -> Option<DomainResource> {
        match kind {
            SERVER_LIMITS => (name == SERVER_LIMITS_NAME).then(|| self.limits()),
            RESOURCE_PROFILE => self.profile(name),
            SERVER => self.server(name, &self.workers.workers()),
            _ => None,
        }
    }

    fn is_built_in(&self, kind: Kind, name: &str) -> bool {
        match kind {
            SERVER_LIMITS => name == SERVER_LIMITS_NAME,
            RESOURCE_PROFILE => BUILT_IN_PROFILES.contains(&name),
            _ => false,
        }
    }

    fn changed(&self, changes: ResourceChanges<'_>) -> Result<ChangedResources, ResourceError> {
        let mut next = State::clone(&self.state);
        for change in changes.own {
            change_one(&mut next, change).map_err(|error| refused(error, &change.name))?;
        }
        let mut workers = self.workers.workers();
        let beside = changes.created_beside.iter().filter(|(kind, _)| kind.as_str() == WORKER);
        workers.extend(beside.filter_map(|(_, name)| Some(name.parse::<WorkerUrl>().ok()?.to_string())));
        let last = changes.own.last().map(|change| change.name.as_str()).unwrap_or_default();
        admit(&self.state.servers, &next.servers, &next.limits_in_force().value, &workers)
            .map_err(|error| refused(error, last))?;
        // A server that no longer counts gives way to one that does: it would count again if its worker came back.
        if next.servers != self.state.servers {
            next.servers.retain(|_, server| is_counted(&server.value, &workers));
        }
        next.check().map_err(|error| refused(error, last))?;
        let writes = self.state.writes_to(&next).map_err(|error| refused(error, last))?;
        Ok(ChangedResources { view: Arc::new(Self::new(Arc::new(next), Arc::clone(&self.workers))), writes })
    }
}

fn change_one(
    next: &mut State,
    ResourceChange { kind, name, spec }: &ResourceChange,
) -> Result<(), ServersError> {
    let of = |error: ResourceFieldError| ServersError::Value { name: name.clone(), error };
    // Names come first: a wrong one cannot be mended by another spec.
    let parsed: ResourceName = name.parse().map_err(of)?;
    let conflict =
        |reason: &str| Err(ServersError::Conflict { name: name.clone(), reason: reason.to_owned() });
    match (*kind, spec) {
        (SERVER_LIMITS, _) if name != SERVER_LIMITS_NAME => {
            let reason = format!("the only server limits are {SERVER_LIMITS_NAME:?}");
            return Err(of(ResourceFieldError::new("metadata.name", reason)));
        }
        (SERVER_LIMITS, Some(spec)) => {
            let limits = read_spec(spec).map_err(of)?;
            if next.limits_in_force().value != limits {
                next.limits.set(parsed.as_str(), limits);
            }
        }
        (SERVER_LIMITS, None) => return conflict("there are always limits; apply other ones"),
        (RESOURCE_PROFILE, Some(spec)) => {
            let profile = read_spec(spec).map_err(of)?;
            if next.profile(name).is_none_or(|known| known.value != profile) {
                next.profiles.set(parsed.as_str(), profile);
            }
        }
        (RESOURCE_PROFILE, None) if BUILT_IN_PROFILES.contains(&name.as_str()) => {
            return conflict("this profile is built in and cannot be deleted; change it");
        }
        (RESOURCE_PROFILE, None) => drop(next.profiles.remove(name)),
        (SERVER, Some(spec)) => next.servers.set(parsed.as_str(), read_spec(spec).map_err(of)?),
        (SERVER, None) => drop(next.servers.remove(name)),
        (other, _) => {
            let reason = format!("{:?} is not a kind of servers", other.as_str());
            return Err(of(ResourceFieldError::new("kind", reason)));
        }
    }
    Ok(())
}

/// Returns the error as the generic handler maps it. `last` is to blame where the whole state is.
fn refused(error: ServersError, last: &str) -> ResourceError {
    match error {
        ServersError::Store(error) => error.into(),
        ServersError::Value { name, error }
            if error.field.starts_with("spec") || error.field.starts_with("metadata") =>
        {
            error.of(&name)
        }
        ServersError::Value { name, error } => error.below("spec").of(&name),
        ServersError::Conflict { name, reason } => {
            let name = if name.is_empty() { last.to_owned() } else { name };
            ResourceError::Conflict { name, reason }
        }
        ServersError::NoRoom { ref name, .. } | ServersError::UnknownWorker { ref name, .. } => {
            ResourceError::Domain { name: name.clone(), error: Box::new(error) }
        }
    }
}

fn resource<Spec: Serialize>(name: &str, spec: &Versioned<Spec>, status: Value) -> DomainResource {
    DomainResource {
        name: name.to_owned(),
        revision: spec.revision,
        // Texts and numbers always have JSON.
        spec: serde_json::to_value(&spec.value).unwrap_or(Value::Null),
        status,
    }
}
