use slotway_store::{ResourceFieldError, StoreError};

/// The failures of backups.
#[derive(Debug, thiserror::Error)]
pub enum BackupsError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A job has a value that cannot be.
    #[error("backup job {name}: {error}")]
    Job {
        /// The name of the job.
        name: String,
        /// The field, and what is wrong with it.
        error: ResourceFieldError,
    },
    /// No store can have the documents of a backup.
    #[error("{reason}")]
    Unfit {
        /// What is wrong with them.
        reason: String,
    },
    /// There would be too many jobs.
    #[error("there can be at most {most} backup jobs")]
    TooManyJobs {
        /// The limit.
        most: usize,
    },
}
