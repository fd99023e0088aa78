use std::collections::BTreeMap;

use slotway_agents_proto::AgentResources;
use slotway_store::{
    Commit, Document, Documents, Expected, Kind, Listing, Replicated, ResourceFieldError, StoreError, Turn,
    Versioned, Write,
};

use crate::{
    BUILT_IN_PROFILES, ResourceProfile, SERVER_LIMITS_NAME, Server, ServerLimits, ServersError, agents,
    legacy::{self, RESOURCE_PROFILES},
};

/// Servers, by name.
pub(crate) const SERVER: Kind = Kind::new("server");
/// The limits, of which there is one document.
pub(crate) const SERVER_LIMITS: Kind = Kind::new("server_limits");
/// Profiles, by name.
pub(crate) const RESOURCE_PROFILE: Kind = Kind::new("resource_profile");
/// The kinds of documents that this crate owns. The last one is read and no longer written.
pub const KINDS: &[Kind] = &[SERVER, SERVER_LIMITS, RESOURCE_PROFILE, RESOURCE_PROFILES];
pub(crate) const RESOURCES: &[Kind] = &[SERVER, SERVER_LIMITS, RESOURCE_PROFILE];

/// Most profiles.
const PROFILES_MAX: usize = 256;
/// Most servers, whatever the limits say.
const SERVERS_MAX: usize = 4_096;

/// The limits, profiles and servers as they are stored.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct State {
    pub(crate) limits: Documents<ServerLimits>,
    pub(crate) profiles: Documents<ResourceProfile>,
    pub(crate) servers: Documents<Server>,
    /// Documents of before that have to be replaced: kind and key.
    pub(crate) legacy: BTreeMap<(Kind, String), String>,
    turn: Turn,
    pub(crate) revision: u64,
}

impl State {
    pub(crate) fn empty() -> Self {
        Self {
            limits: Documents::new(SERVER_LIMITS),
            profiles: Documents::new(RESOURCE_PROFILE),
            servers: Documents::new(SERVER),
            legacy: BTreeMap::new(),
            turn: Turn::new("servers"),
            revision: 0,
        }
    }

    /// Returns the limits in force.
    pub(crate) fn limits_in_force(&self) -> Versioned<ServerLimits> {
        let default = || Versioned { revision: 0, value: ServerLimits::default() };
        self.limits.get(SERVER_LIMITS_NAME).cloned().unwrap_or_else(default)
    }

    /// Returns a profile: the stored one, or a built-in one that was never changed.
    pub(crate) fn profile(&self, name: &str) -> Option<Versioned<ResourceProfile>> {
        let built_in = || {
            BUILT_IN_PROFILES
                .contains(&name)
                .then(|| Versioned { revision: 0, value: ResourceProfile::default() })
        };
        self.profiles.get(name).cloned().or_else(built_in)
    }

    /// Returns the names of all profiles, in order.
    pub(crate) fn profile_names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.profiles.iter().map(|(name, _)| name.to_owned()).collect();
        names.extend(BUILT_IN_PROFILES.map(str::to_owned));
        names.sort();
        names.dedup();
        names
    }

    fn take_over(
        &mut self,
        kind: Kind,
        key: &str,
        revision: u64,
        value: Option<&str>,
    ) -> Result<(), StoreError> {
        let is_legacy = kind == RESOURCE_PROFILES
            || kind == SERVER
                && value.map_or(key.contains(':'), |value| legacy::server(key, value).is_some());
        if is_legacy {
            match value {
                Some(value) => drop(self.legacy.insert((kind, key.to_owned()), value.to_owned())),
                None => drop(self.legacy.remove(&(kind, key.to_owned()))),
            }
            return Ok(());
        }
        let _ = self.turn.take_over(kind, key, revision, value)
            || self.limits.take_over(kind, key, revision, value)?
            || self.profiles.take_over(kind, key, revision, value)?
            || self.servers.take_over(kind, key, revision, value)?;
        Ok(())
    }

    /// Replaces the documents of before by those of today.
    pub(crate) fn migrate(&mut self) -> Result<(), StoreError> {
        for ((kind, key), value) in std::mem::take(&mut self.legacy) {
            if kind == RESOURCE_PROFILES {
                for (name, profile) in legacy::profiles(&key, &value)? {
                    if !self.profiles.contains(name) {
                        self.profiles.set(name, profile);
                    }
                }
            } else if let Some(server) = legacy::server(&key, &value)
                && !self.servers.iter().any(|(_, known)| known.value.external == server.external)
            {
                let name = legacy::derived_name(&server.external, |name| self.servers.contains(name));
                self.servers.set(name, server);
            }
        }
        Ok(())
    }
}

