//! Groups of Envoys. All Envoys of a group have the same pools.

use std::collections::BTreeMap;

use slotway_config::PoolName;

/// The group of the Envoy that `slotway up` runs, and of every pool without another group in the configuration file.
pub const DEFAULT_GROUP: &str = "slotway";

/// The maximum length of a group's name, in bytes.
pub const GROUP_BYTES_MAX: usize = 256;

/// The group of each pool. An Envoy states its group as `node.cluster`, and gets only the pools of that group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Groups {
    /// Pools outside the default group.
    by_pool: BTreeMap<PoolName, String>,
}

impl Groups {
    /// Returns the group of a pool.
    #[must_use]
    pub fn of(&self, pool: &PoolName) -> &str {
        self.by_pool.get(pool).map_or(DEFAULT_GROUP, String::as_str)
    }

    /// Returns whether all pools are in the default group.
    #[must_use]
    pub fn is_one(&self) -> bool {
        self.by_pool.is_empty()
    }

    /// Returns the pools that are not in the default group, each with its group.
    pub fn iter(&self) -> impl Iterator<Item = (&PoolName, &str)> {
        self.by_pool.iter().map(|(pool, group)| (pool, group.as_str()))
    }
}

impl FromIterator<(PoolName, String)> for Groups {
    fn from_iter<I: IntoIterator<Item = (PoolName, String)>>(pools: I) -> Self {
        let by_pool = pools.into_iter().filter(|(_, group)| group != DEFAULT_GROUP);
        Self { by_pool: by_pool.collect() }
    }
}
