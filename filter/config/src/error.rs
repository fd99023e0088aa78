use crate::limits;

/// Why a configuration was refused. The text says what is wrong and what is valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A capacity outside 1 to [`limits::CAPACITY_MAX`].
    #[error("capacity {0} is out of range: it must be a whole number from 1 to {max}", max = limits::CAPACITY_MAX)]
    Capacity(String),
    /// Not a duration.
    #[error("{0:?} is not a duration: write a whole number with ms, s, m or h, for example 30s (or 0)")]
    Duration(String),
    /// A duration beyond [`limits::DURATION_MS_MAX`].
    #[error("{0:?} is too long: at most {days} days", days = limits::DURATION_MS_MAX / 86_400_000)]
    DurationTooLong(String),
    /// Not a valid base URL of a worker.
    #[error("{url:?} is not the base URL of a worker: {reason}")]
    WorkerUrl {
        /// The value.
        url: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Not a valid name of a pool.
    #[error(
        "{0:?} is not a name for a pool: use 1 to {max} of a-z, 0-9, - and _, beginning with a letter",
        max = limits::POOL_NAME_BYTES_MAX
    )]
    PoolName(String),
    /// Not a valid path prefix.
    #[error(
        "{0:?} is not a path prefix: it must begin with / and have neither ?, # nor spaces, at most {max} bytes",
        max = limits::PREFIX_BYTES_MAX
    )]
    Prefix(String),
    /// Not JSON, or JSON of another form.
    #[error("not a filter configuration: {0}")]
    Json(String),
    /// Values that contradict each other.
    #[error(transparent)]
    Field(#[from] FieldError),
}

/// Values that are valid by themselves and contradict each other, with the path of the field that breaks the rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {reason}")]
pub struct FieldError {
    /// The field, for example `pools[1].workers[0].worker`.
    pub path: String,
    /// The index in the list of pools of the pool that the field belongs to, if it belongs to one.
    pub pool: Option<usize>,
    /// What is wrong and what is valid.
    pub reason: String,
}

impl FieldError {
    pub(crate) fn new(path: String, reason: String) -> Self {
        Self { path, pool: None, reason }
    }

    /// Returns an error at a field of the pool with this index.
    pub(crate) fn of_pool(index: usize, path: String, reason: String) -> Self {
        Self { path, pool: Some(index), reason }
    }
}
