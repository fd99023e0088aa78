use serde::{Deserialize, Serialize};
use slotway_config::{Policy, PoolMatch};

/// A pool as the store keeps it, without its policy and its workers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PoolRecord {
    /// Its place among the pools whose matches are tried in order, from 0.
    pub(crate) position: u32,
    /// Which requests belong to it.
    #[serde(rename = "match")]
    pub(crate) matches: PoolMatch,
    /// What the configuration file said of it when it was last read; `None` for a pool that only REST named. It tells an edit of
    /// the file, which wins, from a file that says what it always said, which does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) declared: Option<DeclaredPool>,
    /// It was deleted over REST. Kept, because the file still declares it and must not bring it back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) removed: bool,
    /// The store's revision that wrote this; 0 for what is not stored yet.
    #[serde(skip)]
    pub(crate) revision: u64,
}

/// What the configuration file says of a pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DeclaredPool {
    /// Its place in the file, from 0.
    pub(crate) position: u32,
    /// Which requests belong to it.
    #[serde(rename = "match")]
    pub(crate) matches: PoolMatch,
}

/// A pool's policy as the store keeps it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PolicyRecord {
    /// The policy in force.
    pub(crate) policy: Policy,
    /// What the configuration file said of it when it was last read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) declared: Option<Policy>,
    /// The store's revision that wrote this; 0 for what is not stored yet.
    #[serde(skip)]
    pub(crate) revision: u64,
}
