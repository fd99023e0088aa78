//! Pools and policies, for `/api/v1/pools` and `/api/v1/policies`.

use serde::Deserialize;
use slotway_config::{Policy, PoolMatch, PoolName};

use crate::{PoolsError, state::PoolsState};

/// The maximum number of workers that an error names.
const NAMED_MAX: usize = 5;

/// The desired settings of a pool. A request is read as this type, so that an error names the field.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolSpec {
    /// Which requests belong to it.
    #[serde(rename = "match")]
    pub matches: PoolMatch,
    /// Its position among the pools whose matches are tried in order, from 0. Default: unchanged; a new pool is
    /// inserted before the first pool that would take all its requests, or at the end if there is none.
    #[serde(default)]
    pub position: Option<u32>,
}

impl PoolsState {
    /// Returns the spec of a pool that exists.
    #[must_use]
    pub fn pool_spec(&self, name: &PoolName) -> Option<PoolSpec> {
        let record = self.pools.get(name)?;
        Some(PoolSpec { matches: record.matches.clone(), position: Some(record.position) })
    }

    /// Creates or replaces pools. All positions are assigned at once, so that a list of pools keeps its order.
    pub fn put_pools(&mut self, wanted: impl IntoIterator<Item = (PoolName, PoolSpec)>) {
        let mut positions = Vec::new();
        for (name, PoolSpec { matches, position }) in wanted {
            self.pools.set(&name, matches);
            positions.extend(position.map(|position| (name, position)));
        }
        self.pools.place(positions);
    }

    /// Replaces a pool's policy.
    ///
    /// # Errors
    /// [`PoolsError::UnknownPool`].
    pub fn put_policy(&mut self, name: &PoolName, policy: Policy) -> Result<(), PoolsError> {
        if !self.pools.has(name) {
            return Err(self.unknown_pool(name));
        }
        self.pools.policies.entry(name.clone()).or_default().policy = policy;
        Ok(())
    }

    /// Deletes a pool that has no workers. Its requests then belong to the next pool that matches.
    ///
    /// # Errors
    /// [`PoolsError::UnknownPool`]; [`PoolsError::PoolInUse`] if it has workers, or is the only one of its group.
    pub fn delete_pool(&mut self, name: &PoolName) -> Result<(), PoolsError> {
        if !self.pools.has(name) {
            return Err(self.unknown_pool(name));
        }
        let in_use = |reason| Err(PoolsError::PoolInUse { pool: name.clone(), reason });
        // If the pool of a worker's requests is unknown, it may be this one.
        let may_be_in = |pool: Option<&PoolName>| pool.is_none_or(|pool| pool == name);
        let members = self
            .present()
            .filter(|(_, record)| record.entry.pool == *name || may_be_in(record.pool_of_requests()));
        let members: Vec<_> = members.map(|(url, _)| url.as_str()).collect();
        if !members.is_empty() {
            let more = if members.len() > NAMED_MAX { ", ..." } else { "" };
            let named = members.iter().take(NAMED_MAX).copied().collect::<Vec<_>>().join(", ");
            return in_use(format!(
                "pool {name} has workers, {} of them: {named}{more}; delete them or put them into another pool, and let them drain",
                members.len()
            ));
        }
        let groups = &self.listener.groups;
        let group = groups.of(name);
        if !self.pools.names().iter().any(|other| other != name && groups.of(other) == group) {
            return in_use(format!(
                "pool {name} is the only one of the group {group:?}, whose Envoys would have none; make another one first"
            ));
        }
        self.pools.remove(name);
        Ok(())
    }

    /// Returns the error for a pool that does not exist, with the names of the existing pools.
    #[must_use]
    pub fn unknown_pool(&self, name: &PoolName) -> PoolsError {
        let known = self.pools.names().iter().map(ToString::to_string).collect();
        PoolsError::UnknownPool { pool: name.to_string(), known }
    }
}
