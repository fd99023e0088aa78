use serde::{Deserialize, Serialize};
use slotway_config::{PoolName, Worker};

/// A worker as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WorkerRecord {
    /// Its place among the workers of its pool; lower ones come first.
    pub(crate) position: u64,
    /// Its pool and settings in force.
    #[serde(flatten)]
    pub(crate) entry: PoolWorker,
    /// What the configuration file said of it when it was last read; `None` for a worker that only REST
    /// named. It tells an edit of the file, which wins, from a file that says what it always said, which does
    /// not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) declared: Option<PoolWorker>,
    /// Whether it takes requests.
    pub(crate) standing: Standing,
}

/// A worker and the pool that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PoolWorker {
    pub(crate) pool: PoolName,
    pub(crate) worker: Worker,
}

/// Whether a worker takes requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Standing {
    /// It takes requests.
    Active,
    /// It was removed with this generation; its cluster stays until its requests have ended.
    Draining {
        /// The first generation without it.
        since_generation: u64,
    },
    /// The file moved it to the pool of its record. It drains from the old one first: two pools with slots of
    /// one worker would together exceed its capacity.
    Moving {
        /// The first generation without it.
        since_generation: u64,
    },
    /// It was removed over REST and has drained. Kept, because the file still declares it and must not bring
    /// it back.
    Removed,
}

impl Standing {
    /// The first generation without the worker, while it drains.
    pub(crate) fn drains_since(self) -> Option<u64> {
        match self {
            Self::Draining { since_generation } | Self::Moving { since_generation } => Some(since_generation),
            Self::Active | Self::Removed => None,
        }
    }

    /// The standing once it was removed with `generation`: one that drains already goes on draining.
    pub(crate) fn removed(self, generation: u64) -> Self {
        match self {
            Self::Active => Self::Draining { since_generation: generation },
            Self::Moving { since_generation } => Self::Draining { since_generation },
            Self::Draining { .. } | Self::Removed => self,
        }
    }
}
