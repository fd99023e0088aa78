//! Pools and policies as `/api/v1/pools` and `/api/v1/policies` have them.

use serde::{Deserialize, Serialize};
use slotway_config::{Policy, PoolMatch, PoolName};

use super::roster::Roster;
use crate::error::Error;

/// Most workers that an error names.
const NAMED_MAX: usize = 5;

/// What somebody wants of a pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PoolSpec {
    /// Which requests belong to it.
    #[serde(rename = "match")]
    #[schema(value_type = MatchShown)]
    pub matches: PoolMatch,
    /// Its place among the pools whose matches are tried in order, from 0. If not said where it is; a new one comes before the
    /// first pool that would take all its requests, at the end if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<u32>,
}

/// Which requests belong to a pool, as the API's description shows it.
#[derive(utoipa::ToSchema)]
#[schema(as = PoolMatch)]
#[expect(dead_code, reason = "it describes the JSON and is never built")]
struct MatchShown {
    /// The beginning of the request's path, `/` for all.
    #[schema(example = "/ocr", max_length = 1_024, pattern = "^/[^?#\\s]*$")]
    prefix: String,
}

impl Roster {
    /// What is wanted of a pool that is there.
    pub(crate) fn pool_spec(&self, name: &PoolName) -> Option<PoolSpec> {
        let record = self.pools.get(name)?;
        Some(PoolSpec { matches: record.matches.clone(), position: Some(record.position) })
    }

    /// Adds pools, or makes them so. Their places are given all at once, so that a list of them comes out as it is. Whether all
    /// together keep the rules, [`Roster::check`] finds.
    pub(crate) fn put_pools(&mut self, wanted: impl IntoIterator<Item = (PoolName, PoolSpec)>) {
        let mut places = Vec::new();
        for (name, PoolSpec { matches, position }) in wanted {
            self.pools.set(&name, matches);
            places.extend(position.map(|position| (name, position)));
        }
        self.pools.place(places);
    }

    /// Makes a pool's policy so.
    ///
    /// # Errors
    /// [`Error::UnknownPool`].
    pub(crate) fn put_policy(&mut self, name: &PoolName, policy: Policy) -> Result<(), Error> {
        if !self.pools.has(name) {
            return Err(self.unknown_pool(name));
        }
        self.pools.policies.entry(name.clone()).or_default().policy = policy;
        Ok(())
    }

    /// Takes away a pool that has no workers. Its requests belong to the next pool that matches.
    ///
    /// # Errors
    /// [`Error::UnknownPool`]; [`Error::Conflict`] where it has workers, or is the only one of its group.
    pub(crate) fn delete_pool(&mut self, name: &PoolName) -> Result<(), Error> {
        if !self.pools.has(name) {
            return Err(self.unknown_pool(name));
        }
        let conflict = |reason| Err(Error::Conflict { index: None, field: None, reason });
        let is_in = |pool: Option<&PoolName>| pool.is_none_or(|pool| pool == name);
        let members = self
            .present()
            .filter(|(_, record)| record.entry.pool == *name || is_in(record.pool_of_requests()));
        let members: Vec<_> = members.map(|(url, _)| url.as_str()).collect();
        if !members.is_empty() {
            let more = if members.len() > NAMED_MAX { ", ..." } else { "" };
            let named = members.iter().take(NAMED_MAX).copied().collect::<Vec<_>>().join(", ");
            return conflict(format!(
                "pool {name} has workers, {} of them: {named}{more}; delete them or put them into another pool, and let them drain",
                members.len()
            ));
        }
        let groups = &self.listener.groups;
        let group = groups.of(name);
        if !self.pools.names().iter().any(|other| other != name && groups.of(other) == group) {
            return conflict(format!(
                "pool {name} is the only one of the group {group:?}, whose Envoys would have none; make another one first"
            ));
        }
        self.pools.remove(name);
        Ok(())
    }

    /// That there is no such pool, and which ones there are.
    pub(crate) fn unknown_pool(&self, name: &PoolName) -> Error {
        let known = self.pools.names().iter().map(ToString::to_string).collect();
        Error::UnknownPool { pool: name.to_string(), known }
    }
}
