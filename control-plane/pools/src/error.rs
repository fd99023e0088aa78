use slotway_config::{PoolName, WorkerSetting, WorkerUrl};
use slotway_store::StoreError;

/// A failure of a change of pools, policies or workers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PoolsError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The configuration file and the changes over REST together break a rule.
    #[error(
        "what was changed over REST and the configuration file do not go together: {0}; change the file, or before that \
         pools and workers over REST (`slotway delete`, DELETE /api/v1/pools/NAME, DELETE /coordinator/workers)"
    )]
    Declaration(RuleViolation),
    /// A change breaks a rule of the whole state.
    #[error(transparent)]
    Rule(#[from] RuleViolation),
    /// A field of a worker's spec is invalid.
    #[error("{reason}")]
    Worker {
        /// The field.
        field: WorkerField,
        /// Why it is invalid, and which values are valid.
        reason: String,
    },
    /// A field of an entry of a list of workers is invalid.
    #[error("{reason}")]
    Entry {
        /// The index of the entry, from 0; none if the error concerns no single entry.
        index: Option<usize>,
        /// The field.
        field: WorkerField,
        /// Why it is invalid, and which values are valid.
        reason: String,
    },
    /// An entry of a list of workers names a worker that is in another pool.
    #[error(
        "{worker} is in pool {pool}; remove it there first and let it drain, a worker belongs to one pool"
    )]
    EntryInOtherPool {
        /// The index of the entry, from 0.
        index: usize,
        /// The worker.
        worker: WorkerUrl,
        /// The pool that it is in.
        pool: PoolName,
    },
    /// A pool cannot be deleted.
    #[error("{reason}")]
    PoolInUse {
        /// The pool.
        pool: PoolName,
        /// What uses it, and what to do first.
        reason: String,
    },
    /// The worker does not exist.
    #[error("there is no worker {worker:?}")]
    UnknownWorker {
        /// The requested name.
        worker: String,
        /// Some of the existing workers.
        known: Vec<String>,
    },
    /// The pool does not exist.
    #[error("there is no pool {pool:?}")]
    UnknownPool {
        /// The requested name.
        pool: String,
        /// The existing pools.
        known: Vec<String>,
    },
}

/// A field of a worker that a client sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkerField {
    /// The base URL.
    Worker,
    /// The pool.
    Pool,
    /// The capacity.
    Capacity,
    /// The TLS settings.
    Tls,
    /// The use of connections.
    Connections,
    /// The slow start.
    SlowStart,
}

impl From<WorkerSetting> for WorkerField {
    fn from(setting: WorkerSetting) -> Self {
        match setting {
            WorkerSetting::Tls => Self::Tls,
            WorkerSetting::Connections => Self::Connections,
        }
    }
}

impl WorkerField {
    /// Returns the field's name in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Worker => "worker",
            Self::Pool => "pool",
            Self::Capacity => "capacity",
            Self::Tls => "tls",
            Self::Connections => "connections",
            Self::SlowStart => "slow_start",
        }
    }
}

/// A violation of a rule about all pools and workers together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct RuleViolation {
    /// The pool; none if there are too many of them.
    pub pool: Option<PoolName>,
    /// A second pool that breaks the rule together with the first.
    pub other: Option<PoolName>,
    /// The part of the pool that violates the rule.
    pub subject: RuleSubject,
    /// The violation, and what would be valid.
    pub reason: String,
}

/// The subject of a violation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuleSubject {
    /// The number of pools.
    PoolCount,
    /// A pool's match.
    Match,
    /// The workers of a pool.
    Workers,
}
