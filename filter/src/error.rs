use slotway_config::ConfigError;
use slotway_engine::Abort;

use crate::host::HostError;

/// A failure in the filter.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FilterError {
    /// A host call failed.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The shared state cannot be read.
    #[error(transparent)]
    State(#[from] Abort),
    /// The plugin configuration is invalid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Every attempt to change the shared state met a change by another lane.
    #[error("the shared state could not be changed: each attempt met a change by another lane")]
    Contended,
    /// More unknown slots than this lane remembers stand under its number.
    #[error("the ledger has too many slots of this lane that no request of it holds")]
    TooManyUnknownSlots,
    /// The host has no state for a pool that had one.
    #[error("the host has lost the state of the pool")]
    PoolGone,
    /// There are more lanes than numbers.
    #[error("no lane number is left")]
    NoLaneNumber,
    /// The shared state has no name for a worker.
    #[error("worker {0} has no name in the shared state")]
    NoName(u16),
}