impl Replicated for State {
    type Error = ServersError;
    type Published = AgentResources;

    const NAME: &'static str = "servers";
    const KINDS: &'static [Kind] = &[SERVER, SERVER_LIMITS, RESOURCE_PROFILE, RESOURCE_PROFILES, Kind::FACT];

    fn revision(&self) -> u64 {
        self.revision
    }

    fn set_revision(&mut self, revision: u64) {
        self.revision = revision;
    }

    fn load(&mut self, listing: Listing) -> Result<(), StoreError> {
        *self = Self::empty();
        listing.documents.iter().try_for_each(|document| {
            self.take_over(document.kind, &document.key, document.revision, Some(&document.value))
        })
    }

    fn apply(&mut self, commit: &Commit) -> Result<(), StoreError> {
        commit.changes.iter().try_for_each(|change| {
            self.take_over(change.kind, &change.key, commit.revision, change.value.as_deref())
        })
    }

    fn check(&self) -> Result<(), ServersError> {
        let of = |name: &str| {
            let name = name.to_owned();
            move |error: ResourceFieldError| ServersError::Value { name, error }
        };
        self.limits.iter().try_for_each(|(name, limits)| limits.value.check().map_err(of(name)))?;
        self.profiles.iter().try_for_each(|(name, profile)| profile.value.check().map_err(of(name)))?;
        for (count, most, what) in [
            (self.profiles.len(), PROFILES_MAX, "resource profiles"),
            (self.servers.len(), SERVERS_MAX, "servers"),
        ] {
            if count > most {
                let reason = format!("there can be at most {most} {what}");
                return Err(ServersError::Conflict { name: String::new(), reason });
            }
        }
        Ok(())
    }

    fn writes_to(&self, next: &Self) -> Result<Vec<Write>, ServersError> {
        let mut writes = self.limits.writes_to(&next.limits)?;
        writes.extend(self.profiles.writes_to(&next.profiles)?);
        writes.extend(self.servers.writes_to(&next.servers)?);
        let gone = self.legacy.keys().filter(|key| !next.legacy.contains_key(*key));
        writes.extend(gone.map(|(kind, key)| Write::delete(*kind, key.as_str(), Expected::Anything)));
        if !writes.is_empty() {
            writes.push(self.turn.write());
        }
        Ok(writes)
    }

    fn stamp(&mut self, before: &Self, revision: u64) {
        self.limits.stamp(&before.limits, revision);
        self.profiles.stamp(&before.profiles, revision);
        self.servers.stamp(&before.servers, revision);
        self.turn.stamp(revision);
    }

    fn publish(&self) -> AgentResources {
        let profile = |name: String| self.profile(&name).map(|profile| (name, profile.value));
        let profiles: Vec<_> = self.profile_names().into_iter().filter_map(profile).collect();
        let profiles = profiles.iter().map(|(name, profile)| (name.as_str(), profile));
        agents::resources(&self.limits_in_force().value, profiles)
    }
}

/// Returns documents in the shape of today. Those of other kinds stay as they are.
///
/// # Errors
/// [`StoreError::Document`] for a document that cannot be read.
pub fn upgraded(listing: Listing) -> Result<Listing, ServersError> {
    let (revision, mut state) = (listing.revision, State::empty());
    state.load(listing.clone())?;
    if state.legacy.is_empty() {
        return Ok(listing);
    }
    state.migrate()?;
    let mut documents = listing.documents;
    documents.retain(|document| !KINDS.contains(&document.kind));
    for write in State::empty().writes_to(&state)? {
        if let (Some(value), true) = (write.value, KINDS.contains(&write.kind)) {
            documents.push(Document { kind: write.kind, key: write.key, revision, value });
        }
    }
    documents.sort_by(|one, other| (one.kind, &one.key).cmp(&(other.kind, &other.key)));
    Ok(Listing { revision, documents })
}

/// Returns the write that goes with every change of what a listing holds of servers.
///
/// # Errors
/// [`ServersError::Store`] for a document that cannot be read.
pub fn turn_write(listing: &Listing) -> Result<Write, ServersError> {
    let mut state = State::empty();
    state.load(listing.clone())?;
    Ok(state.turn.write())
}
