use serde::{Deserialize, Serialize};
use slotway_config::{Policy, PoolMatch};

/// A pool as the store keeps it, without its policy and its workers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolRecord {
    /// Its position among the pools whose matches are tried in order, from 0.
    pub position: u32,
    /// Which requests belong to it.
    #[serde(rename = "match")]
    pub matches: PoolMatch,
    /// The configuration file's entry when it was last read; `None` for a pool that only REST created. An edited entry
    /// wins over a change over REST, an unchanged one does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declared: Option<DeclaredPool>,
    /// Whether it was deleted over REST. The record stays, because the file still declares the pool and must not bring it back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub removed: bool,
    /// The revision of the store that wrote it; 0 if it is not stored yet.
    #[serde(skip)]
    pub revision: u64,
}

/// A pool of the configuration file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeclaredPool {
    /// Its position in the file, from 0.
    pub position: u32,
    /// Which requests belong to it.
    #[serde(rename = "match")]
    pub matches: PoolMatch,
}

/// A pool's policy as the store keeps it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyRecord {
    /// The policy in force.
    pub policy: Policy,
    /// The configuration file's policy when it was last read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declared: Option<Policy>,
    /// The revision of the store that wrote it; 0 if it is not stored yet.
    #[serde(skip)]
    pub revision: u64,
}
