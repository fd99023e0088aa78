//! Backups: jobs that say what is backed up, when and where to, and the store as one file with its restore.
//!
//! Nothing executes the jobs yet.

mod agents;
mod error;
mod job;
mod jobs;
mod legacy;
mod restore;
mod schedule;
mod scope;
mod store_file;

pub use error::BackupsError;
pub use job::{
    BackupJob, BackupRetention, BackupSchedule, BackupSubject, BackupTarget, FileTarget, FilesSubject,
    S3Target, StoreSubject,
};
pub use jobs::{Backups, JOBS_MAX, Jobs, KINDS, RestoredJobs};
pub use restore::{RestorePlan, replaced};
pub use schedule::Schedule;
pub use scope::{RestoreOutcome, RestorePart, StoreScope};
pub use store_file::StoreBackup;
