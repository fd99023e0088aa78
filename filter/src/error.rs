use slotway_config::ConfigError;
use slotway_engine::Abort;

use crate::host::HostError;

/// What can go wrong in the filter.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FilterError {
    /// The host refused a call.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The shared state cannot be read.
    #[error(transparent)]
    State(#[from] Abort),
    /// The plugin configuration is not one.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Other lanes were faster ten thousand times.
    #[error("the shared state could not be changed: other lanes were always faster")]
    Contended,
    /// Slots turn up that this lane does not know, again and again.
    #[error("too many slots stand under this lane's number that it does not know of")]
    TooManyStrays,
    /// The host says that a pool's state is not there, which was.
    #[error("the pool's state was there before and is not now")]
    PoolGone,
    /// There are more lanes than numbers.
    #[error("no lane number is left")]
    NoLaneNumber,
    /// A worker's name is missing in the shared state.
    #[error("worker {0} has no name in the shared state")]
    NoName(u16),
}
